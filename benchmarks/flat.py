"""Flat: what a job costs must not depend on how many others there are. Rows of scale.py; each on a fresh server."""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import barq
from barq.clock import Clock
from benchmarks.results import Result
from benchmarks.rig import PAYLOAD, Rig, percentile, rig
from benchmarks.rows import Figures, Spent

MILLION = 1_000_000
SLICE = 30_000
FLAT = 1.3
HOUR = 3600


class Ahead(Clock):
    """An hour ahead: for its queue everything is due that is delayed by less."""

    def server_ms(self) -> int:
        return self.wall_ms() + HOUR * 1000


async def load(queue: barq.Queue, type: str, jobs: int = MILLION, **options: Any) -> None:
    for at in range(0, jobs, 50_000):
        await queue.enqueue_many(type, [PAYLOAD] * min(50_000, jobs - at), **options)


@asynccontextmanager
async def working(queue: barq.Queue, **options: Any) -> AsyncIterator[barq.Worker]:
    worker = barq.Worker(queue, **options)
    run = asyncio.create_task(worker.run(signals=False))
    try:
        yield worker
    finally:
        worker.stop(now=True)
        await run


async def enqueued(rig: Rig, queue: barq.Queue, types: list[str], jobs: int) -> Figures:
    """Cost per job of an enqueue by 100 coroutines, each type in turn."""
    left = iter(range(jobs))

    async def producer() -> None:
        for at in left:
            await queue.enqueue(types[at % len(types)], PAYLOAD)

    spent = Spent(rig)
    await asyncio.gather(*(producer() for _ in range(100)))
    return spent.per_job(jobs)


async def drained(rig: Rig, types: list[str], jobs: int, *, name: str = "default") -> Figures:
    """Cost per job of running that many of some types."""
    async with barq.Queue(name, url=rig.url) as queue:
        done, enough = 0, asyncio.Event()

        async def count(job: barq.Job[Any]) -> None:
            nonlocal done
            done += 1
            if done == jobs:
                enough.set()

        for type_ in types:
            queue.handler(type_)(count)
        spent = Spent(rig)
        async with working(queue):
            await enough.wait()
            return spent.per_job(jobs)


async def alternating(rounds: int, **measures: Callable[[], Awaitable[Figures]]) -> dict[str, Figures]:
    """The median of each figure of each measure, taken in turns: a shared machine is now faster, now slower."""
    found: dict[str, list[Figures]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(await measure())
    return {name: {key: statistics.median(one[key] for one in all_) for key in all_[0]} for name, all_ in found.items()}


async def median_of(rounds: int, measure: Callable[[], Awaitable[Figures]]) -> Figures:
    """The median of each figure."""
    found = [await measure() for _ in range(rounds)]
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


def compared(name: str, loaded: Figures, empty: Figures, budget: float = FLAT) -> list[Result]:
    return [
        Result(
            f"{name}, {whose} CPU a job",
            f"{loaded[key]:.1f} us against {empty[key]:.1f} us",
            loaded[key] / empty[key],
            budget,
            " x",
        )
        for whose, key in (("server", "server CPU us"), ("own", "own CPU us"))
    ]


async def beside_two_millions(loaded: Rig) -> list[Result]:
    """Enqueue and drain beside 1M waiting and 1M delayed jobs, against another, empty server; and pages of such lines."""
    with rig() as empty:
        async with barq.Queue(url=loaded.url) as queue:
            await load(queue, "big")
            await load(queue, "big", delay=24 * HOUR)
            found = await alternating(
                5,
                empty=lambda: _put_and_run(empty, "other"),
                other=lambda: _put_and_run(loaded, "other"),
                big=lambda: _put_and_run(loaded, "big"),
            )
            told = []
            for name, measured in (("of another type beside", found["other"]), ("of the type with", found["big"])):
                for act in ("enqueue", "drain"):
                    told += compared(f"{act} {name} 1M + 1M", _part(measured, act), _part(found["empty"], act))
            return told + await pages(loaded, queue)


async def _put_and_run(rig: Rig, type: str) -> Figures:
    async with barq.Queue(url=rig.url) as queue:
        put = await enqueued(rig, queue, [type], SLICE)
    run = await drained(rig, [type], SLICE)
    return {f"{act} {key}": value for act, one in (("enqueue", put), ("drain", run)) for key, value in one.items()}


def _part(figures: Figures, act: str) -> Figures:
    return {key.removeprefix(f"{act} "): value for key, value in figures.items() if key.startswith(act)}


async def pages(rig: Rig, queue: barq.Queue) -> list[Result]:
    """Server time of a page of 50 jobs, its counts included."""
    found = []
    for state in ("waiting", "delayed"):
        for how, options in (
            ("at the beginning", {}),
            ("500,000 deep", {"skip": 500_000}),
            ("at the end", {"skip": 990_000}),
            ("500,000 deep, newest first", {"skip": 500_000, "newest_first": True}),
            ("behind a place 500,000 deep", {"deep": 500_000}),
        ):
            deep = options.pop("deep", None)
            if deep is not None:
                options["after"] = (await queue.jobs(state, "big", skip=deep, limit=1)).next
            times = []
            for _ in range(9):
                _, before = rig.script_us()
                page = await queue.jobs(state, "big", limit=50, **options)
                assert len(page) == 50, (state, how, len(page))
                times.append((rig.script_us()[1] - before) / 1000)
            found.append(
                Result(f"page of {state} jobs {how}", f"most {max(times):.2f} ms", statistics.median(times), 2, " ms")
            )
    return found


async def promotion(rig: Rig) -> list[Result]:
    """1M jobs due at once: how long until all wait or ran, and what the pick-up of an urgent job is meanwhile."""
    async with barq.Queue(url=rig.url, clock=Ahead()) as queue:
        async with barq.Queue(url=rig.url) as now:
            await load(now, "later", delay=HOUR / 2)
        rig.client.config_set("slowlog-log-slower-than", 1000)
        started: asyncio.Queue[float] = asyncio.Queue()

        @queue.handler("later")
        async def later(job: barq.Job[Any]) -> None:
            if job.data is None:
                started.put_nowait(time.perf_counter())

        times: list[float] = []
        began, server = time.perf_counter(), rig.cpu_seconds()
        async with working(queue):
            while (counts := await queue.counts("later"))["delayed"] and time.perf_counter() - began < 60:
                asked = time.perf_counter()
                await queue.enqueue("later", priority="critical")
                times.append(((await started.get()) - asked) * 1000)
                await asyncio.sleep(0.02)
            seconds, busy = time.perf_counter() - began, rig.cpu_seconds() - server
        promoted = MILLION - counts["delayed"]
        slowest = max((int(entry["duration"]) for entry in rig.client.slowlog_get(1000)), default=0) / 1000
        rate = promoted / seconds
        return [
            Result(
                "pick-up of an urgent job while 1M are due at once, p99",
                f"p50 {percentile(times, 0.5):.1f} ms of {len(times)}",
                percentile(times, 0.99),
                50,
                " ms",
            ),
            Result("longest script meanwhile", f"{slowest:.1f} ms", slowest, 20, " ms"),
            Result(
                "1M due at once are promoted and run by one worker",
                f"{promoted:,} promoted in {seconds:.1f} s, {rate:,.0f}/s; server busy {100 * busy / seconds:.0f} %",
                MILLION / rate,
                60,
                " s",
            ),
        ]


async def promotion_beside_work(rig: Rig) -> list[Result]:
    """The same, in a worker that has another type's jobs to run all the time: how fast do they enter their line?"""
    seconds = 6.0
    async with barq.Queue(url=rig.url, clock=Ahead()) as queue:
        async with barq.Queue(url=rig.url) as now:
            await load(now, "later", 300_000, delay=HOUR / 2)
        await load(queue, "work", 200_000, priority="high")

        @queue.handler("later")
        @queue.handler("work")
        async def handle(job: barq.Job[Any]) -> None:
            await asyncio.sleep(0.01)

        async with working(queue):
            await asyncio.sleep(seconds)
            left = (await queue.counts("later"))["delayed"]
            done = (await queue.counts("work"))["completed"]
        rate = (300_000 - left) / seconds
        return [
            Result(
                "1M due at once beside other work of 10 ms a job",
                f"{rate:,.0f}/s are promoted, {done / seconds:,.0f}/s of the other work run",
                MILLION / max(1.0, rate),
                120,
                " s",
            )
        ]


async def waiters(rig: Rig) -> list[Result]:
    """10,000 coroutines wait for the results of their jobs: all are answered, and others do not notice."""
    many = 10_000
    async with barq.Queue(url=rig.url) as queue:

        @queue.handler("email")
        async def handle(job: barq.Job[Any]) -> int:
            return job.id

        jobs = await queue.enqueue_many("email", [PAYLOAD] * many)
        spent = Spent(rig)
        waiting = [asyncio.create_task(job.result(timeout=100)) for job in jobs]
        await until(lambda: rig.client.hlen("barq:{default}:watch") >= many)
        registered = spent.per_job(many)
        found = await alternating(
            5, beside=lambda: _put_and_drained(rig, "default"), alone=lambda: _put_and_drained(rig, "unwatched")
        )
        spent = Spent(rig)
        async with working(queue):
            results = await asyncio.gather(*waiting)
        answered = spent.per_job(many)
        assert results == [job.id for job in jobs], "every waiter got its own job's result"
        return [
            Result("10,000 waiters, all answered: to register one", _cpu(registered)),
            Result(
                "  a job that is waited for, to its answer", f"{_cpu(answered)}; not waited for {_cpu(found['alone'])}"
            ),
            *compared("  others' jobs meanwhile", found["beside"], found["alone"]),
        ]


def _cpu(figures: Figures) -> str:
    return f"server {figures['server CPU us']:.1f} us, own {figures['own CPU us']:.1f} us"


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  what the server says can only be asked for
        await asyncio.sleep(0.01)


async def _put_and_drained(rig: Rig, name: str) -> Figures:
    async with barq.Queue(name, url=rig.url) as queue:
        await load(queue, "other", SLICE)
    return await drained(rig, ["other"], SLICE, name=name)


async def many_types(rig: Rig) -> list[Result]:
    """100,000 types: enqueue to each, counts of all, a worker that handles three of them, `barq info`."""
    count, few = 100_000, ["type-1", "type-500", "type-99999"]
    types = [f"type-{number}" for number in range(count)]
    async with barq.Queue(url=rig.url) as queue:
        alone = await median_of(3, lambda: _few(rig, queue, few))
        rig.clear()
        empty = rig.memory()
        first = await enqueued(rig, queue, types, count)
        memory = (rig.memory() - empty) / count
        again = await enqueued(rig, queue, types, count)
        calls, before = rig.script_us()
        began = time.perf_counter()
        found = await queue.types()
        wall = time.perf_counter() - began
        slices, spent = rig.script_us()
        assert len(found) == count
        assert sum(row.counts["waiting"] for row in found.values()) == 2 * count
        a_slice = (spent - before) / (slices - calls) / 1000
        beside = await median_of(3, lambda: _few(rig, queue, few))
        began = time.perf_counter()
        shown = subprocess.run(
            [sys.executable, "-m", "barq", "info", "--url", rig.url], check=True, capture_output=True
        )
        info = time.perf_counter() - began
        return [
            Result("100,000 types: the first job of each", f"{_cpu(first)}; {memory:.0f} bytes a type with its job"),
            Result("  the second job of each", _cpu(again)),
            Result(
                "  a slice of the counts of all", f"{slices - calls} slices, {wall:.1f} s in all", a_slice, 20, " ms"
            ),
            *compared("  a worker that handles three", beside, alone),
            Result("  barq info", f"{len(shown.stdout) / 1e6:.1f} MB", info, 10, " s"),
        ]


async def _few(rig: Rig, queue: barq.Queue, few: list[str]) -> Figures:
    for type_ in few:
        await load(queue, type_, SLICE // len(few))
    return await drained(rig, few, SLICE)
