"""Cancel: what has not ended never runs again, and its holder is not listened to any more."""

from tests.commands.engine import Engine, new


async def test_a_waiting_a_delayed_and_a_running_job_are_cancelled(engine: Engine) -> None:
    await engine.enqueue("email", "email", new(due=b"+1000"))
    await engine.claim_one()
    assert await engine.act("cancel", 1, 2, 3) == ["", "", ""]
    assert await engine.counts() == {"cancelled": 3}
    assert (await engine.events())[-3:] == [("cancel", 1), ("cancel", 2), ("cancel", 3)]


async def test_what_has_ended_is_not_cancelled(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 3)
    first, second, _ = await engine.claim()
    await engine.complete(first)
    await engine.fail(second)
    await engine.act("cancel", 3)
    assert await engine.act("cancel", 1, 2, 3, 4) == ["completed", "failed", "cancelled", "missing"]


async def test_a_cancelled_job_keeps_how_often_it_ran(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.fail(await engine.claim_one(), retry_ms=0)
    await engine.act("cancel", 1)
    status = (await engine.job(1)).status
    assert status.ending is not None
    assert (status.ending.run.attempt, status.ending.run.failures) == (1, 1)
    assert status.score == status.ending.ended_ms == engine.now


async def test_a_repeat_gives_the_same_answer(engine: Engine) -> None:
    await engine.enqueue("email")
    first = await engine.act("cancel", 1, 2)
    assert await engine.repeat() == first == ["", "missing"]


async def test_a_repeat_does_not_cancel_what_was_retried_meanwhile(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.act("cancel", 1)
    cancel = engine.last
    await engine.act("retry", 1)
    assert await engine.send(cancel.again()) == [""]
    assert await engine.state(1) == "waiting"
