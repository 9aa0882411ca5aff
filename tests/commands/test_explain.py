"""Explain and failures: what the server tells of a job's situation, and of what jobs failed with."""

from barq.protocol import reads
from barq.protocol.reads import Situation
from tests.commands.engine import Engine, ending, new

ERROR = b'{"type":"ValueError","message":"no \\"such\\" address","place":"app.py:12"}\nTraceback'


async def situation(engine: Engine, job_id: int) -> Situation:
    told: Situation = await engine.send(reads.explain(engine.space, job_id, now_ms=engine.now))
    return told


async def test_its_place_is_how_many_run_before_it(engine: Engine) -> None:
    await engine.enqueue("email", "email", new(priority=-1), "push")
    assert [(await situation(engine, job_id)).before for job_id in (1, 2, 3, 4)] == [1, 2, 0, 0]


async def test_what_runs_is_counted(engine: Engine) -> None:
    await engine.enqueue("email", "email", "email")
    assert (await situation(engine, 3)).active == 0
    await engine.claim(most=2)
    told = await situation(engine, 3)
    assert (told.active, told.before) == (2, 0)
    assert (await situation(engine, 1)).before == -1


async def test_pauses_that_hold_are_told(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.pause("email", reason="provider", lasts_ms=1000)
    await engine.pause(reason="deploy")
    told = await situation(engine, 1)
    assert told.type_paused == {"by": "ada", "reason": "provider", "at": engine.now, "until": engine.now + 1000}
    assert told.queue_paused == {"by": "ada", "reason": "deploy", "at": engine.now}
    engine.clock.advance(1)
    await engine.resume()
    told = await situation(engine, 1)
    assert (told.type_paused, told.queue_paused) == (None, None)


async def test_the_payload_does_not_travel(engine: Engine) -> None:
    await engine.enqueue(new(payload=b"x" * 1000))
    assert (await situation(engine, 1)).job.record.payload == b""


async def test_of_a_job_that_is_not_there_nothing_is_told(engine: Engine) -> None:
    assert await engine.send(reads.explain(engine.space, 1, now_ms=engine.now)) is None


async def test_failed_jobs_are_told_the_newest_first_without_tracebacks(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 3)
    for one in await engine.claim():
        await engine.fail(one, body=ERROR)
        engine.clock.advance(1)
    found = await engine.send(reads.failures(engine.space, "email", skip=0, most=2))
    assert [(one.id, one.ended_ms) for one in found] == [(3, engine.now - 1000), (2, engine.now - 2000)]
    assert {(one.error.type, one.error.message, one.error.place, one.error.traceback) for one in found} == {
        ("ValueError", 'no "such" address', "app.py:12", "")
    }
    found = await engine.send(reads.failures(engine.space, "email", skip=2, most=2))
    assert [one.id for one in found] == [1]
    assert await engine.send(reads.failures(engine.space, "push", skip=0, most=2)) == []


async def tried(engine: Engine, times: int, *, size: int = 10) -> None:
    """Attempts of job 1 that fail, each with a number in its error."""
    for number in range(1, times + 1):
        held = await engine.claim_one()
        body = b'{"type":"E","message":"%d"}\n' % number + b"x" * size
        await engine.settle(ending(held, "fail", body, retry_ms=0))


async def past(engine: Engine) -> list[tuple[int, bytes]]:
    found = await engine.send(reads.past(engine.space, 1))
    return [(one.run.attempt, one.body.partition(b"\n")[0]) for one in found]


async def test_the_last_few_attempts_that_failed_are_kept(engine: Engine) -> None:
    await engine.enqueue("email")
    assert await past(engine) == []
    await tried(engine, 7, size=20_000)
    told = b'{"type":"E","message":"%d"}'
    assert await past(engine) == [(number, told % number) for number in (3, 4, 5, 6, 7)]
    assert len(await engine.command("HGET", engine.key("past"), "a1")) < 5 * 8010


async def test_a_job_that_is_tried_again_by_hand_keeps_how_it_had_failed(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.fail(await engine.claim_one(), body=b'{"type":"E","message":"1"}\n')
    assert await past(engine) == []  # it is how it ended
    await engine.act("retry", 1)
    await engine.complete(await engine.claim_one())
    assert await past(engine) == [(1, b'{"type":"E","message":"1"}')]


async def test_what_never_failed_pays_nothing_and_who_is_forgotten_leaves_nothing(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    one, _ = await engine.claim()
    await engine.complete(one)
    assert await engine.command("EXISTS", engine.key("past")) == 0
    await engine.act("cancel", 2)
    await engine.act("remove", 1, 2)
    await engine.enqueue("email")
    held = await engine.claim_one()
    await engine.settle(ending(held, "fail", b'{"type":"E","message":""}\n', retry_ms=0))
    assert await engine.command("HLEN", engine.key("past")) == 1
    await engine.act("remove", 3)
    assert await engine.command("EXISTS", engine.key("past")) == 0
