"""Rescue: what every claim does with jobs whose leases ran out."""

import asyncio

from barq.outcome import decode_error
from tests.commands.engine import LEASE_MS, Engine, new

LOST = LEASE_MS / 1000 + 0.001
"""Seconds after which a lease has run out."""


async def test_a_lease_is_kept_to_its_last_moment(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim_one()
    engine.clock.advance(LEASE_MS / 1000)
    assert await engine.ids_claimed(worker="w2") == []


async def test_a_lost_lease_goes_to_the_next_claim(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim_one()
    engine.clock.advance(LOST)
    again = await engine.claim_one(worker="w2")
    assert (again.id, again.attempt) == (1, 2)
    assert await engine.events() == [("enqueue", 1), ("start", 1), ("requeue", 1), ("start", 1)]
    assert (await engine.job(1)).status.run.rescues == 1


async def test_two_rescuers_rescue_once(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim_one()
    engine.clock.advance(LOST)
    got = await asyncio.gather(engine.claim(worker="w2"), engine.claim(worker="w3"))
    assert sorted(len(jobs) for jobs in got) == [0, 1]
    assert (await engine.events()).count(("requeue", 1)) == 1
    assert (await engine.job(1)).status.run.rescues == 1


async def test_a_rescued_job_keeps_its_place(engine: Engine) -> None:
    await engine.enqueue(new(priority=-5), "email", new(priority=-10))
    await engine.claim_one()
    await engine.claim_one()
    engine.clock.advance(LOST)
    assert await engine.ids_claimed(worker="w2") == [3, 1, 2]


async def test_a_rescue_does_not_count_as_a_failure(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim_one()
    engine.clock.advance(LOST)
    await engine.claim_one()
    run = (await engine.job(1)).status.run
    assert (run.attempt, run.failures, run.rescues) == (2, 0, 1)


async def test_a_job_that_kills_its_worker_fails_after_three_rescues(engine: Engine) -> None:
    await engine.enqueue("email")
    for _ in range(4):
        await engine.claim_one()
        engine.clock.advance(LOST)
    assert await engine.ids_claimed() == []
    job = await engine.job(1)
    assert job.status.state == "failed"
    assert job.status.ending is not None
    assert decode_error(job.status.ending.body).type == "WorkerLost"
    assert (job.status.ending.run.attempt, job.status.ending.run.rescues) == (4, 3)
    assert (await engine.happened())[-1].event == "failed"


async def test_a_poison_job_does_not_block_those_behind_it(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    await engine.claim_one(poison=0)
    engine.clock.advance(LOST)
    assert await engine.ids_claimed(poison=0) == [2]
    assert await engine.counts() == {"failed": 1, "active": 1}


async def test_a_cancelled_job_is_not_rescued(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim_one()
    await engine.act("cancel", 1)
    engine.clock.advance(LOST)
    assert await engine.ids_claimed() == []
    assert await engine.counts() == {"cancelled": 1}


async def test_a_rescued_job_can_be_cancelled_before_its_next_run(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    late = await engine.claim_one()
    engine.clock.advance(LOST)
    await engine.claim("email", 1, worker="w2")
    assert await engine.act("cancel", 1) == [""]
    assert await engine.complete(late) == [1]
    assert await engine.state(1) == "cancelled"


async def test_only_the_types_of_a_claim_are_rescued(engine: Engine) -> None:
    await engine.enqueue("email", "push")
    await engine.claim(["email", "push"])
    engine.clock.advance(LOST)
    await engine.claim("push", worker="w2")
    assert (await engine.job(1)).status.run.rescues == 0


async def test_what_one_claim_does_on_the_way_is_bounded_also_over_many_types(engine: Engine) -> None:
    types = [f"t{number}" for number in range(100)]
    for type_ in types:
        await engine.enqueue(*[new(type_, due=b"+1", watch=True)] * 100)
    engine.clock.advance(1)
    assert len(await engine.claim(types, 250)) == 250
    promoted = [one for one in await engine.events() if one[0] == "promotion"]
    assert 250 <= len(promoted) <= 1000
