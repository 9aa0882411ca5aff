"""Waiting for jobs: result, wait, and the events of one job."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

import barq
from tests.support import until
from tests.worker.running import work_off, working


@pytest.fixture
def queue(queue: barq.Queue) -> barq.Queue:
    @queue.handler("email")
    async def send(job: barq.Job) -> Any:
        if job.data == "fail":
            raise ValueError("no such address")
        return {"sent to": job.data}

    return queue


@contextlib.asynccontextmanager
async def waited_for(queue: barq.Queue, job: barq.Job, **how: Any) -> AsyncIterator["asyncio.Task[Any]"]:
    """Somebody who waits for a job, registered with the server before the block begins."""
    waiter = asyncio.create_task(job.result(**how))

    async def registered() -> bool:
        store = queue._here().store
        link = await store._connected(None)
        return bool(await link.call(b"HLEN", b"barq:{%b}:watch" % queue.name.encode()))

    await until(registered, "the job is watched")
    yield waiter


async def test_the_result_is_what_the_handler_returned(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", "a@b.c")
    async with waited_for(queue, job) as waiter, working(queue):
        assert await asyncio.wait_for(waiter, 10) == {"sent to": "a@b.c"}
        assert await job.wait(1) == "complete"


async def test_the_result_of_a_job_that_ended_already_is_there_at_once(queue: barq.Queue) -> None:
    sent, failed = await queue.enqueue("email"), await queue.enqueue("email", "fail")
    await work_off(queue)
    assert await sent.result(timeout=5) == {"sent to": None}
    with pytest.raises(barq.JobFailed, match=r"job 2 \(email\) failed: no such address") as caught:
        await failed.result(timeout=5)
    assert isinstance(caught.value.error, barq.ErrorInfo)
    assert caught.value.error.type == "ValueError"
    assert await failed.wait(5) == "failed"


async def test_who_waits_for_a_job_that_fails_gets_its_error(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", "fail")
    async with waited_for(queue, job) as waiter, working(queue):
        with pytest.raises(barq.JobFailed, match="no such address"):
            await asyncio.wait_for(waiter, 10)


async def test_who_waits_for_a_job_hears_that_it_was_cancelled_or_removed(queue: barq.Queue) -> None:
    cancelled, removed = await queue.enqueue("email"), await queue.enqueue("email")
    async with waited_for(queue, cancelled) as first, waited_for(queue, removed) as second:
        await asyncio.sleep(0)
        await queue.counts()  # both watch now: they registered in one call
        await cancelled.cancel()
        with pytest.raises(barq.JobCancelled, match="job 1"):
            await asyncio.wait_for(first, 10)
        await removed.remove()
        with pytest.raises(barq.JobNotFound, match="job 2"):
            await asyncio.wait_for(second, 10)
    with pytest.raises(barq.JobNotFound):
        await removed.wait(5)


async def test_a_job_that_is_removed_on_complete_still_gives_its_result_to_who_waits(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", 1, remove_on_complete=True)
    async with waited_for(queue, job) as waiter, working(queue):
        assert await asyncio.wait_for(waiter, 10) == {"sent to": 1}
    with pytest.raises(barq.JobNotFound):
        await job.result(1)


@pytest.mark.parametrize("timeout", [0.1, timedelta(milliseconds=100), 0])
async def test_a_job_that_does_not_end_in_time_is_a_timeout(queue: barq.Queue, timeout: Any) -> None:
    job = await queue.enqueue("email")
    for wait in (job.result, job.wait):
        with pytest.raises(barq.ResultTimeout, match=r"job 1 .* has not ended within") as caught:
            await asyncio.wait_for(wait(timeout), 5)
        assert isinstance(caught.value, TimeoutError)


@pytest.mark.parametrize("timeout", [-1, float("nan"), True, "3", float("inf")])
async def test_a_timeout_that_is_none_is_refused(queue: barq.Queue, timeout: Any) -> None:
    job = await queue.enqueue("email")
    with pytest.raises((barq.InvalidValue, barq.InvalidType), match="timeout must be"):
        await job.result(timeout)


async def test_an_ending_from_before_a_retry_is_no_answer(queue: barq.Queue) -> None:
    """The ending lies in the inbox of who waited first and gave up; who waits after the retry must not hear it."""
    job = await queue.enqueue("email", "fail")
    with pytest.raises(barq.ResultTimeout):
        await job.result(0.05)
    await work_off(queue)
    await job.retry()
    with pytest.raises(barq.ResultTimeout):
        await job.result(0.3)
    events = job.events()
    first = asyncio.create_task(anext(events))  # type: ignore[arg-type]
    done, _ = await asyncio.wait([first], timeout=0.3)
    assert not done, await first
    await job.cancel()
    assert (await asyncio.wait_for(first, 10)).name == "cancel"


async def test_thousands_may_wait_at_once_and_all_get_their_own_answer(queue: barq.Queue) -> None:
    jobs = await queue.enqueue_many("email", range(3000))
    waiters = [asyncio.create_task(job.result(60)) for job in jobs]
    twice = [asyncio.create_task(job.result(60)) for job in jobs[:100]]
    async with working(queue):
        assert await asyncio.gather(*waiters) == [{"sent to": n} for n in range(3000)]
        assert await asyncio.gather(*twice) == [{"sent to": n} for n in range(100)]


async def test_a_waiter_that_is_cancelled_disturbs_no_other(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", 1)
    async with waited_for(queue, job) as first:
        second = asyncio.create_task(job.result(30))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        async with working(queue):
            assert await second == {"sent to": 1}


async def test_who_waits_when_the_queue_is_closed_gets_an_error(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", 1)
    async with waited_for(queue, job) as waiter:
        await queue.close()
        with pytest.raises(barq.WrongState, match="the queue was closed"):
            await asyncio.wait_for(waiter, 10)


async def test_the_events_of_a_job_end_with_its_ending(queue: barq.Queue) -> None:
    @queue.handler("video")
    async def convert(job: barq.Job) -> str:
        await job.progress(50)
        await job.log("half")
        return "done"

    job = await queue.enqueue("video", delay=60)

    async def follow() -> list[barq.Event]:
        return [event async for event in job.events()]

    async with waited_for(queue, job) as waiter:
        following = asyncio.create_task(follow())
        await asyncio.sleep(0)
        await queue.counts()
        async with working(queue):
            await job.promote()
            events = await asyncio.wait_for(following, 10)
            await waiter
    assert [event.name for event in events] == ["promotion", "start", "progress", "log", "complete"]
    assert events[-1].data == "done"
    assert events[2].data.percent == 50
    assert [event.name async for event in job.events()] == ["complete"]


async def test_the_events_of_a_job_that_is_not_there_or_not_saved_are_refused(queue: barq.Queue) -> None:
    job = await queue.enqueue("email")
    await job.remove()
    with pytest.raises(barq.JobNotFound):
        await anext(job.events())
    with pytest.raises(barq.WrongState, match="not saved"):
        await anext(queue.create("email").events())
