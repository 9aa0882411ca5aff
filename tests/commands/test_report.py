"""Report: what a running attempt says is kept in order, and a late holder is not heard."""

from barq.protocol.call import Space
from tests.commands.engine import LEASE_MS, Engine, Held, word

LOST = LEASE_MS / 1000 + 0.001


async def started(engine: Engine) -> Held:
    await engine.enqueue("email")
    return await engine.claim_one()


async def test_log_lines_are_kept_in_order(engine: Engine) -> None:
    one = await started(engine)
    await engine.report(word(one, "log", b"a"), word(one, "log", b"b"))
    await engine.report(word(one, "log", b"b"), word(one, "log", b"a\tb\nc \xf0\x9f\x90\x98"))
    assert await engine.logs(1) == ["a", "b", "b", "a\tb\nc 🐘"]


async def test_the_last_progress_is_kept(engine: Engine) -> None:
    one = await started(engine)
    await engine.report(word(one, "progress", b"10 "), word(one, "progress", b'20 {"x":1}'))
    assert (await engine.job(1)).status.note == b'20 {"x":1}'


async def test_every_word_is_an_event_in_its_order(engine: Engine) -> None:
    one = await started(engine)
    await engine.report(word(one, "log", b"a"), word(one, "progress", b"10 "), word(one, "log", bytes(range(256))))
    told = [(said.event, said.detail) for said in await engine.happened() if said.event in ("log", "progress")]
    assert told == [("log", b"a"), ("progress", b"10 "), ("log", bytes(range(256)))]


async def test_the_oldest_lines_make_room(engine: Engine) -> None:
    engine.space = Space(engine.space.queue, logs_keep=2)
    one = await started(engine)
    await engine.report(*(word(one, "log", text) for text in (b"a", b"b", b"c")))
    assert await engine.logs(1) == ["b", "c"]


async def test_late_progress_and_log_are_refused(engine: Engine) -> None:
    late = await started(engine)
    engine.clock.advance(LOST)
    await engine.claim_one(worker="w2")
    before = await engine.dump()
    assert await engine.report(word(late, "progress", b"99 "), word(late, "log", b"x")) == [1, 1]
    assert await engine.repeat() == [b"a1", b"a1"]
    assert await engine.dump() == before


async def test_words_of_a_cancelled_job_are_refused(engine: Engine) -> None:
    late = await started(engine)
    await engine.act("cancel", 1)
    assert await engine.report(word(late, "log", b"x")) == [1]
    assert await engine.logs(1) == []


async def test_only_the_stale_ones_of_a_call_are_refused(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    first, second = await engine.claim()
    await engine.act("cancel", 1)
    assert await engine.report(word(first, "log", b"x"), word(second, "log", b"y")) == [1]
    assert await engine.logs(2) == ["y"]


async def test_a_repeat_says_nothing_twice(engine: Engine) -> None:
    one = await started(engine)
    await engine.report(word(one, "log", b"a"), word(one, "log", b"b"), word(one, "log", b"a"))
    before = await engine.dump()
    assert await engine.repeat() == []
    assert await engine.logs(1) == ["a", "b", "a"]
    assert await engine.dump() == before


async def test_a_repeat_at_a_later_time_says_nothing_twice(engine: Engine) -> None:
    one = await started(engine)
    call = engine.report_call(word(one, "log", b"a"), now_ms=0)
    await engine.send(call)
    before = await engine.dump()
    await engine.next_server_ms()
    await engine.send(call.again())
    assert await engine.dump() == before


async def test_a_repeat_of_the_call_before_the_last_says_nothing_twice(engine: Engine) -> None:
    one = await started(engine)
    first = engine.report_call(word(one, "log", b"a"))
    second = engine.report_call(word(one, "log", b"b"))
    await engine.send(first)
    await engine.send(second)
    await engine.send(first.again())
    await engine.send(second.again())
    assert await engine.logs(1) == ["a", "b"]


async def test_the_same_line_said_again_is_a_line_of_its_own(engine: Engine) -> None:
    one = await started(engine)
    await engine.report(word(one, "log", b"a"))
    await engine.report(word(one, "log", b"a"))
    assert await engine.logs(1) == ["a", "a"]


async def test_a_repeat_whose_first_sending_was_lost_is_heard(engine: Engine) -> None:
    one = await started(engine)
    call = engine.report_call(word(one, "log", b"a"))
    assert await engine.send(call.again()) == []
    assert await engine.logs(1) == ["a"]


async def test_words_outlive_the_attempt(engine: Engine) -> None:
    one = await started(engine)
    await engine.report(word(one, "log", b"a"), word(one, "progress", b"50 "))
    await engine.fail(one, retry_ms=0)
    second = await engine.claim_one()
    await engine.report(word(second, "log", b"b"))
    await engine.complete(second)
    assert await engine.logs(1) == ["a", "b"]
    assert (await engine.job(1)).status.note == b"50 "
