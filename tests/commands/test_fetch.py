"""Fetch: all that is known of a job."""

from tests.commands.engine import Engine, new, word


async def test_a_new_job_has_only_its_record(engine: Engine) -> None:
    await engine.enqueue(new(priority=-5, payload=b'{"to":"ada"}'))
    job = await engine.job(1)
    assert (job.id, job.record.type, job.record.priority, job.record.payload) == (1, "email", -5, b'{"to":"ada"}')
    assert (job.status.state, job.status.score, job.status.ending, job.status.note) == ("waiting", -5, None, None)
    assert (job.status.run.attempt, job.status.run.worker) == (0, None)


async def test_a_running_job_has_its_holder_and_its_note(engine: Engine) -> None:
    await engine.enqueue("email")
    one = await engine.claim_one()
    await engine.report(word(one, "progress", b"7 "))
    status = (await engine.job(1)).status
    assert (status.run.attempt, status.run.worker, status.note) == (1, "w1", b"7 ")


async def test_between_attempts_the_last_ending_is_told(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.fail(await engine.claim_one(), retry_ms=10, body=b"why")
    status = (await engine.job(1)).status
    assert status.ending is not None
    assert (status.state, status.ending.body, status.run.failures) == ("delayed", b"why", 1)


async def test_jobs_come_in_the_order_asked_without_those_that_are_not_there(engine: Engine) -> None:
    await engine.enqueue("email", "push", "sms")
    await engine.act("remove", 2)
    assert [job.id for job in await engine.fetch(3, 99, 2, 1)] == [3, 1]


async def test_fetch_changes_nothing(engine: Engine) -> None:
    await engine.enqueue("email")
    before = await engine.dump()
    await engine.fetch(1, 2)
    assert await engine.dump() == before
