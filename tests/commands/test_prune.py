"""Prune: retention of what has ended, in bounded steps."""

from barq.options import Retention
from barq.protocol.call import MOST_PER_CALL, Space
from tests.commands.engine import Engine


async def completed(engine: Engine, count: int) -> None:
    """Jobs that completed before any retention was set."""
    for at in range(0, count, MOST_PER_CALL):
        await engine.enqueue(*["email"] * min(MOST_PER_CALL, count - at))
        await engine.complete(*await engine.claim(most=MOST_PER_CALL))


async def test_by_count_the_oldest_go(engine: Engine) -> None:
    for _ in range(4):
        engine.clock.advance(1)
        await completed(engine, 1)
    engine.space = Space(engine.space.queue, completed=Retention(count=1))
    assert await engine.prune() == 3
    assert await engine.line("completed") == [4]
    assert (await engine.events())[-3:] == [("remove", 1), ("remove", 2), ("remove", 3)]


async def test_by_age_the_older_ones_go(engine: Engine) -> None:
    for _ in range(3):
        await completed(engine, 1)
        engine.clock.advance(10)
    engine.space = Space(engine.space.queue, completed=Retention(age=20))
    assert await engine.prune() == 1
    assert await engine.line("completed") == [2, 3]


async def test_cancelled_jobs_are_kept_like_failed_ones(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 4)
    first, second = await engine.claim(most=2)
    await engine.fail(first)
    await engine.fail(second)
    await engine.act("cancel", 3, 4)
    engine.space = Space(engine.space.queue, failed=Retention(count=1))
    assert await engine.prune() == 2
    assert await engine.counts() == {"failed": 1, "cancelled": 1}


async def test_without_a_limit_everything_is_kept(engine: Engine) -> None:
    await completed(engine, 3)
    engine.clock.advance(10**9)
    assert await engine.prune() == 0
    assert await engine.counts() == {"completed": 3}


async def test_what_has_not_ended_is_never_pruned(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    await engine.claim_one()
    engine.space = Space(engine.space.queue, completed=Retention(0, 0), failed=Retention(0, 0))
    engine.clock.advance(1)
    assert await engine.prune() == 0
    assert await engine.counts() == {"active": 1, "waiting": 1}


async def test_one_call_goes_a_bounded_step(engine: Engine) -> None:
    await completed(engine, MOST_PER_CALL + 10)
    engine.space = Space(engine.space.queue, completed=Retention(count=0))
    assert [await engine.prune() for _ in range(3)] == [MOST_PER_CALL, 10, 0]
    assert await engine.command("HLEN", engine.key("job")) == 0


async def test_many_types_pruned_by_one_settle_go_a_bounded_step(engine: Engine) -> None:
    types = [f"t{number}" for number in range(40)]
    for type_ in types:
        await engine.enqueue(*[type_] * MOST_PER_CALL)
        await engine.complete(*await engine.claim(type_, MOST_PER_CALL))
    await engine.enqueue(*types)
    await engine.watch(*range(1, 40 * MOST_PER_CALL, MOST_PER_CALL // 2))
    engine.space = Space(engine.space.queue, completed=Retention(count=0))
    assert await engine.complete(*await engine.claim(types, MOST_PER_CALL)) == []
    assert 100 <= len([event for event, _ in await engine.events() if event == "remove"]) <= 1000
