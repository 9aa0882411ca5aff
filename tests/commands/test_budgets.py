"""Measure, evict, trim: ended jobs and events in so many bytes, as the server itself tells what they take."""

import pytest

from barq import budgets
from barq.listing import Exchange
from barq.options import Retention
from barq.protocol import calls, retention
from barq.protocol.call import MOST_PER_CALL, Space
from barq.states import State
from tests.commands.engine import Engine, ending, new, word

SIZES = [0, 10, 100, 300, 1000, 5000]


async def ended(engine: Engine, count: int, size: int = 0, type: str = "email", *, fail: bool = False) -> None:
    """Jobs whose payload and result are so long."""
    for at in range(0, count, MOST_PER_CALL):
        some = min(MOST_PER_CALL, count - at)
        await engine.enqueue(*[new(type, payload=b"p" * size)] * some)
        held = await engine.claim(type, most=some)
        await engine.settle(*(ending(one, "fail" if fail else "complete", b"r" * size) for one in held))


async def run(engine: Engine, steps: Exchange[int]) -> int:
    reply = None
    while True:
        try:
            call = steps.send(reply)
        except StopIteration as end:
            return int(end.value)
        reply = await engine.send(call)


async def measured(engine: Engine, type: str = "email", state: State = State.COMPLETED) -> int:
    total, after, begin = 0, None, True
    while begin or after is not None:
        found = await engine.send(retention.measure(engine.space, type, state, after))
        total, after, begin = total + sum(size for _, size in found.bytes_at), found.next, False
    return total


async def used(engine: Engine) -> int:
    """What the server says that all jobs take, when all of them have completed."""
    keys = [engine.key(name) for name in ("job", "run", "end", "note", "email:completed")]
    keys += await engine.command("KEYS", engine.space.prefix + b"log:*")
    keys += await engine.command("KEYS", engine.space.prefix + b"step:*")
    return sum([int(await engine.command("MEMORY", "USAGE", key, "SAMPLES", 0) or 0) for key in keys])


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_measured_is_what_the_server_says(engine: Engine, size: int) -> None:
    await engine.enqueue("email")
    await engine.claim_one()  # the long members that keep tables large
    empty = await used(engine)
    await ended(engine, 2000, size)
    assert await measured(engine) == pytest.approx(await used(engine) - empty, rel=0.1)


async def test_progress_logs_and_steps_are_measured_as_well(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 100)
    held = await engine.claim(most=100)
    for one in held:
        said = [word(one, "log", b"x" * 200)] * 20
        await engine.report(word(one, "progress", b"50 " + b"x" * 500), *said)
        args = (engine.space, one.holding[1], one.token, "step", b"x" * 700)
        await engine.send(calls.keep(*args, now_ms=engine.now))
    await engine.complete(*held)
    assert await measured(engine) == pytest.approx(await used(engine), rel=0.1)


def within(engine: Engine, completed: int | None = None, failed: int | None = None) -> Space:
    kept = Retention(bytes=completed), Retention(bytes=failed)
    return Space(engine.space.queue, completed=kept[0], failed=kept[1])


async def test_the_oldest_go_until_the_rest_fits(engine: Engine) -> None:
    for _ in range(10):
        await ended(engine, 30, 1000)
        engine.clock.advance(5)
    before = await measured(engine)
    engine.space = within(engine, completed=before // 2)
    assert await run(engine, budgets.keep(engine.space, engine.now)) == 150
    assert await engine.line("completed") == list(range(151, 301))
    assert await measured(engine) <= before // 2
    assert await run(engine, budgets.keep(engine.space, engine.now)) == 0


async def test_the_budget_is_for_all_types_together(engine: Engine) -> None:
    await ended(engine, 300, 1000, "push")
    engine.clock.advance(5)
    await ended(engine, 300, 1000, "email")
    both = await measured(engine) + await measured(engine, "push")
    engine.space = within(engine, completed=both // 2)
    await run(engine, budgets.keep(engine.space, engine.now))
    assert await engine.counts("push") == {}
    assert await engine.counts("email") == {"completed": 300}


async def test_failed_and_cancelled_jobs_have_a_budget_of_their_own(engine: Engine) -> None:
    await ended(engine, 10, 1000, fail=True)
    await ended(engine, 10, 1000)
    await engine.enqueue(*["email"] * 5)
    await engine.act("cancel", *range(21, 26))
    engine.space = within(engine, failed=0)
    assert await run(engine, budgets.keep(engine.space, engine.now)) == 15
    assert await engine.counts() == {"completed": 10}


async def test_a_second_with_very_many_jobs_is_not_forgotten_whole(engine: Engine) -> None:
    await ended(engine, 2000, 100)
    engine.space = within(engine, completed=(before := await measured(engine)) // 4)
    assert await run(engine, budgets.keep(engine.space, engine.now)) == pytest.approx(1500, abs=2)
    assert await measured(engine) == pytest.approx(before / 4, rel=0.01)


async def test_what_has_not_ended_is_not_touched(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 4, new(due=b"+1000"))
    await engine.claim_one()
    engine.space = within(engine, completed=0, failed=0)
    assert await run(engine, budgets.keep(engine.space, engine.now)) == 0
    assert await engine.counts() == {"active": 1, "waiting": 3, "delayed": 1}


async def test_a_repeated_eviction_evicts_once(engine: Engine) -> None:
    await ended(engine, 20, 100)
    evict = retention.evict(engine.space, "email", State.COMPLETED, until_ms=engine.now, bytes=1000, now_ms=engine.now)
    first = await engine.send(evict)
    assert first[0] > 0
    assert await engine.repeat() == first
    assert await engine.counts() == {"completed": 20 - first[0]}
    assert (await engine.events())[-1][0] == "remove"


async def test_a_line_that_changes_while_it_is_measured_is_measured_on(engine: Engine) -> None:
    await ended(engine, 600, 100)
    first = await engine.send(retention.measure(engine.space, "email", State.COMPLETED, None))
    assert first.next is not None
    await engine.act("remove", *range(1, 101))
    second = await engine.send(retention.measure(engine.space, "email", State.COMPLETED, first.next))
    each = first.bytes_at[0][1] / MOST_PER_CALL
    assert sum(size for _, size in second.bytes_at) == pytest.approx(each * 250, rel=0.05)


# ---- events and logs


async def test_the_stream_is_cut_to_its_bytes_from_the_oldest_on(engine: Engine) -> None:
    for _ in range(3000):
        await engine.enqueue("email")
    key = engine.key("events")
    before = int(await engine.command("MEMORY", "USAGE", key, "SAMPLES", 0))
    assert await engine.send(retention.trim(engine.space, before // 3, now_ms=engine.now)) > 1500
    assert before / 5 < int(await engine.command("MEMORY", "USAGE", key, "SAMPLES", 0)) <= before // 3
    assert (await engine.happened())[-1].position == b"3000-0"
    assert await engine.send(retention.trim(engine.space, before // 3, now_ms=engine.now)) == 0


async def test_a_stream_that_is_not_there_is_no_matter(engine: Engine) -> None:
    assert await engine.send(retention.trim(engine.space, 1, now_ms=engine.now)) == 0


async def test_a_log_keeps_the_newest_lines_that_fit(engine: Engine) -> None:
    engine.space = Space(engine.space.queue, log_bytes=20_000)
    await engine.enqueue("email")
    one = await engine.claim_one()
    for at in range(30):
        await engine.report(*(word(one, "log", b"%d " % n + b"x" * 500) for n in range(10 * at, 10 * at + 10)))
    assert int(await engine.command("MEMORY", "USAGE", engine.key("log:a1"), "SAMPLES", 0)) <= 20_000
    lines = [line.split()[0] for line in await engine.logs(1)]
    assert lines == [str(n) for n in range(300 - len(lines), 300)]
    assert len(lines) > 15


async def test_the_last_line_stays_however_long_it_is(engine: Engine) -> None:
    engine.space = Space(engine.space.queue, log_bytes=1000)
    await engine.enqueue("email")
    await engine.report(word(await engine.claim_one(), "log", b"x" * 9000))
    assert len(await engine.logs(1)) == 1
