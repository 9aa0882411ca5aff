"""Promote: what is delayed waits no longer for its time."""

from tests.commands.engine import Engine, new


async def test_a_delayed_job_takes_its_place_by_priority(engine: Engine) -> None:
    await engine.enqueue("email", new(due=b"+9000", priority=-5), new(due=b"+9000"))
    assert await engine.act("promote", 3, 2) == ["", ""]
    assert await engine.line("waiting") == [2, 1, 3]
    assert (await engine.events())[-2:] == [("promotion", 3), ("promotion", 2)]


async def test_a_failed_attempt_can_be_promoted(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.fail(await engine.claim_one(), retry_ms=60_000)
    await engine.act("promote", 1)
    assert (await engine.claim_one()).attempt == 2


async def test_only_delayed_jobs_are_promoted(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    await engine.complete(await engine.claim_one())
    assert await engine.act("promote", 1, 2, 3) == ["completed", "waiting", "missing"]


async def test_a_repeat_does_not_promote_another_attempt(engine: Engine) -> None:
    await engine.enqueue(new(due=b"+9000"))
    await engine.act("promote", 1)
    promote = engine.last
    await engine.fail(await engine.claim_one(), retry_ms=60_000)
    assert await engine.send(promote.again()) == [""]
    assert await engine.state(1) == "delayed"
