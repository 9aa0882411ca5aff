"""Wrong values: each gets its typed error at the call, which names the value, and nothing is stored."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import barq
from barq.errors import BarqError, shown

NAN, INF = float("nan"), float("inf")


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def deep(levels: int) -> Any:
    data: Any = 1
    for _ in range(levels):
        data = [data]
    return data


def circle() -> Any:
    data: list[Any] = []
    data.append(data)
    return data


PAYLOADS: dict[str, tuple[Any, str]] = {
    "nan": (NAN, "finite number, got nan"),
    "inf deep inside": ({"a": [1, {"b": INF}]}, r"data\['a'\]\[1\]\['b'\] must be a finite number, got inf"),
    "2^53+1": (2**53 + 1, "beyond 2.53, got 9007199254740993"),
    "-2^53-1": (-(2**53) - 1, "beyond 2.53"),
    "2^64": ([2**64], r"data\[0\] is a whole number beyond"),
    "5,000 digits": (10**5000, "beyond 2.53"),
    "decimal": (Decimal("1.5"), "got Decimal"),
    "datetime": (datetime.now(UTC), "got datetime"),
    "bytes": (b"x", "got bytes"),
    "set": ({"a"}, "got set"),
    "object": (object(), "got object"),
    "class": (int, "got type"),
    "1,001 deep": (deep(1001), "nested more than"),
    "100,000 deep": (deep(100_000), "nested more than"),
    "circle": (circle(), "nested more than"),
    "lone surrogate": ("\ud800", "lone surrogate"),
    "lone surrogate in a key": ({"\udfff": 1}, "a key in data holds a lone surrogate"),
    "whole number as key": ({1: 2}, "keys in data must be strings, got 1"),
    "none as key": ({None: 2}, "keys in data must be strings, got None"),
    "10 MB": ("x" * 10_000_000, "at most 1048576 bytes, got 10000002"),
    "a byte too many": ("x" * (1024 * 1024 - 1), "at most 1048576 bytes, got 1048577"),
}

TYPES: dict[str, tuple[Any, type[Exception], str]] = {
    "empty": ("", barq.InvalidValue, "1 to 256 bytes, got 0"),
    "crlf": ("a\r\nb", barq.InvalidValue, r"no control characters, got 'a\\r\\nb'"),
    "tab": ("a\tb", barq.InvalidValue, "no control characters"),
    "null": ("a\0b", barq.InvalidValue, "no control characters"),
    "100 kB": ("x" * 100_000, barq.InvalidValue, "1 to 256 bytes, got 100000"),
    "lone surrogate": ("\ud800", barq.InvalidValue, "lone surrogate"),
    "none": (None, barq.InvalidType, "must be a str, got None"),
    "number": (7, barq.InvalidType, "must be a str, got 7"),
    "bytes": (b"email", barq.InvalidType, "must be a str, got b'email'"),
    "list": (["email"], barq.InvalidType, "must be a str"),
}

OPTIONS: list[tuple[str, Any, str]] = [
    *(("delay", value, "delay must be") for value in (-1, -0.001, NAN, INF, -INF, True, "5", [], 10**12, 10**5000)),
    ("delay", timedelta(seconds=-1), "delay must be from 0 seconds to 100 years"),
    ("delay", datetime(2030, 1, 1), "with a time zone, got datetime"),  # noqa: DTZ001
    *(("attempts", value, "attempts must be") for value in (0, -1, 1.5, "3", None, True, NAN, 10**9, 10**5000)),
    *(("priority", value, "priority must be one of low, normal") for value in ("urgent", 1.5, None, True, 2**53, "")),
    *(("priority", value, "priority must be one of") for value in ([], {}, Unshowable(), 10**5000, "x" * 100_000)),
    *(("timeout", value, "timeout must be") for value in (0, -1, NAN, INF, True, "5", 10**12, timedelta(0))),
    *(("backoff", value, r"must be barq.fixed\(…\)") for value in (5, "fixed", {"delay": 1}, lambda n: n, True)),
    *(("title", value, "title ") for value in ("", 5, "a\nb", "x" * 2000, "\ud800", b"x")),
    *(("token", value, "token ") for value in ("", 5, "a\nb", "x" * 2000, "\ud800", b"x")),
    *(("remove_on_complete", value, "must be True or False") for value in (1, "yes", None)),
    ("retries", 3, "a job has no option 'retries'; options are priority, delay"),
    ("Priority", "low", "a job has no option 'Priority'"),
]


async def refused(queue: barq.Queue, call: Callable[[], Any], says: str) -> BarqError:
    async def called() -> None:
        answer = call()
        if asyncio.iscoroutine(answer):
            await answer

    with pytest.raises((barq.InvalidValue, barq.InvalidType), match=says) as caught:
        await called()
    assert len(str(caught.value)) < 1000
    assert await queue.types() == {}
    assert await queue._here().store._link.call(b"EXISTS", b"barq:{%b}:seq" % queue.name.encode()) == 0  # type: ignore[union-attr]
    return caught.value


@pytest.mark.parametrize("which", PAYLOADS)
async def test_data_that_would_come_back_changed_is_refused(queue: barq.Queue, which: str) -> None:
    data, says = PAYLOADS[which]
    for call in (
        lambda: queue.enqueue("email", data),
        lambda: queue.create("email", data),
        lambda: queue.enqueue_many("email", [1, data]),
    ):
        assert isinstance(await refused(queue, call, says), barq.InvalidPayload)


@pytest.mark.parametrize("which", TYPES)
async def test_types_that_are_no_names_are_refused(queue: barq.Queue, which: str) -> None:
    type_, kind, says = TYPES[which]
    for call in (
        lambda: queue.enqueue(type_),
        lambda: queue.enqueue_many(type_, [1]),
        lambda: queue.create(type_),
        lambda: queue.handler(type_),
        lambda: queue.counts(type_) if type_ is not None else queue.enqueue(type_),
        lambda: queue.jobs(type=type_) if type_ is not None else queue.enqueue(type_),
        lambda: queue.pause(type_) if type_ is not None else queue.enqueue(type_),
    ):
        assert isinstance(await refused(queue, call, says), kind)


@pytest.mark.parametrize(
    ("option", "value", "says"), OPTIONS, ids=[f"{option} {shown(value)[:12]}" for option, value, _ in OPTIONS]
)
async def test_options_that_make_no_sense_are_refused(queue: barq.Queue, option: str, value: Any, says: str) -> None:
    await refused(queue, lambda: queue.enqueue("email", **{option: value}), says)
    await refused(queue, lambda: queue.create("email", **{option: value}), says)
    await refused(queue, lambda: queue.enqueue_many("email", [1], **{option: value}), says)


def test_a_mistake_is_also_a_value_or_type_error() -> None:
    assert issubclass(barq.InvalidValue, ValueError)
    assert issubclass(barq.InvalidType, TypeError)


@pytest.mark.parametrize(
    "call",
    [
        lambda queue, id_: queue.get(id_),
        lambda queue, id_: queue.cancel(1, id_),
        lambda queue, id_: queue.retry(id_),
        lambda queue, id_: queue.promote(id_),
        lambda queue, id_: queue.remove(id_),
        lambda queue, id_: queue.logs(id_),
    ],
)
@pytest.mark.parametrize(
    "bad", [0, -1, "5", 5.0, None, True, 2**53 + 1, b"5", NAN, 10**5000, [1]], ids=lambda bad: shown(bad)[:30]
)
async def test_ids_that_are_none_are_refused(queue: barq.Queue, call: Any, bad: Any) -> None:
    await refused(queue, lambda: call(queue, bad), "id of a job must be")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda queue: queue.jobs("done"), "state must be one of waiting, delayed.*got 'done'"),
        (lambda queue: queue.jobs(["waiting"]), "state must be one of"),
        (lambda queue: queue.jobs(limit=0), "limit must be from 1 to 1000, got 0"),
        (lambda queue: queue.jobs(limit=1001), "limit must be"),
        (lambda queue: queue.jobs(limit="5"), "limit must be a whole number"),
        *(
            (lambda queue, after=after: queue.jobs(after=after), "after must be the `next` of a page")
            for after in ("", "x", "[]", '["email"]', '["email","waiting",-5,null]', 5, '["a","b",0,1]', "[" * 5000)
        ),
        (lambda queue: queue.jobs(after=f'["email","waiting",[0,{2**70}]]'), "after must be the `next`"),
        (lambda queue: queue.jobs(after='["email","waiting",[0,1]]'), "another type or state"),
        (lambda queue: queue.enqueue_many("email", "abc"), "data must be a list"),
        (lambda queue: queue.enqueue_many("email", {"a": 1}), "data must be a list"),
        (lambda queue: queue.enqueue_many("email", 5), "data must be a list"),
        (lambda queue: queue.enqueue_many("email", [1, 2], token="t"), "one token can't name many"),
        (lambda queue: queue.pause("email", by=5), "by must be a str"),
        (lambda queue: queue.pause("email", reason="a\nb"), "reason must have no control"),
        (lambda queue: queue.create("email").on("done", print), "event must be one of enqueue.*got 'done'"),
        (lambda queue: queue.create("email").on(None, print), "event must be one of"),
        (lambda queue: queue.create("email").on("complete", "print"), "callback must be a function, got 'print'"),
        (lambda queue: queue.create("email").on("complete", None), "callback must be a function"),
    ],
)
async def test_questions_that_make_no_sense_are_refused(queue: barq.Queue, call: Any, says: str) -> None:
    await refused(queue, lambda: call(queue), says)


@pytest.mark.parametrize(
    "type_", ["{}", "two words", "😀", "a:b", "email:waiting", "__main__", "*", "a{b}c", "'\"\\", "é" * 128]
)
async def test_types_that_are_unusual_are_accepted(queue: barq.Queue, type_: str) -> None:
    job = await queue.enqueue(type_, token=type_[:9])
    assert (await queue.get(job.id)).type == type_
    assert list(await queue.types()) == [type_]
    assert (await queue.counts(type_))["waiting"] == 1
    assert [one.id for one in await queue.jobs(type=type_)] == [job.id]


@pytest.mark.parametrize(
    "data",
    [
        *(None, {}, [], "", 0, False, 0.0, -0.5, 2**53, -(2**53), 1e308, 1e-320, "null", "\0", "😀\u2028", "\x7f"),
        *(deep(400), {"": {"": []}}, [[], {}, None], "4111111111111111", {"id": 12345678901234567.0}),
        "x" * (1024 * 1024 - 2),
        UTC.tzname(None),
    ],
    ids=lambda data: ascii(data)[:20],
)
async def test_data_that_is_unusual_comes_back_as_it_was(queue: barq.Queue, data: Any) -> None:
    job = await queue.enqueue("email", data)
    read = await queue.get(job.id)
    assert read.data == data
    assert type(read.data) is type(data)


async def test_missing_data_is_none_and_a_tuple_is_a_list(queue: barq.Queue) -> None:
    assert (await queue.get((await queue.enqueue("email")).id)).data is None
    assert (await queue.get((await queue.enqueue("email", (1, (2,)))).id)).data == [1, [2]]


async def test_subclasses_of_text_and_numbers_count_as_what_they_are(queue: barq.Queue) -> None:
    class Text(str): ...

    class Whole(int): ...

    class Number(float): ...

    job = await queue.enqueue("email", [Text("a"), Whole(1), Number(1.5)])
    assert (await queue.get(job.id)).data == ["a", 1, 1.5]
