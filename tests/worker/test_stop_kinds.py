"""A stop under load with jobs of all kinds: nothing is burnt, lost or doubled, and what does not end goes back at once."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import barq
from tests.support import until
from tests.worker.conftest import Start, in_state, open_gate, running

KINDS = ("gated", "plain", "stubborn", "wait", "patient", "second try")
"""Async, in a thread, one that swallows its cancellation, in a child process, one with progress and a step, and one that
is tried again."""


async def all_kinds(queue: barq.Queue, gate: Path) -> list[barq.Job]:
    """One job of each kind, running, and some that are delayed or wait."""
    jobs = [await queue.enqueue(kind, str(gate), attempts=2, backoff=barq.fixed(0), priority="high") for kind in KINDS]
    for job in jobs:
        await running(queue, job, runs=2 if job.type == "second try" else 1)
    delayed = await queue.enqueue("quick", delay=0.5)
    return [*jobs, delayed]


TRIES = 3
"""How fast they go back depends on what else the machine does: one of so many stops has to take less than a second."""


@pytest.mark.parametrize("signals", [1, 2])
async def test_jobs_of_all_kinds_go_back_within_a_second_and_burn_nothing(
    queue: barq.Queue, start: Start, gate: Path, signals: int
) -> None:
    took: list[float] = []
    while len(took) < TRIES and min(took, default=1.0) >= 1.0:
        gate = gate.with_name(f"gate {len(took)}")
        worker = start(grace=0.1 if signals == 1 else 60, lease=60)
        jobs = await all_kinds(queue, gate)
        if signals == 2:
            worker.signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            assert worker.alive
        began = await server_time(queue)
        worker.signal(signal.SIGTERM)
        for job in jobs[:-1]:
            await in_state(queue, job, "waiting")
            assert (job.failures, job.run.rescues) == (1 if job.type == "second try" else 0, 0), job.type
        took.append(max([at async for at in went_back_at(queue, jobs)]) - began)
        open_gate(gate)  # a thread can't be stopped
        assert worker.ended(within=20) == 0
        await run_all_the_same(queue, start, jobs)
    assert min(took) < 1.0, f"by the server's clock they went back after {took} s"


async def server_time(queue: barq.Queue) -> float:
    link = await queue._here().store._connected(None)
    seconds, micros = await link.call(b"TIME")
    return int(seconds) + int(micros) / 1e6


async def went_back_at(queue: barq.Queue, jobs: list[barq.Job]) -> AsyncIterator[float]:
    ids = {job.id for job in jobs}
    async for event in queue.events("0", wait=False):
        if event.name == "requeue" and event.job_id in ids:
            yield event.at.timestamp()


async def run_all_the_same(queue: barq.Queue, start: Start, jobs: list[barq.Job]) -> None:
    """Another worker runs each of them once, to its end."""
    second = start()
    for job in jobs:
        await job.result(30)
    ids = {job.id for job in jobs}
    told = [event.job_id async for event in queue.events("0", wait=False) if event.name == "complete"]
    assert Counter(id_ for id_ in told if id_ in ids) == Counter(ids)
    kept = await queue.get(next(job.id for job in jobs if job.type == "patient"))
    assert kept.returned == 1, "its step ran once over both attempts"
    second.kill()


async def test_stops_again_and_again_under_load_lose_and_double_nothing(queue: barq.Queue, start: Start) -> None:
    jobs = []
    for _ in range(60):
        jobs += await queue.enqueue_many("quick", range(20))
        jobs += await queue.enqueue_many("flaky", range(5), attempts=3, backoff=barq.fixed(0.01))
        jobs += await queue.enqueue_many("quick", range(5), delay=0.2)
    workers = [start(grace=0.1, lease=60) for _ in range(2)]
    for at in range(4):
        before = (await queue.counts())["completed"]

        async def further(before: int = before) -> bool:
            counts = await queue.counts()
            return counts["completed"] > before + 50 or counts["completed"] == len(jobs)

        await until(further, "jobs go on")
        leaving = workers[at].pid

        async def works(leaving: int = leaving) -> bool:
            return leaving in [worker.pid for worker in await queue.workers()]

        await until(works, "the one that is to leave works")
        workers.append(start(grace=0.1, lease=60))
        workers[at].signal(signal.SIGTERM)

    async def done() -> bool:
        return (await queue.counts())["completed"] == len(jobs)

    await until(done, "all have completed", seconds=60)
    events = [event async for event in queue.events("0", wait=False)]
    assert events[0].name != "gap"
    assert Counter(event.job_id for event in events if event.name == "complete") == Counter(job.id for job in jobs)
    failed = Counter(event.job_id for event in events if event.name == "failed attempt")
    assert failed == Counter(job.id for job in jobs if job.type == "flaky"), "each fails once, whatever was stopped"
    for worker in workers[:4]:
        assert worker.ended() == 0
