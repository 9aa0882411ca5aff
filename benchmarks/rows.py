"""Rows: what is measured. Each takes a rig and returns figures; executions are counted and must equal the jobs."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio

import barq
from barq.protocol import calls
from benchmarks.rig import PAYLOAD, Rig, percentile

Figures = dict[str, float]


async def round_trips(rig: Rig) -> Figures:
    """The unit of the budget: what one redis-py connection does when it awaits each answer."""
    client = redis.asyncio.Redis.from_url(rig.url)
    sha = await client.script_load("return 1")
    count = 4000
    began = time.perf_counter()
    for _ in range(count):
        await client.evalsha(sha, 0)
    figures = {"rate": count / (time.perf_counter() - began)}
    await client.aclose()
    return figures


async def bare_round_trips(rig: Rig) -> Figures:
    """The same through the queue's own connection, without what a call of barq does besides."""
    async with barq.Queue(url=rig.url) as queue:
        link, count = await queue._here().store._connected(None), 4000
        sha = await link.call(b"SCRIPT", b"LOAD", b"return 1")
        spent = Spent(rig)
        for _ in range(count):
            await link.call(b"EVALSHA", sha, b"0")
        return spent.per_job(count)


async def enqueue_one_by_one(rig: Rig) -> Figures:
    async def work(queue: barq.Queue) -> None:
        for _ in range(4000):
            await queue.enqueue("email", PAYLOAD)

    return await _timed_enqueue(rig, 4000, work)


async def enqueue_by_many(rig: Rig) -> Figures:
    async def producer(queue: barq.Queue) -> None:
        for _ in range(400):
            await queue.enqueue("email", PAYLOAD)

    async def work(queue: barq.Queue) -> None:
        await asyncio.gather(*(producer(queue) for _ in range(100)))

    return await _timed_enqueue(rig, 40_000, work)


async def enqueue_in_bulk(rig: Rig) -> Figures:
    async def work(queue: barq.Queue) -> None:
        await queue.enqueue_many("email", [PAYLOAD] * 60_000)

    return await _timed_enqueue(rig, 60_000, work)


async def _timed_enqueue(rig: Rig, jobs: int, work: Callable[[barq.Queue], Awaitable[None]]) -> Figures:
    async with barq.Queue(url=rig.url) as queue:
        await queue.ping()
        spent = Spent(rig)
        await work(queue)
        figures = spent.per_job(jobs)
        stored = (await queue.counts("email"))["waiting"]
        assert stored == jobs, f"{stored} jobs stored of {jobs}"
        return figures


def drain(concurrency: int, *, plain: bool) -> Callable[[Rig], Awaitable[Figures]]:
    """Jobs that wait already, with a handler that only counts."""
    jobs = {1: 3000, 10: 30_000}.get(concurrency, 60_000)

    async def measure(rig: Rig) -> Figures:
        async with barq.Queue(url=rig.url) as queue:
            await queue.enqueue_many("email", [PAYLOAD] * jobs)
            done = 0
            all_done = asyncio.Event()
            loop = asyncio.get_running_loop()

            async def count_async(job: barq.Job[Any]) -> None:
                nonlocal done
                done += 1
                if done == jobs:
                    all_done.set()

            def count_plain(job: Any) -> None:
                nonlocal done
                done += 1
                if done == jobs:
                    loop.call_soon_threadsafe(all_done.set)

            queue.handler("email")(count_plain if plain else count_async)
            worker = barq.Worker(queue, concurrency=concurrency)
            spent = Spent(rig)
            working = asyncio.create_task(worker.run(signals=False))
            await all_done.wait()
            figures = spent.per_job(jobs)
            worker.stop()
            await working
            counts = await queue.counts("email")
            assert done == jobs, f"{done} runs of {jobs} jobs"
            assert counts["completed"] == jobs, counts
            return figures

    return measure


async def scripts_alone(rig: Rig) -> Figures:
    """The calls of a drain at concurrency 100, without handlers: what is left when nothing but the server has to be fed."""
    jobs = 60_000
    async with barq.Queue(url=rig.url) as queue:
        await queue.enqueue_many("email", [PAYLOAD] * jobs)
        store, done = queue._here().store, 0

        async def flights(nonce: str) -> None:
            nonlocal done
            ended: list[calls.Settlement] = []
            while done < jobs:
                terms = {"now_ms": 0, "worker": "ceiling", "nonce": nonce, "lease_ms": 30_000, "most": 50}
                _, claim = await store.send(calls.turn(queue.space, ended, [("email", 50)], **terms))
                done += len(ended)
                ended = [
                    (type_, id_, token, b"complete", b"", b"null")
                    for type_, token, some in claim.handed
                    for id_, _ in some
                ]
                if not ended:
                    return

        spent = Spent(rig)
        await asyncio.gather(flights("a"), flights("b"))
        figures = spent.per_job(jobs)
        assert done == jobs, f"{done} settled of {jobs} jobs"
        return figures


async def processes(rig: Rig) -> Figures:
    """`barq worker` with one and with two processes, handlers that burn 1 ms of CPU, all cores."""
    one, two = [await _burnt(rig, count) for count in (1, 2)]
    return {"two of one": two / one, "one per s": one, "two per s": two}


async def _burnt(rig: Rig, count: int) -> float:
    """Jobs a second, from the fifth part on, when all processes have started."""
    jobs, head = 2500 * count, 500 * count
    rig.clear()
    async with barq.Queue(url=rig.url) as queue:
        await queue.enqueue_many("burn", [None] * jobs)
        options = ("benchmarks.burner:queue", "--processes", str(count), "--concurrency", "4")
        with rig.all_cores():
            worker = subprocess.Popen(
                [sys.executable, "-m", "barq", "worker", *options],
                env={**os.environ, "BARQ_URL": rig.url},
                stderr=subprocess.DEVNULL,
            )
        try:
            began = await _completed(queue, head, worker)
            took = await _completed(queue, jobs, worker) - began
        finally:
            worker.terminate()
            worker.wait(30)
    return (jobs - head) / took


async def _completed(queue: barq.Queue, jobs: int, worker: "subprocess.Popen[bytes]") -> float:
    """When so many had completed."""
    while (await queue.counts("burn"))["completed"] < jobs:
        assert worker.poll() is None, "the worker has ended"
        await asyncio.sleep(0.01)
    return time.perf_counter()


async def pick_up(rig: Rig) -> Figures:
    """From the call of enqueue to the first line of the handler, with a worker that waits for work."""
    rig.clear()
    async with barq.Queue(url=rig.url) as queue:
        started: asyncio.Queue[float] = asyncio.Queue()

        @queue.handler("email")
        async def handle(job: barq.Job[Any]) -> None:
            started.put_nowait(time.perf_counter())

        worker = barq.Worker(queue, concurrency=10)
        working = asyncio.create_task(worker.run(signals=False))
        times = []
        for _ in range(500):
            await asyncio.sleep(0.01)  # the worker waits again
            began = time.perf_counter()
            await queue.enqueue("email", PAYLOAD)
            times.append(((await started.get()) - began) * 1000)
        worker.stop()
        await working
        return {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99)}


async def idle_commands(rig: Rig) -> Figures:
    rig.clear()
    seconds = 10.0
    async with barq.Queue(url=rig.url) as queue:
        queue.handler("email")(_nothing)
        worker = barq.Worker(queue)
        working = asyncio.create_task(worker.run(signals=False))
        await asyncio.sleep(2.0)
        before, cpu = rig.commands(), time.process_time()
        await asyncio.sleep(seconds)
        commands, cpu = rig.commands() - before, time.process_time() - cpu
        worker.stop()
        await working
    return {"per s": commands / seconds, "CPU %": 100 * cpu / seconds}


async def memory(rig: Rig) -> Figures:
    """Bytes of the server per job that waits, and per job that is finished and kept."""
    rig.clear()
    jobs = 50_000
    async with barq.Queue(url=rig.url) as queue:
        await queue.enqueue("email", PAYLOAD)
        empty = rig.memory()
        await queue.enqueue_many("email", [PAYLOAD] * jobs)
        waiting = (rig.memory() - empty) / jobs
        queue.handler("email")(_nothing)
        await barq.Worker(queue, burst=True).run(signals=False)
        finished = (rig.memory() - empty) / jobs
    return {"waiting": waiting, "finished": finished}


async def _nothing(job: barq.Job[Any]) -> None:
    return None


class Spent:
    """Wall time and CPU since it was made."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._server = rig.cpu_seconds()
        self._own = time.process_time()
        self._began = time.perf_counter()

    def per_job(self, jobs: int) -> Figures:
        wall = time.perf_counter() - self._began
        own = time.process_time() - self._own
        server = self._rig.cpu_seconds() - self._server
        return {"rate": jobs / wall, "own CPU us": own / jobs * 1e6, "server CPU us": server / jobs * 1e6}
