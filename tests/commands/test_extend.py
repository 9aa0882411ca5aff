"""Extend: leases grow for who holds the job, and everybody else learns that they lost it."""

from tests.commands.engine import LEASE_MS, Engine

LOST = LEASE_MS / 1000 + 0.001


async def test_an_extended_lease_runs_from_now(engine: Engine) -> None:
    await engine.enqueue("email")
    one = await engine.claim_one()
    engine.clock.advance(20)
    assert await engine.extend(one) == []
    assert (await engine.job(1)).status.score == engine.now + LEASE_MS
    engine.clock.advance(20)
    assert await engine.ids_claimed(worker="w2") == []


async def test_late_extend_is_refused(engine: Engine) -> None:
    await engine.enqueue("email")
    late = await engine.claim_one()
    engine.clock.advance(LOST)
    await engine.claim_one(worker="w2")
    before = await engine.dump()
    assert await engine.extend(late) == [1]
    assert await engine.repeat() == [b"a1"]
    assert await engine.dump() == before


async def test_a_lease_that_ran_out_can_be_extended_until_somebody_rescues_it(engine: Engine) -> None:
    await engine.enqueue("email")
    one = await engine.claim_one()
    engine.clock.advance(LOST)
    assert await engine.extend(one) == []
    assert await engine.ids_claimed(worker="w2") == []


async def test_the_holder_of_a_cancelled_job_learns_it(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    jobs = await engine.claim()
    await engine.act("cancel", 1)
    assert await engine.extend(*jobs) == [1]
    assert (await engine.line("active")) == [2]


async def test_the_holder_of_a_settled_job_is_told_that_it_holds_it_no_more(engine: Engine) -> None:
    await engine.enqueue("email")
    one = await engine.claim_one()
    await engine.complete(one)
    assert await engine.extend(one) == [1]


async def test_jobs_of_many_types_in_one_call(engine: Engine) -> None:
    await engine.enqueue("email", "push", "sms")
    jobs = await engine.claim(["email", "push", "sms"])
    engine.clock.advance(1)
    assert await engine.extend(*jobs, lease_ms=99_000) == []
    assert {one.status.score for one in await engine.fetch(1, 2, 3)} == {engine.now + 99_000}


async def test_extend_tells_no_event(engine: Engine) -> None:
    await engine.enqueue("email")
    one = await engine.claim_one()
    before = await engine.events()
    await engine.extend(one)
    assert await engine.events() == before
