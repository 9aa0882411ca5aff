"""What workers count of their attempts, and what the queue tells of it: rates, times, history, failures, attempts."""

import asyncio
import json
from pathlib import Path

import pytest

import barq
from barq.worker import upkeep
from tests.support import until
from tests.worker.conftest import Start, in_state, ready
from tests.worker.running import work_off, working

HERE = Path(__file__).name


@pytest.fixture
def queue(queue: barq.Queue) -> barq.Queue:
    """With a type `email` that does what its data say."""

    @queue.handler("email", backoff=barq.fixed(0.01))
    async def send(job: barq.Job) -> None:
        if job.data == "fail" or (job.data == "once" and job.attempt == 1):
            json.loads("no JSON")

    return queue


async def test_what_ended_is_counted_in_the_minute_and_ever(queue: barq.Queue) -> None:
    await queue.enqueue_many("email", ["well"] * 120)
    await queue.enqueue("email", "fail")
    job = await queue.enqueue("email", "once", attempts=2)
    async with working(queue):
        await in_state(queue, job, "completed")
    stats = (await queue.stats())["email"]
    assert sum(stats.spark) == 121
    assert 0 < stats.rate <= 121 / 60 + 0.01
    assert stats.failed_rate > 0
    assert stats.running is not None
    assert 0 < stats.running.p50 <= stats.running.p95 < 60
    assert stats.waiting is not None
    assert (stats.oldest_waiting_at, stats.backlog_seconds) == (None, 0)
    total = (await queue.totals())["email"]
    assert total.counts == [121, 1, 1]
    for span in ("15m", "1h", "24h", "7d"):
        history = await queue.history(span)
        assert sum(point.completed for point in history.points) == 121
        assert [sum(getattr(point, field) for point in history.points) for field in ("failed", "retried")] == [1, 1]
    assert sum(point.completed for point in (await queue.history("1h", "push")).points) == 0


async def test_each_job_that_waited_for_the_first_time_is_counted_once(queue: barq.Queue) -> None:
    await queue.enqueue_many("email", ["well"] * 77)
    again = await queue.enqueue_many("email", ["once"] * 5, attempts=2)
    async with working(queue, concurrency=50):
        for job in again:
            await in_state(queue, job, "completed")
    total = (await queue.totals())["email"]
    assert total.below(0, float("inf")) == 82
    assert total.below(100, float("inf")) == 87


async def test_a_delay_is_no_wait(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", "well", delay=1.5)
    async with working(queue):
        await job.wait(20)
    total = (await queue.totals())["email"]
    assert total.seconds(0) < 1.5


async def test_a_backlog_is_told_in_seconds(queue: barq.Queue) -> None:
    await queue.enqueue_many("email", ["well"] * 60)
    await work_off(queue)
    before = await queue.enqueue("email", "well")
    await queue.enqueue_many("email", ["well"] * 29)
    stats = (await queue.stats())["email"]
    assert stats.backlog_seconds == pytest.approx(30 / stats.rate, rel=0.01)
    await before.refresh()
    assert stats.oldest_waiting_at == before.created_at
    await queue.enqueue("push")
    assert (await queue.stats())["push"].backlog_seconds is None


async def test_a_worker_that_is_killed_loses_what_it_had_not_handed_over_yet(
    queue: barq.Queue, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last beat at most: what was handed over before stays."""
    assert upkeep.BEAT_SECONDS <= 2
    worker = start()
    await ready(queue)
    job = await queue.enqueue("quick")
    await in_state(queue, job, "completed")

    async def handed_over() -> bool:
        return "quick" in await queue.totals()

    await until(handed_over, "the worker has handed its sums over")
    worker.kill()
    assert (await queue.totals())["quick"].counts == [1, 0, 0]


async def test_sums_that_may_have_arrived_are_handed_over_again_under_their_name(
    queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is lost behind the word is the same to the worker as one that is lost before it."""
    monkeypatch.setattr(barq.Worker, "_beat_seconds", 0.05)
    worker = barq.Worker(queue)
    run = asyncio.create_task(worker.run(signals=False))
    await ready(queue)
    send, lost = worker._store.send, 0

    async def lossy(call, **options):  # type: ignore[no-untyped-def]
        nonlocal lost
        answer = await send(call, **options)
        if call.script is not None and call.script.name == "tally" and lost < 3:
            lost += 1
            raise barq.ServerUnreachable("the answer was lost")
        return answer

    monkeypatch.setattr(worker._store, "send", lossy)
    await (await queue.enqueue("email", "well")).wait(20)

    async def three_lost() -> bool:
        return lost == 3

    await until(three_lost, "the answers were lost")
    worker.stop()
    await asyncio.wait_for(run, 15)
    assert (await queue.totals())["email"].counts == [1, 0, 0]


async def test_failures_are_grouped_by_type_error_and_place(queue: barq.Queue) -> None:
    @queue.handler("push")
    async def push(job: barq.Job) -> None:
        raise ConnectionError("no route")

    jobs = await queue.enqueue_many("email", ["fail"] * 3)
    await queue.enqueue("push")
    await work_off(queue)
    found = await queue.failures()
    assert (found.looked_at, found.total) == (4, 4)
    first, second = found.groups
    assert (first.type, first.error, first.count) == ("email", "JSONDecodeError", 3)
    assert first.sample_id in {job.id for job in jobs}
    assert "Expecting value" in first.message
    assert first.place.startswith(f"{HERE}:"), "where the application called json, not where json raised"
    assert first.first_at <= first.last_at
    assert (second.type, second.error, second.message, second.count) == ("push", "ConnectionError", "no route", 1)
    assert second.where == f"state:failed type:push error:ConnectionError place:{second.place}"
    assert [group.type for group in (await queue.failures("push")).groups] == ["push"]


async def test_the_attempts_of_a_job_are_told_with_their_errors(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", "fail", attempts=3)
    other = await queue.enqueue("email", "once", attempts=3)
    async with working(queue):
        await in_state(queue, job, "failed")
        await in_state(queue, other, "completed")
    attempts = await queue.attempts(job.id)
    assert [one.attempt for one in attempts] == [1, 2, 3]
    for one in attempts:
        assert one.error is not None
        assert one.error.type == "JSONDecodeError"
        assert "no JSON" in one.error.traceback
        assert one.started_at is not None
        assert one.ended_at is not None
        assert one.worker
    one, two = await queue.attempts(other.id)
    assert (one.error is None, two.error) == (False, None)


async def drains(queue: barq.Queue, expected: bool) -> None:
    async def so() -> bool:
        return [one.draining for one in await queue.workers()] == [expected]

    await until(so, f"the worker drains: {expected}")


async def test_a_drained_worker_claims_nothing_until_it_is_resumed(
    queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barq.Worker, "_beat_seconds", 0.05)

    async with working(queue) as worker:
        await ready(queue)
        await (await queue.enqueue("email")).wait(20)
        assert await queue.drain_worker(worker.id)
        await drains(queue, True)
        job = await queue.enqueue("email")
        await asyncio.sleep(0.3)
        assert (await job.refresh()).state == "waiting"
        (reason, _) = (await queue.explain(job.id)).reasons
        assert reason.code == "no-worker"
        assert await queue.resume_worker(worker.id)
        await job.wait(20)
        await drains(queue, False)
        (told,) = await queue.workers()
        assert told.memory_bytes > 1_000_000


async def test_a_worker_with_nothing_to_say_reports_a_fifth_as_often(
    queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barq.Worker, "_beat_seconds", 0.1)
    beats = 0

    async with working(queue) as worker:
        await ready(queue)
        send = worker._store.send

        async def counting(call, **options):  # type: ignore[no-untyped-def]
            nonlocal beats
            beats += call.script is not None and call.script.name == "beat"
            return await send(call, **options)

        monkeypatch.setattr(worker._store, "send", counting)
        await asyncio.sleep(1.2)
        assert 1 <= beats <= 3
        assert await queue.drain_worker(worker.id)

        await drains(queue, True)  # it has heard of its order from its claim


async def test_an_idle_worker_that_its_own_program_drains_says_so_soon(
    queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barq.Worker, "_beat_seconds", 0.1)
    monkeypatch.setattr(barq.Worker, "_idle_beats", 100_000)

    async with working(queue) as worker:
        await ready(queue)
        await asyncio.sleep(0.3)  # it has reported that it is idle
        worker.drain()
        await drains(queue, True)
        worker.drain(False)
        await drains(queue, False)


async def test_a_worker_that_is_told_to_stop_lets_what_runs_end(
    queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barq.Worker, "_beat_seconds", 0.05)
    go, begun = asyncio.Event(), asyncio.Event()

    @queue.handler("slow")
    async def slow(job: barq.Job) -> str:
        begun.set()
        await go.wait()
        return "done"

    worker = barq.Worker(queue)
    run = asyncio.create_task(worker.run(signals=False))
    job = await queue.enqueue("slow")
    await begun.wait()
    await queue.stop_worker(worker.id)

    async def stopping() -> bool:
        return any(one.stopping for one in await queue.workers())

    await until(stopping, "it has said that it stops")
    assert not run.done()
    go.set()
    await asyncio.wait_for(run, 20)
    assert (await job.refresh()).returned == "done"
    with pytest.raises(barq.WorkerNotFound):
        await queue.stop_worker(worker.id)


async def test_why_a_job_does_not_run_is_explained(queue: barq.Queue) -> None:
    async def codes(id: int) -> list[str]:
        return [reason.code for reason in (await queue.explain(id)).reasons]

    one, two = await queue.enqueue_many("email", ["well"] * 2)
    later = await queue.enqueue("email", delay=3600)
    assert await codes(one.id) == ["no-worker", "next"]
    assert await codes(two.id) == ["no-worker", "behind"]
    assert await codes(later.id) == ["due-later", "no-worker"]
    await queue.pause("email", by="ada", reason="provider is down", seconds=600)
    await queue.pause()
    told = await queue.explain(one.id)
    assert [reason.code for reason in told.reasons] == ["queue-paused", "type-paused", "no-worker", "next"]
    assert "by ada" in told.reasons[1].text
    assert "provider is down" in told.reasons[1].text
    await queue.cancel(two.id)
    assert await codes(two.id) == ["ended"]
    with pytest.raises(barq.JobNotFound):
        await queue.explain(99)


async def test_limits_and_leases_are_explained(queue: barq.Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barq.Worker, "_beat_seconds", 0.05)
    go, begun = asyncio.Event(), asyncio.Event()

    @queue.handler("slow", concurrency=1)
    async def slow(job: barq.Job) -> None:
        begun.set()
        await go.wait()

    async with working(queue) as worker:
        running = await queue.enqueue("slow")
        await begun.wait()
        waiting = await queue.enqueue("slow")
        assert [reason.code for reason in (await queue.explain(waiting.id)).reasons] == ["limit-reached", "next"]
        (leased,) = (await queue.explain(running.id)).reasons
        assert leased.code == "leased"
        assert worker.id in leased.text
        go.set()
        await waiting.wait(20)


async def test_clones_ask_for_the_same(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", {"a": 1}, priority=-3, attempts=4, timeout=9, title="hello", delay=60)
    clone = await queue.clone(job.id)
    other = await queue.clone(job.id, {"a": 2}, by="ada")
    made = [await queue.get(one.id) for one in (clone, other)]
    assert [(one.data, one.state) for one in made] == [({"a": 1}, "waiting"), ({"a": 2}, "waiting")]
    for one in made:
        assert (one.type, one.priority, one.attempts, one.title) == ("email", -3, 4, "hello")
        assert one.options.timeout_ms == 9000
    (act,) = (await queue.audit()).acts
    assert (act.by, act.act, act.target, act.after) == ("ada", "clone", f"job {job.id}", other.id)
    with pytest.raises(barq.JobNotFound):
        await queue.clone(99)


async def test_edits_are_checked_before_they_are_sent(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", 1)
    with pytest.raises(barq.InvalidPayload):
        await queue.edit(job.id, "x" * 2_000_000)
    with pytest.raises(barq.InvalidPayload):
        await queue.edit(job.id, {1, 2})
    with pytest.raises(barq.InvalidValue):
        await queue.set_priority(job.id, "urgent")
    with pytest.raises(barq.WrongState, match="only blocked or cancelled or completed or failed jobs"):
        await queue.edit(job.id, 2, retry=True)
    await queue.edit(job.id, 2)
    assert (await job.refresh()).data == 2
