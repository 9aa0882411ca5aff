"""Park: jobs whose data does not fit their handler wait, with the reason, until the code is mended."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

import barq
from tests.worker import in_process
from tests.worker.running import work_off, working


async def parked(queue: barq.Queue, job: barq.Job) -> barq.Job:
    await work_off(queue)
    assert (await job.refresh()).state == "blocked"
    assert (job.failures, job.run.rescues) == (0, 0)
    return job


async def garbled(queue: barq.Queue, type: str) -> barq.Job:
    """A job whose payload is not JSON."""
    job = await queue.enqueue(type, "payload", attempts=3)
    store, key = queue._here().store, f"barq:{{{queue.name}}}:job"
    link = await store._connected(None)
    record = await link.call(b"HGET", key.encode(), b"a%d" % job.id)
    await link.call(b"HSET", key.encode(), b"a%d" % job.id, record.replace(b'"payload"', b"payload"))
    return job


@pytest.mark.parametrize("kind", ["async", "plain", "process"])
async def test_a_payload_that_cannot_be_read_parks_the_job(queue: barq.Queue, kind: str) -> None:
    ran: list[Any] = []

    @queue.handler("async")
    async def run(job: barq.Job) -> None:
        ran.append(job.data)

    @queue.handler("plain")
    def run_plainly(job: Any) -> None:
        ran.append(job.data)

    queue.handler("process", run="process")(in_process.same)
    job = await parked(queue, await garbled(queue, kind))
    assert job.error is not None
    assert job.error.type == "UnfitData"
    assert "the job's data can't be read" in job.error.message
    assert ran == []


@pytest.mark.parametrize("kind", ["async", "plain", "process"])
async def test_arguments_that_do_not_fit_park_the_job(queue: barq.Queue, kind: str) -> None:
    @queue.task(name="async")
    async def run(to: str) -> None: ...

    @queue.task(name="plain")
    def run_plainly(to: str) -> None: ...

    queue.task(name="process", run="process")(in_process.resize)
    job = await parked(queue, await queue.enqueue(kind, {"address": "a@b.c"}, attempts=3))
    assert job.error is not None
    assert "has no parameter address" in job.error.message


async def test_a_handler_may_park_its_job_itself(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        if "to" not in job.data:
            raise barq.UnfitData("there is nobody to write to")

    job = await parked(queue, await queue.enqueue("email", {}))
    assert str(job.error) == "there is nobody to write to"


async def test_data_of_another_job_that_cannot_be_read_fails_the_attempt(queue: barq.Queue) -> None:
    other = await garbled(queue, "nobody")

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        (await queue.get(other.id)).data  # noqa: B018

    job = await queue.enqueue("email")
    await work_off(queue)
    assert (await job.refresh()).state == "failed"


async def test_a_parked_job_runs_when_the_code_is_mended_and_it_is_retried(queue: barq.Queue) -> None:
    @queue.task(name="send")
    async def old(to: str) -> str:
        return to

    job = await parked(queue, await queue.enqueue("send", {"to": "a@b.c", "cc": "d@e.f"}))
    mended = barq.Queue(queue.name, url=queue.target.shown)

    @mended.task
    async def send(to: str, cc: str) -> str:
        return f"{to}, {cc}"

    await job.retry()
    async with mended, working(mended):
        assert await job.result(10) == "a@b.c, d@e.f"
    assert (await job.refresh()).attempt == 2


async def test_who_waits_goes_on_waiting_and_hears_why(queue: barq.Queue) -> None:
    mended = False

    @queue.handler("email")
    async def send(job: barq.Job) -> str:
        if not mended:
            raise barq.UnfitData("not yet")
        return "sent"

    job = await queue.enqueue("email")
    events: AsyncIterator[barq.Event] = job.events()
    async with working(queue):
        told = [await anext(events), await anext(events)]
        while told[-1].name != "park":
            told.append(await anext(events))
        assert isinstance(told[-1].data, barq.ErrorInfo)
        assert told[-1].data.message == "not yet"
        mended = True
        await job.retry()
        assert await job.result(10) == "sent"


async def test_parked_jobs_take_no_slot_and_are_not_pruned(queue: barq.Queue) -> None:
    @queue.handler("email", concurrency=1)
    async def send(job: barq.Job) -> None:
        if job.data is None:
            raise barq.UnfitData("no data")

    await queue.enqueue_many("email", [None] * 600)
    good = await queue.enqueue("email", 1)
    await work_off(queue)
    await queue.prune()
    assert (await good.refresh()).state == "completed"
    assert (await queue.counts("email"))["blocked"] == 600
