"""A stop under load with jobs of all kinds: nothing is burnt, lost or doubled, and what does not end goes back at once."""

import asyncio
import signal
import time
from collections import Counter
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


@pytest.mark.parametrize("signals", [1, 2])
async def test_jobs_of_all_kinds_go_back_within_a_second_and_burn_nothing(
    queue: barq.Queue, start: Start, gate: Path, signals: int
) -> None:
    worker = start(grace=0.1 if signals == 1 else 60, lease=60)
    jobs = await all_kinds(queue, gate)
    worker.signal(signal.SIGTERM)
    if signals == 2:
        await asyncio.sleep(0.2)
        assert worker.alive
        worker.signal(signal.SIGTERM)
    began = time.monotonic()
    for job in jobs[:-1]:
        await in_state(queue, job, "waiting")
    took = time.monotonic() - began
    assert took < 10, "long before a lease ends; on an idle machine within a second"
    for job in jobs[:-1]:
        assert (job.failures, job.run.rescues) == (1 if job.type == "second try" else 0, 0), job.type
    open_gate(gate)  # a thread can't be stopped
    assert worker.ended(within=20) == 0
    start()
    for job in jobs:
        await job.result(30)
    told = Counter([event.job_id async for event in queue.events("0", wait=False) if event.name == "complete"])
    assert told == Counter([job.id for job in jobs])
    kept = await queue.get(next(job.id for job in jobs if job.type == "patient"))
    assert kept.returned == 1, "its step ran once over both attempts"


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
