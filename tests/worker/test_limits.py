"""How many at a time: in all, of a type, in threads, by two workers; and how little when there is nothing."""

import asyncio
import threading
import time
from typing import Any

import pytest

import barq
from tests.support import Server, until
from tests.worker.conftest import Start, listening, ready
from tests.worker.running import work_off, working


class Meter:
    """Counts what runs at a time."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.total = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


async def finished(queue: barq.Queue, count: int) -> None:
    async def done() -> bool:
        return (await queue.counts())["completed"] == count

    await until(done, f"{count} jobs are completed", seconds=30)


@pytest.mark.parametrize("concurrency", [1, 3, 20])
async def test_no_more_run_than_there_are_slots(queue: barq.Queue, concurrency: int) -> None:
    every, meters = Meter(), {"a": Meter(), "b": Meter()}
    active: list[int] = []

    def add(name: str) -> None:
        @queue.handler(name)
        async def run(job: barq.Job) -> None:
            with every, meters[name]:
                await asyncio.sleep(0.001)

    for name in meters:
        add(name)
        await queue.enqueue_many(name, range(100))
    async with working(queue, concurrency=concurrency):
        while (await queue.counts())["completed"] < 200:
            active.append((await queue.counts())["active"])
    assert every.most == concurrency
    assert max(active) <= concurrency  # nobody hoards
    assert every.total == 200
    assert meters["a"].total == 100


async def test_no_more_of_a_type_run_than_its_own_limit(queue: barq.Queue) -> None:
    limited, free = Meter(), Meter()

    @queue.handler("limited", concurrency=2)
    async def run(job: barq.Job) -> None:
        with limited:
            await asyncio.sleep(0.003)

    @queue.handler("free")
    async def run_freely(job: barq.Job) -> None:
        with free:
            await asyncio.sleep(0.003)

    async with working(queue, concurrency=10):
        for n in range(60):  # also while it waits for work
            await queue.enqueue("limited", n)
            if n % 10 == 0:
                await asyncio.sleep(0.02)
        await queue.enqueue_many("free", range(100))
        await finished(queue, 160)
    assert limited.most == 2
    assert free.most > 2


def add_plain(queue: barq.Queue, *types: str) -> None:
    for type_ in types:
        queue.handler(type_)(lambda job: job.data)


async def test_types_that_share_one_thread_are_all_waited_for(
    queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.worker.claim.LONGEST_WAIT_SECONDS", 60.0)
    add_plain(queue, "a", "b", "c")
    async with working(queue, threads=1):
        for type_ in "cabbac":
            await listening(queue)
            assert await (await queue.enqueue(type_, type_)).result(20) == type_


@pytest.mark.parametrize("type_", ["a", "b", "c"])
async def test_a_burst_runs_jobs_of_all_types_that_share_one_thread(queue: barq.Queue, type_: str) -> None:
    add_plain(queue, "a", "b", "c")
    await queue.enqueue_many(type_, range(3))
    worker = await work_off(queue, threads=1)
    assert worker.done == 3


async def test_plain_handlers_have_so_many_threads(queue: barq.Queue) -> None:
    plain, asynchronous = Meter(), Meter()
    gate = threading.Event()

    @queue.handler("plain")
    def run(job: Any) -> None:
        with plain:
            gate.wait(0.02)

    @queue.handler("async")
    async def run_async(job: barq.Job) -> None:
        with asynchronous:
            await asyncio.sleep(0.01)

    await queue.enqueue_many("plain", range(40))
    await queue.enqueue_many("async", range(40))
    async with working(queue, concurrency=20, threads=3):
        await finished(queue, 80)
    assert plain.most == 3
    assert asynchronous.most > 3


async def test_two_workers_share_the_work(queue: barq.Queue, start: Start) -> None:
    workers = [start(concurrency=5), start(concurrency=5)]
    await ready(queue, 2)
    jobs = await queue.enqueue_many("quick", range(1500))
    await finished(queue, 1500)
    by = [await job.result(5) for job in jobs[::7]]
    assert {worker.pid for worker in workers} == set(by)


async def test_a_job_with_a_higher_priority_overtakes_and_equals_keep_their_order(queue: barq.Queue) -> None:
    order: list[int] = []

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        order.append(job.id)

    await queue.enqueue_many("email", range(50))
    await queue.enqueue_many("email", range(50), priority="high")
    async with working(queue, concurrency=1):
        await finished(queue, 100)
    assert order == [*range(51, 101), *range(1, 51)]


async def test_a_delayed_job_runs_at_its_time_and_not_before(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None: ...

    async with working(queue):
        await listening(queue)
        jobs = [await queue.enqueue("email", delay=delay) for delay in (0.3, 0.6)]
        for job, delay in zip(jobs, (0.3, 0.6), strict=True):
            await job.wait(10)
            await job.refresh()
            assert job.started_at is not None
            assert job.created_at is not None
            waited = (job.started_at - job.created_at).total_seconds()
            assert delay - 0.001 <= waited < delay + 1


async def test_an_idle_worker_asks_less_than_twice_a_second(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:
        for type_ in ("a", "b", "c"):
            queue.handler(type_)(lambda job: None)

        async def commands() -> int:
            link = await queue._here().store._connected(None)
            text = (await link.call(b"INFO", b"commandstats")).decode()
            counted = [line for line in text.splitlines() if line.startswith("cmdstat_") and "cmdstat_info" not in line]
            of_scripts = ("cmdstat_z", "cmdstat_h", "cmdstat_exists", "cmdstat_time", "cmdstat_incr", "cmdstat_x")
            outer = [line for line in counted if not line.startswith(of_scripts)]
            return sum(int(line.split("calls=")[1].split(",")[0]) for line in outer)

        async with working(queue):
            await listening(queue)
            await asyncio.sleep(0.5)
            before, since = await commands(), time.monotonic()
            await asyncio.sleep(3)
            assert await commands() - before <= 2 * (time.monotonic() - since)


async def test_an_idle_worker_starts_a_job_at_once(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None: ...

    async with working(queue):
        waits = []
        for _ in range(10):
            await listening(queue)
            job = await queue.enqueue("email")
            await job.wait(10)
            await job.refresh()
            assert job.started_at is not None
            assert job.created_at is not None
            waits.append((job.started_at - job.created_at).total_seconds())
    assert sorted(waits)[5] < 0.1
