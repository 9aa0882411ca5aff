"""Settle: how attempts end, and that only who holds a job can end it."""

import asyncio

import pytest

import barq
from barq.options import Retention
from barq.protocol.call import Space
from barq.store.store import Store
from barq.store.target import target_of_url
from tests.commands.engine import LEASE_MS, Engine, Held, ending, word
from tests.support import Server

LOST = LEASE_MS / 1000 + 0.001


async def started(engine: Engine, type: str = "email") -> Held:
    await engine.enqueue(type)
    return await engine.claim_one(type)


async def rescued(engine: Engine) -> Held:
    """A job whose holder lost it: it waits again."""
    late = await started(engine)
    engine.clock.advance(LOST)
    await engine.pause("email")
    await engine.claim(worker="w2")
    await engine.resume("email")
    assert await engine.counts() == {"waiting": 1}
    return late


async def test_a_completed_job_keeps_its_result(engine: Engine) -> None:
    one = await started(engine)
    result = bytes(range(256))
    assert await engine.complete(one, body=result) == []
    status = (await engine.job(1)).status
    assert (status.state, status.score) == ("completed", engine.now)
    assert status.ending is not None
    assert (status.ending.ended_ms, status.ending.body) == (engine.now, result)
    assert (status.ending.run.attempt, status.ending.run.worker) == (1, "w1")


async def test_a_discarded_job_is_forgotten(engine: Engine) -> None:
    one = await started(engine)
    await engine.report(word(one, "log", b"hello"), word(one, "progress", b"5 "))
    assert await engine.settle(ending(one, "discard", b"1")) == []
    assert await engine.state(1) is None
    assert await engine.events() == [
        ("enqueue", 1),
        ("start", 1),
        ("log", 1),
        ("progress", 1),
        ("complete", 1),
    ]
    for name in ("job", "run", "end", "note"):
        assert not await engine.command("HEXISTS", engine.key(name), "a1")
    assert not await engine.command("EXISTS", engine.key("log:a1"))


async def test_a_failure_for_good_keeps_its_error(engine: Engine) -> None:
    one = await started(engine)
    await engine.fail(one, body=b'{"type":"KeyError"}\ntrace')
    status = (await engine.job(1)).status
    assert status.state == "failed"
    assert status.ending is not None
    assert status.ending.body == b'{"type":"KeyError"}\ntrace'


async def test_the_stream_has_the_first_line_of_an_error_and_no_result(engine: Engine) -> None:
    await engine.fail(await started(engine), body=b'{"type":"KeyError"}\ntrace')
    await engine.complete(await started(engine), body=b"secret")
    assert [one.detail for one in await engine.happened() if one.event in ("failed", "complete")] == [
        b'{"type":"KeyError"}',
        b"",
    ]


async def test_a_failed_attempt_waits_for_its_time(engine: Engine) -> None:
    await engine.fail(await started(engine), retry_ms=1500)
    assert (await engine.job(1)).status.score == engine.now + 1500
    assert (await engine.job(1)).status.run.failures == 1
    engine.clock.advance(1.499)
    assert await engine.ids_claimed() == []
    engine.clock.advance(0.001)
    assert await engine.ids_claimed() == [1]


async def test_a_failed_attempt_sets_the_marker_so_that_workers_learn_the_time(engine: Engine) -> None:
    one = await started(engine)
    await engine.unmark()
    await engine.fail(one, retry_ms=1500)
    assert await engine.marked()


async def test_a_released_job_keeps_its_place_and_its_counts(engine: Engine) -> None:
    first = await started(engine)
    await engine.enqueue("email")
    assert await engine.release(first) == []
    assert await engine.line("waiting") == [1, 2]
    run = (await engine.job(1)).status.run
    assert (run.attempt, run.failures, run.rescues) == (1, 0, 0)


async def test_many_outcomes_in_one_call(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 4, "push")
    a, b, c, d, e = await engine.claim(["email", "push"])
    settled = await engine.settle(
        ending(a, "complete"),
        ending(b, "fail"),
        ending(c, "fail", retry_ms=10),
        ending(d, "release"),
        ending(e, "discard"),
    )
    assert settled == []
    assert await engine.counts() == {"completed": 1, "failed": 1, "delayed": 1, "waiting": 1}
    assert await engine.counts("push") == {}


@pytest.mark.parametrize("kind", ["complete", "discard", "fail", "release"])
async def test_late_settle_is_refused(engine: Engine, kind: str) -> None:
    late = await rescued(engine)
    before = await engine.dump()
    assert await engine.settle(ending(late, kind)) == [1]
    assert await engine.dump() == before


@pytest.mark.parametrize("kind", ["complete", "discard", "fail", "release"])
async def test_late_settle_sent_again_is_still_refused(engine: Engine, kind: str) -> None:
    late = await rescued(engine)
    before = await engine.dump()
    await engine.settle(ending(late, kind))
    assert await engine.repeat() == [b"a1"]
    assert await engine.dump() == before


@pytest.mark.parametrize("kind", ["complete", "discard", "fail", "release"])
async def test_late_settle_is_refused_while_another_worker_runs_the_job(engine: Engine, kind: str) -> None:
    late = await rescued(engine)
    now_held = await engine.claim_one(worker="w2")
    assert await engine.settle(ending(late, kind)) == [1]
    assert await engine.repeat() == [b"a1"]
    assert await engine.complete(now_held) == []


async def test_late_settle_of_a_poisoned_job_is_refused_also_when_sent_again(engine: Engine) -> None:
    late = await started(engine)
    engine.clock.advance(LOST)
    await engine.claim(poison=0)
    assert await engine.state(1) == "failed"
    assert await engine.complete(late) == [1]
    assert await engine.repeat() == [b"a1"]


@pytest.mark.parametrize("body", [b"", b"null"])
async def test_settle_after_cancel_is_refused_also_when_sent_again(engine: Engine, body: bytes) -> None:
    late = await started(engine)
    await engine.act("cancel", 1)
    assert await engine.complete(late, body=body) == [1]
    assert await engine.repeat() == [b"a1"]
    assert await engine.state(1) == "cancelled"


async def test_cancel_after_settle_is_refused(engine: Engine) -> None:
    await engine.complete(await started(engine))
    assert await engine.act("cancel", 1) == ["completed"]
    assert await engine.state(1) == "completed"


async def test_of_cancel_and_settle_at_once_one_wins(engine: Engine) -> None:
    one = await started(engine)
    words, lost = await asyncio.gather(engine.act("cancel", 1), engine.complete(one))
    assert (words, lost) in (([""], [1]), (["completed"], []))


async def test_only_the_stale_ones_of_a_call_are_refused(engine: Engine) -> None:
    await engine.enqueue("email", "email", "email")
    jobs = await engine.claim()
    await engine.act("cancel", 2)
    assert await engine.complete(*jobs) == [2]
    assert await engine.counts() == {"completed": 2, "cancelled": 1}


async def test_a_token_of_another_job_is_refused(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    first, second = await engine.claim(nonce="n"), await engine.claim()
    assert second == []
    wrong = Held(2, "email", first[0].token.replace(b" n ", b" m "), b"")
    assert await engine.complete(wrong) == [2]


async def test_a_settle_of_a_job_that_is_not_there_is_refused(engine: Engine) -> None:
    one = await started(engine)
    await engine.act("cancel", 1)
    await engine.act("remove", 1)
    assert await engine.complete(one) == [1]


@pytest.mark.parametrize("kind", ["complete", "discard", "fail", "release"])
async def test_a_repeat_is_not_told_that_it_lost_the_job(engine: Engine, kind: str) -> None:
    one = await started(engine)
    assert await engine.settle(ending(one, kind, b"body")) == []
    before = await engine.dump()
    assert await engine.repeat() == []
    assert await engine.dump() == before


async def test_a_repeat_of_a_failed_attempt_is_not_told_that_it_lost_the_job(engine: Engine) -> None:
    await engine.fail(await started(engine), retry_ms=0)
    settle = engine.last
    assert await engine.send(settle.again()) == []
    await engine.claim_one(worker="w2")
    assert await engine.send(settle.again()) == []
    assert await engine.counts() == {"active": 1}


@pytest.mark.parametrize("then", ["fail", "complete", "fail again"])
async def test_a_repeat_of_a_failed_attempt_is_not_told_that_it_lost_the_job_that_has_gone_on(
    engine: Engine, then: str
) -> None:
    await engine.fail(await started(engine), retry_ms=0)
    settle = engine.last
    following = await engine.claim_one(worker="w2")
    retry_ms = 0 if then == "fail again" else None
    await engine.settle(ending(following, then.split()[0], b'{"type":"F"}\n', retry_ms=retry_ms))
    before = await engine.dump()
    assert await engine.send(settle.again()) == []
    assert await engine.dump() == before


async def test_a_late_failure_stays_refused_when_the_attempt_after_the_rescue_has_failed(engine: Engine) -> None:
    late = await rescued(engine)
    await engine.fail(await engine.claim_one(worker="w2"), retry_ms=0)
    assert await engine.fail(late, retry_ms=0) == [1]
    assert await engine.repeat() == [b"a1"]


async def test_a_restart_between_claim_and_settle_loses_nothing(own_server: Server) -> None:
    clock = barq.ManualClock()
    store = Store(target_of_url(own_server.url), clock, timeout=20.0)
    engine = Engine(store, Space(queue="restart"), clock)
    try:
        one = await started(engine)
        own_server.kill()
        own_server.start()
        assert await engine.complete(one) == []
        assert await engine.counts() == {"completed": 1}
    finally:
        await store.close()


# ---- retention


async def test_completed_jobs_are_kept_by_count(engine: Engine) -> None:
    engine.space = Space(engine.space.queue, completed=Retention(count=2))
    for _ in range(4):
        engine.clock.advance(1)
        await engine.complete(await started(engine))
    assert await engine.line("completed") == [3, 4]
    assert await engine.fetch(1, 2) == []
    assert ("remove", 1) in await engine.events()


async def test_completed_jobs_are_kept_by_age(engine: Engine) -> None:
    engine.space = Space(engine.space.queue, completed=Retention(age=10))
    await engine.complete(await started(engine))
    engine.clock.advance(10)
    await engine.complete(await started(engine))
    assert await engine.line("completed") == [1, 2]
    engine.clock.advance(0.001)
    await engine.complete(await started(engine))
    assert await engine.line("completed") == [2, 3]


async def test_completed_and_failed_jobs_are_kept_apart(engine: Engine) -> None:
    engine.space = Space(engine.space.queue, completed=Retention(count=0), failed=Retention(count=1))
    await engine.complete(await started(engine))
    await engine.fail(await started(engine))
    await engine.fail(await started(engine))
    assert await engine.counts() == {"failed": 1}


async def test_who_was_refused_forgets_nothing(engine: Engine) -> None:
    lost = await started(engine)
    await engine.fail(lost)
    await engine.fail(await started(engine))
    engine.space = Space(engine.space.queue, failed=Retention(count=1))
    assert await engine.fail(lost, body=b"again") == [1]
    assert await engine.counts() == {"failed": 2}


async def test_a_job_that_is_not_kept_at_all_still_tells_that_it_completed(engine: Engine) -> None:
    engine.space = Space(engine.space.queue, completed=Retention(count=0))
    one = await started(engine)
    await engine.watch(1)
    assert await engine.complete(one, body=b"7") == []
    assert [(one.event, one.detail) for one in await engine.happened("me")] == [("complete", b"7"), ("remove", b"")]


# ---- parked


async def test_a_parked_job_is_blocked_with_the_reason_and_burns_nothing(engine: Engine) -> None:
    one = await started(engine)
    assert await engine.settle(ending(one, "park", b"why\nwhere")) == []
    job = await engine.job(1)
    assert (job.status.state, job.status.score) == ("blocked", engine.now)
    assert (job.status.run.attempt, job.status.run.failures, job.status.run.rescues) == (1, 0, 0)
    assert job.status.ending is not None
    assert job.status.ending.body == b"why\nwhere"
    assert (await engine.happened())[-1].detail == b"why"
    assert await engine.claim() == []


async def test_a_parked_job_runs_again_when_it_is_retried(engine: Engine) -> None:
    await engine.settle(ending(await started(engine), "park"))
    assert await engine.act("retry", 1) == [""]
    again = await engine.claim_one()
    assert (again.id, again.attempt) == (1, 2)
    assert [event for event, _ in await engine.events()] == ["enqueue", "start", "park", "retry", "start"]


@pytest.mark.parametrize(("verb", "state"), [("cancel", "cancelled"), ("remove", None)])
async def test_a_parked_job_can_be_given_up(engine: Engine, verb: str, state: str | None) -> None:
    await engine.settle(ending(await started(engine), "park"))
    assert await engine.act(verb, 1) == [""]
    assert await engine.state(1) == state


async def test_who_has_lost_a_job_does_not_park_it(engine: Engine) -> None:
    late = await rescued(engine)
    assert await engine.settle(ending(late, "park", b"why")) == [1]
    assert await engine.counts() == {"waiting": 1}


async def test_a_repeated_park_changes_nothing(engine: Engine) -> None:
    await engine.settle(ending(await started(engine), "park", b"why"))
    before = await engine.dump()
    assert await engine.repeat() == []
    assert await engine.dump() == before


async def test_a_turn_parks_as_a_settle_does(engine: Engine) -> None:
    one = await started(engine)
    await engine.turn(ending(one, "park", b"why"), types="email", most=1)
    assert await engine.state(1) == "blocked"
