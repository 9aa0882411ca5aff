"""Retry: what has ended waits again with all its attempts."""

from tests.commands.engine import Engine, Held, new


async def ended(engine: Engine, how: str) -> Held:
    await engine.enqueue(new(priority=-5))
    one = await engine.claim_one()
    if how == "cancelled":
        await engine.act("cancel", one.id)
    elif how == "failed":
        await engine.fail(one)
    else:
        await engine.complete(one)
    return one


async def test_completed_failed_and_cancelled_jobs_wait_again(engine: Engine) -> None:
    for how in ("completed", "failed", "cancelled"):
        await ended(engine, how)
    assert await engine.act("retry", 1, 2, 3) == ["", "", ""]
    assert await engine.line("waiting") == [1, 2, 3]
    assert (await engine.job(1)).status.score == -5


async def test_attempts_are_counted_on_and_failures_anew(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.fail(await engine.claim_one(), retry_ms=0)
    await engine.fail(await engine.claim_one())
    await engine.act("retry", 1)
    run = (await engine.job(1)).status.run
    assert (run.attempt, run.failures, run.rescues) == (2, 0, 0)
    assert (await engine.claim_one()).attempt == 3


async def test_a_job_cancelled_before_its_first_run_starts_with_attempt_one(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.act("cancel", 1)
    await engine.act("retry", 1)
    assert (await engine.claim_one()).attempt == 1


async def test_the_old_holder_is_refused_after_a_retry(engine: Engine) -> None:
    late = await ended(engine, "cancelled")
    await engine.act("retry", 1)
    assert await engine.complete(late) == [1]
    again = await engine.claim_one()
    assert again.token != late.token
    assert await engine.complete(late) == [1]
    assert await engine.complete(again) == []


async def test_the_note_of_the_last_run_is_forgotten_and_its_log_kept(engine: Engine) -> None:
    await engine.enqueue("email")
    one = await engine.claim_one()
    await engine.report((*one.holding, b"progress", b"50 "), (*one.holding, b"log", b"a"))
    await engine.complete(one)
    await engine.act("retry", 1)
    assert (await engine.job(1)).status.note is None
    assert await engine.logs(1) == ["a"]


async def test_what_has_not_ended_is_not_retried(engine: Engine) -> None:
    await engine.enqueue("email", "email", new(due=b"+1"))
    await engine.claim_one()
    before = await engine.counts()
    assert await engine.act("retry", 1, 2, 3, 4) == ["active", "waiting", "delayed", "missing"]
    assert await engine.counts() == before


async def test_a_repeat_does_not_retry_what_has_ended_again(engine: Engine) -> None:
    await ended(engine, "failed")
    await engine.act("retry", 1)
    retry = engine.last
    await engine.fail(await engine.claim_one())
    before = await engine.dump()
    assert await engine.send(retry.again()) == [""]
    assert await engine.dump() == before
