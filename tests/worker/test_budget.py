"""Budget: what a job costs in round trips, commands and memory, counted, so that it can't grow unseen. Time is measured
by `make bench`, never here."""

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import barq
from tests.support import Server, until

JOBS = 2000
COMMANDS_IN_A_TURN = 16
"""TIME; HMGET HSET HDEL ZREM ZADD to settle; HMGET ZRANGE ZREMRANGEBYRANK HMGET HMGET HSET ZADD to claim; INCR XADD EXISTS
to publish."""
CALLS_OF_A_JOB = 40
"""Calls of Python functions by the worker at concurrency 10, its share of a turn of five jobs included."""
LOOP_TURNS_OF_A_TURN = 2
"""Turns of the event loop from the answer of one call for five jobs to that of the next."""
BLOCKS_OF_A_RUNNING_JOB = 30
"""Objects that a job holds while its handler waits: its task, coroutines, future, timer, record and attempt."""


@pytest.fixture
def quick_server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path, "--appendonly", "no").start()
    yield running
    running.stop()


class Counted:
    """Commands by name since it was made; those inside of scripts are counted by the server as well."""

    def __init__(self, server: Server) -> None:
        self._client = redis.Redis.from_url(server.url)
        self._client.config_resetstat()

    def by_name(self) -> dict[str, int]:
        stats = self._client.info("commandstats")
        return {name.removeprefix("cmdstat_"): int(told["calls"]) for name, told in stats.items()}


def sent(counts: dict[str, int]) -> int:
    """Calls of scripts that travelled."""
    return sum(counts.get(name, 0) for name in ("evalsha", "eval", "evalsha_ro", "eval_ro"))


async def test_jobs_of_many_producers_travel_in_batches(quick_server: Server) -> None:
    async with barq.Queue(url=quick_server.url) as queue:
        await queue.ping()
        counted = Counted(quick_server)

        async def producer() -> None:
            for _ in range(JOBS // 100):
                await queue.enqueue("email", {"to": "a"})

        await asyncio.gather(*(producer() for _ in range(100)))
        counts = counted.by_name()
    assert sent(counts) <= JOBS / 40, counts  # half of the hundred in each of two calls in flight
    assert counts["xadd"] == sent(counts), "an event entry for each call, not for each job"


async def test_bulk_takes_one_call_for_250_jobs(quick_server: Server) -> None:
    async with barq.Queue(url=quick_server.url) as queue:
        await queue.ping()
        counted = Counted(quick_server)
        await queue.enqueue_many("email", [{"to": "a"}] * JOBS)
        assert sent(counted.by_name()) <= JOBS / 250 + 1


@pytest.mark.parametrize("concurrency", [10, 100])
async def test_settling_and_claiming_take_one_call_for_half_of_the_slots(
    quick_server: Server, concurrency: int
) -> None:
    async with barq.Queue(url=quick_server.url) as queue:
        await queue.enqueue_many("email", [{"to": "a"}] * JOBS)

        @queue.handler("email")
        async def handle(job: barq.Job) -> None:
            pass

        counted = Counted(quick_server)
        began = time.monotonic()
        await barq.Worker(queue, concurrency=concurrency, burst=True).run(signals=False)
        took, counts = time.monotonic() - began, counted.by_name()
    turns = JOBS / (concurrency / 2)
    a_little = 30 + 12 * took  # the ends of the run, chores ten times a second, presence
    assert sent(counts) <= 1.15 * turns + a_little, counts
    # what travels by itself is there in both sums
    inside = sum(counts.values()) - sent(counts) - counts.get("bzpopmin", 0) - counts.get("info", 0)
    assert inside <= COMMANDS_IN_A_TURN * 1.15 * turns + 15 * a_little, counts


async def test_a_job_takes_few_calls_of_functions_and_few_turns_of_the_loop(quick_server: Server) -> None:
    async with barq.Queue(url=quick_server.url) as queue:
        await queue.enqueue_many("email", [{"to": "a"}] * JOBS)

        @queue.handler("email")
        async def handle(job: barq.Job) -> None:
            pass

        functions = loop_turns = 0

        def count(frame: Any, event: str, _: Any) -> None:
            nonlocal functions, loop_turns
            if event == "call":
                functions += 1
                loop_turns += frame.f_code.co_name == "_run_once"

        worker = barq.Worker(queue, concurrency=10, burst=True)
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            await worker.run(signals=False)
        finally:
            sys.setprofile(before)
    assert functions / JOBS <= CALLS_OF_A_JOB, functions / JOBS
    assert loop_turns / (JOBS / 5) <= LOOP_TURNS_OF_A_TURN, loop_turns / (JOBS / 5)


async def test_a_running_job_holds_little_and_nothing_after_it(quick_server: Server) -> None:
    async with barq.Queue(url=quick_server.url) as queue:
        go, running = asyncio.Event(), 0

        @queue.handler("email")
        async def handle(job: barq.Job) -> None:
            nonlocal running
            running += 1
            await go.wait()

        worker = barq.Worker(queue, concurrency=JOBS)
        working = asyncio.create_task(worker.run(signals=False))

        async def blocks_while_they_wait_and_after(jobs: int) -> tuple[int, int]:
            async def all_run() -> bool:
                return running == jobs

            async def all_settled() -> bool:
                return worker.done == jobs and not worker._held  # the worker has heard that they are settled

            go.clear()
            await queue.enqueue_many("email", [{"to": "a"}] * JOBS)
            await until(all_run, "all run")
            gc.collect()
            during = sys.getallocatedblocks()
            go.set()
            await until(all_settled, "all have ended")
            gc.collect()
            return during, sys.getallocatedblocks()

        _, before = await blocks_while_they_wait_and_after(JOBS)  # everything that is made once has been made
        during, after = await blocks_while_they_wait_and_after(2 * JOBS)
        worker.stop()
        await working
    held, left = (during - before) / JOBS, (after - before) / JOBS
    assert held <= BLOCKS_OF_A_RUNNING_JOB, held
    assert left < 1, left
