"""Listing: reads of several calls, here with replies that the test makes up."""

from typing import Any

import pytest

from barq.errors import InvalidValue
from barq.listing import Place, all_types, parse, walk
from barq.protocol.call import Space
from barq.protocol.reads import Slice, TypeCounts
from barq.record import Described, Record, Run, Status
from barq.states import State

SPACE = Space("q")


def job(job_id: int) -> Described:
    status = Status(State.WAITING, 0.0, Run(), None, None)
    return Described(job_id, Record(b"17\t0\temail\t\n{}"), status)


def finished(exchange: Any, replies: list[Any]) -> tuple[Any, list[tuple[bytes, ...]]]:
    """The result of an exchange that gets these replies, and the arguments of its calls."""
    sent = [next(exchange).args]
    for reply in replies:
        try:
            sent.append(exchange.send(reply).args)
        except StopIteration as end:
            return end.value, sent
    raise AssertionError("it wants more replies")


def listed(exchange: Any, replies: list[Any]) -> tuple[list[int], str | None, list[tuple[bytes, ...]]]:
    (jobs, after), sent = finished(exchange, replies)
    return [one.id for one in jobs], after, sent


def counted(*types: str, **counts: int) -> dict[str, dict[str, int]]:
    return {type_: {str(state): counts.get(state, 0 if counts else 9) for state in State} for type_ in types}


def test_a_line_that_has_more_tells_where_to_go_on() -> None:
    exchange = walk(SPACE, counted("email"), [State.WAITING], None, limit=2, newest_first=False)
    ids, after, _ = listed(exchange, [Slice([job(1), job(2)], True)])
    assert ids == [1, 2]
    assert after is not None
    assert parse(after) == Place("email", State.WAITING, (0.0, 2))


def test_a_line_that_ends_is_followed_by_the_next() -> None:
    exchange = walk(SPACE, counted("a", "b"), [State.WAITING], None, limit=3, newest_first=False)
    ids, after, sent = listed(exchange, [Slice([job(1)], False), Slice([job(2)], False)])
    assert (ids, after) == ([1, 2], None)
    assert [(args[0], args[-1]) for args in sent] == [(b"a", b"3"), (b"b", b"2")]


def test_a_page_that_is_full_at_the_end_of_a_line_goes_on_with_the_next() -> None:
    exchange = walk(SPACE, counted("a", "b"), [State.WAITING], None, limit=1, newest_first=False)
    _, after, _ = listed(exchange, [Slice([job(1)], False)])
    assert after is not None
    assert parse(after) == Place("b", State.WAITING, None)


def test_a_page_that_is_full_at_the_end_of_the_last_line_is_the_last() -> None:
    exchange = walk(SPACE, counted("a"), [State.WAITING], None, limit=1, newest_first=False)
    assert listed(exchange, [Slice([job(1)], False)])[:2] == ([1], None)


def test_the_next_page_begins_where_the_last_one_ended() -> None:
    place = Place("b", State.FAILED, (5.0, 17))
    exchange = walk(SPACE, counted("a", "b"), [State.WAITING, State.FAILED], place, limit=9, newest_first=True)
    _, _, sent = listed(exchange, [Slice([], False)])
    assert sent == [(b"b", b"failed", b"desc", b"5.0", b"b17", b"0", b"9")]


def test_empty_lines_are_not_asked_for() -> None:
    exchange = walk(SPACE, counted("a", "b", failed=1), list(State), None, limit=9, newest_first=True)
    _, _, sent = listed(exchange, [Slice([job(1)], False), Slice([job(2)], False)])
    assert [args[:2] for args in sent] == [(b"a", b"failed"), (b"b", b"failed")]


def test_lines_that_are_skipped_are_not_asked_for() -> None:
    counts = counted("a", "b", waiting=3, failed=2)
    exchange = walk(SPACE, counts, list(State), None, limit=1, newest_first=False, skip=6)
    _, _, sent = listed(exchange, [Slice([job(1)], True)])
    assert [(args[0], args[1], args[5]) for args in sent] == [(b"b", b"waiting", b"1")]


def test_a_place_of_another_listing_is_refused() -> None:
    place = Place("b", State.FAILED, (5.0, 17))
    with pytest.raises(InvalidValue, match="another type or state"):
        next(walk(SPACE, counted("a"), [State.WAITING], place, limit=9, newest_first=True))


@pytest.mark.parametrize(
    "after", ["", "x", "[]", '["a","nowhere",null]', '["a","waiting",["0",1]]', '["a","waiting",[0,0]]', "null", "5"]
)
def test_what_is_no_place_is_refused(after: str) -> None:
    with pytest.raises(InvalidValue, match="next"):
        parse(after)


def test_all_types_are_asked_for_until_the_cursor_ends() -> None:
    def row(type_: str) -> TypeCounts:
        return TypeCounts(type_, None, {})

    replies = [(b"7", [row("b"), row("")]), (b"0", [row("a"), row("b")])]
    found, sent = finished(all_types(SPACE), replies)
    assert list(found) == ["a", "b"]
    assert sent == [(b"0", b"0"), (b"0", b"7")]
