"""Fixtures of the worker tests: worker processes that can be killed."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import barq
from tests.ready import Forked
from tests.support import ROOT, Server, until


class Process:
    """One worker process of tests/worker/app.py, forked, or `plainly` started by Python."""

    def __init__(self, url: str, name: str, log: Path, *, plainly: bool, **options: Any) -> None:
        self.log = log
        command = [sys.executable, "-m", "tests.worker.app", url, name, json.dumps(options)]
        with log.open("wb") as output:
            self._process = (
                subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT, start_new_session=True)
                if plainly
                else Forked(command, stdout=output, stderr=output)
            )
        self.pid = self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.ended()

    def ended(self, *, within: float = 20) -> int:
        """Wait until it has ended by itself; its exit code."""
        return self._process.wait(within)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None


Start = Callable[..., Process]


@pytest.fixture
def start(server: Server, name: str, tmp_path: Path) -> Iterator[Start]:
    """Starts worker processes with a lease of 1 second."""
    started: list[Process] = []

    def start_one(*, url: str = server.url, plainly: bool = False, **options: Any) -> Process:
        log = tmp_path / f"worker {len(started)}.log"
        options = {"lease": 1, "grace": 10, **options}
        started.append(Process(url, name, log, plainly=plainly, **options))
        return started[-1]

    yield start_one
    for process in started:
        if process.alive:
            process.kill()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file that gated handlers wait for."""
    return tmp_path / "gate"


def open_gate(gate: Path) -> None:
    gate.touch()


async def ready(queue: barq.Queue, count: int = 1) -> None:
    """Wait until so many workers have reported."""

    async def alive() -> bool:
        return len(await queue.workers()) >= count

    await until(alive, f"{count} workers are alive")


async def running(queue: barq.Queue, job: barq.Job, *, runs: int = 1) -> str:
    """Wait until the handler of a job has said so often that it runs; what it said last."""

    async def said() -> bool:
        return len(await queue.logs(job.id)) >= runs

    await until(said, f"run {runs} of {job!r}")
    return (await queue.logs(job.id))[-1][1]


async def in_state(queue: barq.Queue, job: barq.Job, state: str) -> barq.Job:
    async def there() -> bool:
        return (await job.refresh()).state == state

    await until(there, f"{job!r} becomes {state}")
    return job


async def listening(queue: barq.Queue) -> None:
    """Wait until a worker blocks on the markers of its types."""

    async def blocks() -> bool:
        link = await queue._here().store._connected(None)
        return b"cmd=bzpopmin" in await link.call(b"CLIENT", b"LIST")

    await until(blocks, "a worker waits for work")
