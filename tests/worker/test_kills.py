"""Worker processes killed with -9 in each phase: nothing is lost, and nothing runs twice without a reason."""

import asyncio
from pathlib import Path

import pytest

import barq
from tests.support import Server, until
from tests.wire.proxy import Proxy
from tests.worker.conftest import Start, in_state, listening, open_gate, ready, running


async def names_of(queue: barq.Queue, job: barq.Job, last: str) -> list[str]:
    """All events of a job up to the one named."""
    names = []
    async for event in queue.events("0"):
        if event.job_id == job.id:
            names.append(event.name)
            if event.name == last:
                break
    return names


async def test_killed_while_idle_a_worker_takes_nothing_with_it(queue: barq.Queue, start: Start) -> None:
    first = start(plainly=True)
    await ready(queue)
    first.kill()
    job = await queue.enqueue("quick")
    second = start(plainly=True)
    assert await job.result(20) == second.pid
    assert (await job.refresh()).attempt == 1


@pytest.mark.parametrize("type_", ["gated", "plain"])
async def test_killed_while_running_a_worker_leaves_its_job_to_another(
    queue: barq.Queue, start: Start, gate: Path, type_: str
) -> None:
    first, job = start(), await queue.enqueue(type_, str(gate))
    await running(queue, job)
    first.kill()
    second = start()
    assert await running(queue, job, runs=2) == f"runs in {second.pid}"
    open_gate(gate)
    assert await job.result(20) == second.pid
    read = await job.refresh()
    assert (read.attempt, read.failures, read.run.rescues) == (2, 0, 1)  # no attempt of the job's own is burnt
    names = await names_of(queue, job, "complete")
    assert names == ["enqueue", "start", "log", "requeue", "start", "log", "complete"]


async def test_killed_before_it_heard_of_its_claim_a_worker_leaves_its_job_to_another(
    queue: barq.Queue, server: Server, start: Start
) -> None:
    async with Proxy(server.port) as proxy:
        first = start(url=proxy.url)
        await listening(queue)
        await asyncio.sleep(0.3)  # its first wait may be ended at once, for one on more types
        proxy.mute = True
        job = await queue.enqueue("quick")
        await in_state(queue, job, "active")
        first.kill()
    second = start()
    assert await job.result(20) == second.pid
    assert (await job.refresh()).attempt == 2


@pytest.mark.parametrize("lost", ["the settle", "its answer"])
async def test_killed_while_settling_the_job_ends_once(
    queue: barq.Queue, server: Server, start: Start, gate: Path, lost: str
) -> None:
    async with Proxy(server.port) as proxy:
        first, job = start(url=proxy.url, lease=2), await queue.enqueue("gated", str(gate))
        await running(queue, job)
        if lost == "the settle":
            proxy.deaf = True
        else:
            proxy.mute = True
        open_gate(gate)
        if lost == "the settle":
            await asyncio.sleep(0.2)  # the settle goes nowhere; the job stays active
            first.kill()
            second = start()
            assert await job.result(20) == second.pid
            runs = 2
        else:
            await in_state(queue, job, "completed")
            first.kill()
            assert await job.result(20) == first.pid
            runs = 1
    assert (await job.refresh()).attempt == runs
    names = await names_of(queue, job, "complete")
    assert names.count("start") == runs


async def test_a_job_that_kills_its_workers_has_failed_after_the_limit(queue: barq.Queue, start: Start) -> None:
    deadly = await queue.enqueue("deadly", attempts=50, priority="critical")
    harmless = await queue.enqueue("quick")
    for _ in range(3):
        worker = start(poison=1, types=["deadly", "quick"], concurrency=1, lease=0.3)

        async def over(worker=worker) -> bool:  # type: ignore[no-untyped-def]
            return not worker.alive or (await deadly.refresh()).state == "failed"

        await until(over, "the worker died, or the job has failed")
        if worker.alive:
            break
    with pytest.raises(barq.JobFailed, match="its worker was lost 2 times while it ran"):
        await deadly.result(10)
    assert await harmless.wait(10) == "complete"
    read = await deadly.refresh()
    assert (read.attempt, read.failures) == (2, 0)


async def test_a_load_with_kills_completes_every_job_once(queue: barq.Queue, start: Start) -> None:
    jobs = await queue.enqueue_many("quick", range(3000))
    workers = [start(concurrency=5), start(concurrency=5)]
    for _ in range(3):
        before = (await queue.counts())["completed"]

        async def further(before=before) -> bool:  # type: ignore[no-untyped-def]
            return (await queue.counts())["completed"] > before + 100

        await until(further, "the load goes on")
        workers.pop(0).kill()
        workers.append(start(concurrency=5))

    async def all_done() -> bool:
        return (await queue.counts())["completed"] == 3000

    await until(all_done, "all are completed", seconds=40)
    completed: list[int] = []
    async for event in queue.events("0"):
        assert event.name != "gap"
        if event.name == "complete":
            completed.append(event.job_id)
            if len(completed) == 3000:
                break
    assert sorted(completed) == [job.id for job in jobs]
