"""Fair: who asks for little does not wait for who asks for much. Rows of scale.py; each on a fresh server."""

import asyncio
import time
from typing import Any

import barq
from benchmarks.flat import load, working
from benchmarks.results import Result
from benchmarks.rig import PAYLOAD, Rig, percentile


async def lone_enqueue(rig: Rig) -> list[Result]:
    """How long one enqueue takes, alone and while 100 coroutines flood the same queue."""
    found = []
    for where in ("of the same process", "of another connection"):
        async with barq.Queue(url=rig.url) as queue, barq.Queue(url=rig.url) as other:
            await queue.ping()
            quiet = await _latencies(queue, 1000)
            floods = [asyncio.create_task(_flood(queue if "same" in where else other)) for _ in range(100)]
            await asyncio.sleep(0.2)
            busy = await _latencies(queue, 1000)
            for flood in floods:
                flood.cancel()
            await asyncio.gather(*floods, return_exceptions=True)
            name, ratio = (
                f"a lone enqueue beside a flood {where}, p99",
                percentile(busy, 0.99) / percentile(quiet, 0.99),
            )
            found.append(Result(name, f"{_told(busy)} against {_told(quiet)}", ratio, 3, " x"))
    return found


def _told(times: list[float]) -> str:
    return f"p50 {percentile(times, 0.5):.2f}, p99 {percentile(times, 0.99):.2f} ms"


async def _flood(queue: barq.Queue) -> None:
    while True:
        await queue.enqueue("flood", PAYLOAD)


async def _latencies(queue: barq.Queue, count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await queue.enqueue("email", PAYLOAD)
        times.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.001)
    return times


async def two_types(rig: Rig) -> list[Result]:
    """How long a job of one type waits while another type's million is drained by the same worker."""
    async with barq.Queue(url=rig.url) as queue:
        started: asyncio.Queue[float] = asyncio.Queue()
        done = 0

        @queue.handler("big")
        async def big(job: barq.Job[Any]) -> None:
            nonlocal done
            done += 1

        @queue.handler("small")
        async def small(job: barq.Job[Any]) -> None:
            started.put_nowait(time.perf_counter())

        async def pick_ups() -> list[float]:
            times = []
            for _ in range(300):
                await asyncio.sleep(0.01)
                began = time.perf_counter()
                await queue.enqueue("small", PAYLOAD)
                times.append(((await started.get()) - began) * 1000)
            return times

        async with working(queue):
            quiet = await pick_ups()
        await load(queue, "big")
        async with working(queue):
            busy = await pick_ups()
            assert (await queue.counts("big"))["waiting"], "the other type's line never ran dry"
        name = "pick-up of a job beside another type's million, p99"
        return [
            Result(name, f"{_told(busy)} against {_told(quiet)} of an idle worker", percentile(busy, 0.99), 50, " ms")
        ]
