"""Parted: what partitions cost on one server, where they gain nothing: CPU a job beside a queue without. For scale.py."""

import asyncio
from typing import Any

import barq
from benchmarks.flat import alternating, compared, enqueued, working
from benchmarks.results import Result
from benchmarks.rig import PAYLOAD, Rig
from benchmarks.rows import Figures, Spent

JOBS, ROUNDS, PARTS = 30_000, 3, 16
COST = 1.5
IDLE_SECONDS = 10.0


async def partitions(rig: Rig) -> list[Result]:
    """The same work in one partition and in 16."""
    results = []
    for name, act in (("enqueue by 100 coroutines", _enqueued), ("enqueue in bulk", _bulk), ("drain", _drained)):
        found = await alternating(ROUNDS, one=lambda act=act: act(rig, 1), many=lambda act=act: act(rig, PARTS))
        results += compared(f"{PARTS} partitions on one server, {name}", found["many"], found["one"], COST)
    one, many = await _idle(rig, 1), await _idle(rig, PARTS)
    told = f"{many:.1f} against {one:.1f}"
    return [*results, Result("commands a second of an idle worker", told, many, 8)]


async def _enqueued(rig: Rig, parts: int) -> Figures:
    rig.clear()
    async with barq.Queue(url=rig.url, partitions=parts) as queue:
        await queue.ping()
        return await enqueued(rig, queue, ["email"], JOBS)


async def _bulk(rig: Rig, parts: int) -> Figures:
    rig.clear()
    async with barq.Queue(url=rig.url, partitions=parts) as queue:
        await queue.ping()
        spent = Spent(rig)
        await queue.enqueue_many("email", [PAYLOAD] * JOBS)
        return spent.per_job(JOBS)


async def _drained(rig: Rig, parts: int) -> Figures:
    rig.clear()
    async with barq.Queue(url=rig.url, partitions=parts) as queue:
        await queue.enqueue_many("email", [PAYLOAD] * JOBS)
        done, enough = 0, asyncio.Event()

        @queue.handler("email")
        async def count(job: barq.Job[Any]) -> None:
            nonlocal done
            done += 1
            if done == JOBS:
                enough.set()

        spent = Spent(rig)
        async with working(queue):
            await enough.wait()
            return spent.per_job(JOBS)


async def _idle(rig: Rig, parts: int) -> float:
    rig.clear()
    async with barq.Queue(url=rig.url, partitions=parts) as queue:
        queue.handler("email")(_nothing)
        async with working(queue):
            await asyncio.sleep(1)
            before = rig.commands()
            await asyncio.sleep(IDLE_SECONDS)
            return (rig.commands() - before) / IDLE_SECONDS


async def _nothing(job: barq.Job[Any]) -> None:
    pass
