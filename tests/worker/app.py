"""A worker process for tests: python -m tests.worker.app URL QUEUE 'OPTIONS AS JSON'."""

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import barq
from tests.worker import in_process


def opened(job: Any) -> bool:
    return Path(job.data).exists()


def say_cancelled(job: Any) -> None:
    Path(f"{job.data}.cancelled").touch()


def create_effects(path: Path) -> None:
    """The keys of effects that happened, without a constraint that would hide a double, and of those that were begun."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("create table effects (key text)")
        database.execute("create table begun (key text)")


def charge(path: str, key: str) -> str:
    with contextlib.closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as database:
        database.execute("insert into begun values (?)", (key,))
        database.execute("begin immediate")
        if not database.execute("select 1 from effects where key = ?", (key,)).fetchone():
            database.execute("insert into effects values (?)", (key,))
        database.execute("commit")
    time.sleep(0.005)  # here a worker may die, between the effect and its record
    return key


def made(url: str, name: str) -> barq.Queue:
    queue = barq.Queue(name, url=url)

    @queue.handler("quick")
    async def quick(job: barq.Job) -> int:
        return os.getpid()

    @queue.handler("gated")
    async def gated(job: barq.Job) -> int:
        """Says that it runs, and returns once the file that it is given is there."""
        await job.log(f"runs in {os.getpid()}")
        while not opened(job):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return os.getpid()

    @queue.handler("plain")
    def plain(job: Any) -> int:
        job.log(f"runs in {os.getpid()}")
        while not opened(job):
            time.sleep(0.01)
        return os.getpid()

    @queue.handler("stubborn")
    async def stubborn(job: barq.Job) -> int:
        """Runs on whatever happens to it."""
        job.log(f"runs in {os.getpid()}")
        while not opened(job):
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                say_cancelled(job)
        return os.getpid()

    @queue.handler("patient")
    async def patient(job: barq.Job) -> int:
        """Says how far it is; its step ran in the first attempt."""
        attempt = await job.once("step", lambda key: job.attempt)
        await job.progress(50)
        await job.log(f"runs in {os.getpid()}")
        while not opened(job):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return int(attempt)

    @queue.handler("second try")
    async def second_try(job: barq.Job) -> None:
        await job.log(f"runs in {os.getpid()}")
        if job.attempt == 1:
            raise ValueError("not at once")
        while not opened(job):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    @queue.handler("flaky")
    async def flaky(job: barq.Job) -> None:
        if job.failures == 0:
            raise ValueError("once")
        await asyncio.sleep(0.001)

    @queue.handler("blocking")
    async def blocking(job: barq.Job) -> int:
        """Holds up the whole event loop."""
        time.sleep(job.data)  # noqa: ASYNC251
        return os.getpid()

    @queue.handler("deadly")
    async def deadly(job: barq.Job) -> None:
        os._exit(7)

    @queue.handler("charging")
    def charging(job: Any) -> None:
        key = job.once("charge", lambda key: charge(job.data, key))
        assert key == job.once("charge", lambda key: "never called")
        time.sleep(0.01)

    for function in (in_process.pid, in_process.wait, in_process.wait_politely):
        queue.handler(function.__name__, run="process")(function)
    for killed in (in_process.wait_outside, in_process.wait_stubbornly):
        queue.handler(killed.__name__, run="process")(killed)
    return queue


def main(url: str, name: str, options: str) -> None:
    worker = barq.Worker(made(url, name), **json.loads(options))
    worker.run_blocking()
    print("stopped", worker.done, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
