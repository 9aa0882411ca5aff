"""Acts on jobs by id, and on whole types: retry, promote, remove, cancel, pause, resume, prune."""

import asyncio

import pytest

import barq
from tests.support import Server, until
from tests.worker.running import work_off, working


@pytest.fixture
def queue(queue: barq.Queue) -> barq.Queue:
    @queue.handler("email")
    async def send(job: barq.Job) -> str:
        if job.data == "fail":
            raise ValueError("no such address")
        return "sent"

    return queue


async def test_a_delayed_job_can_be_promoted(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", delay=3600)
    await queue.promote(job.id)
    assert (await job.refresh()).state == "waiting"
    with pytest.raises(barq.WrongState, match=r"job 1 is waiting: only delayed jobs can be promoted"):
        await job.promote()


@pytest.mark.parametrize(("data", "ended"), [("fail", "failed"), (None, "completed")])
async def test_an_ended_job_can_be_retried(queue: barq.Queue, data: str | None, ended: str) -> None:
    job = await queue.enqueue("email", data)
    with pytest.raises(barq.WrongState, match="is waiting: only blocked or cancelled or completed or failed jobs"):
        await job.retry()
    await work_off(queue)
    assert (await job.refresh()).state == ended
    await job.retry()
    assert (await job.refresh()).state == "waiting"
    await work_off(queue)
    assert (await job.refresh()).state == ended
    assert job.attempt == 2


async def test_a_waiting_or_delayed_job_can_be_cancelled_once(queue: barq.Queue) -> None:
    waiting, delayed = await queue.enqueue("email"), await queue.enqueue("email", delay=60)
    await queue.cancel(waiting.id, delayed.id)
    assert (await queue.counts())["cancelled"] == 2
    with pytest.raises(barq.WrongState, match=r"job 1 is cancelled: only .* can be cancelled"):
        await waiting.cancel()
    with pytest.raises(barq.JobCancelled):
        await delayed.result(5)
    await work_off(queue)
    assert (await queue.counts())["cancelled"] == 2


async def test_a_removed_job_is_forgotten_with_all_that_belonged_to_it(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", "fail")
    await work_off(queue)
    await job.remove()
    with pytest.raises(barq.JobNotFound):
        await job.refresh()
    with pytest.raises(barq.JobNotFound):
        await job.remove()
    assert set((await queue.counts()).values()) == {0}


async def test_a_running_job_is_removed_only_after_a_cancel(queue: barq.Queue) -> None:
    started, end = asyncio.Event(), asyncio.Event()

    @queue.handler("slow")
    async def run(job: barq.Job) -> None:
        started.set()
        await end.wait()

    job = await queue.enqueue("slow")
    async with working(queue):
        await asyncio.wait_for(started.wait(), 10)
        with pytest.raises(barq.WrongState, match="job 1 is active"):
            await job.remove()
        await job.cancel()
        await job.remove()
        end.set()
    with pytest.raises(barq.JobNotFound):
        await job.refresh()


async def test_several_ids_are_all_done_that_allow_it_then_the_first_refusal_is_raised(queue: barq.Queue) -> None:
    delayed = await queue.enqueue_many("email", range(3), delay=60)
    waiting = await queue.enqueue("email")
    with pytest.raises(barq.WrongState, match=r"job 4 \(and 1 others\) is waiting"):
        await queue.promote(delayed[0].id, waiting.id, 77, delayed[2].id)
    assert [job.id for job in await queue.jobs("delayed")] == [delayed[1].id]
    with pytest.raises(barq.JobNotFound, match="job 77"):
        await queue.promote(77, delayed[1].id)
    assert await queue.jobs("delayed") == []


async def test_the_same_id_twice_counts_once(queue: barq.Queue) -> None:
    job = await queue.enqueue("email")
    await queue.cancel(job.id, job.id)
    assert (await job.refresh()).state == "cancelled"


async def test_thousands_of_ids_may_be_named_at_once(queue: barq.Queue) -> None:
    jobs = await queue.enqueue_many("email", range(1100))
    await queue.cancel(*(job.id for job in jobs))
    assert (await queue.counts())["cancelled"] == 1100
    await queue.retry(*(job.id for job in jobs))
    await queue.remove(*(job.id for job in jobs))
    assert set((await queue.counts()).values()) == {0}


async def test_no_id_is_a_mistake(queue: barq.Queue) -> None:
    with pytest.raises(barq.InvalidValue, match="cancel needs the id"):
        await queue.cancel()


async def test_jobs_of_a_paused_type_are_not_handed_out_until_it_is_resumed(queue: barq.Queue) -> None:
    assert await queue.pause("email", by="ada", reason="deploy")
    assert not await queue.pause("email")
    job = await queue.enqueue("email")
    await work_off(queue)
    assert (await job.refresh()).state == "waiting"
    async with working(queue):
        assert await queue.resume("email")
        assert not await queue.resume("email")
        assert await job.result(10) == "sent"


async def test_a_pause_says_by_whom_and_why(queue: barq.Queue) -> None:
    await queue.enqueue("email")
    await queue.pause("email", by="ada", reason="deploy")
    paused = (await queue.types())["email"].paused
    assert paused is not None
    assert (paused["by"], paused["reason"]) == ("ada", "deploy")
    assert await queue.paused() is None
    await queue.pause(by="bob")
    whole = await queue.paused()
    assert whole is not None
    assert whole["by"] == "bob"
    assert list(await queue.types()) == ["email"]


async def test_a_paused_queue_hands_out_nothing_while_running_jobs_go_on(queue: barq.Queue) -> None:
    started, end = asyncio.Event(), asyncio.Event()

    @queue.handler("slow")
    async def run(job: barq.Job) -> str:
        started.set()
        await end.wait()
        return "done"

    running = await queue.enqueue("slow")
    async with working(queue):
        await asyncio.wait_for(started.wait(), 10)
        await queue.pause()
        waiting = await queue.enqueue("email")
        end.set()
        assert await running.result(10) == "done"
        assert (await waiting.refresh()).state == "waiting"
        await queue.resume()
        assert await waiting.result(10) == "sent"


async def test_retention_by_count_and_age_is_kept_by_prune(server: Server, name: str, clock: barq.ManualClock) -> None:
    kept = barq.Retention(count=3)
    async with barq.Queue(name, url=server.url, clock=clock, keep_completed=kept) as queue:
        await queue.enqueue_many("email", range(10))
        await queue.cancel(*range(1, 11))
        assert await queue.prune() == 0  # cancelled jobs are kept like failed ones
        clock.advance(91 * 86400)
        assert await queue.prune() == 10
        assert set((await queue.counts()).values()) == {0}


async def test_completed_jobs_beyond_the_retention_are_forgotten_as_others_complete(server: Server, name: str) -> None:
    async with barq.Queue(name, url=server.url, keep_completed=barq.Retention(count=5)) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> None: ...

        await queue.enqueue_many("email", range(40))
        await work_off(queue)

        async def few() -> bool:
            await queue.prune()
            return (await queue.counts())["completed"] == 5

        await until(few, "five are kept")
        assert [job.id for job in await queue.jobs("completed")] == [36, 37, 38, 39, 40]
