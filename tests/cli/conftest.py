"""Fixtures: `barq` for a queue of its own, and a small application."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import barq
import barq.sync
from tests.cli.support import Cli
from tests.support import Server

APP = """
import barq

queue = barq.Queue({name!r})

@queue.task
async def add(a: int, b: int) -> int:
    return a + b

@queue.handler("boom")
def boom(job: barq.Job) -> None:
    job.log("about to fail")
    raise ValueError("no way")
"""


@pytest.fixture
def cli(server: Server, name: str, tmp_path: Path) -> Cli:
    return Cli(tmp_path, BARQ_URL=server.url, BARQ_QUEUE=name)


@pytest.fixture
def jobs(server: Server, name: str) -> Iterator[barq.sync.Queue]:
    """The same queue from inside the test."""
    with barq.sync.Queue(name, url=server.url) as made:
        yield made


@pytest.fixture
def app(name: str, tmp_path: Path) -> Path:
    """app.py with the task add and the handler boom; `barq worker app:queue` runs it."""
    file = tmp_path / "app.py"
    file.write_text(APP.format(name=name))
    return file


@pytest.fixture
def work(jobs: barq.sync.Queue) -> Callable[[], None]:
    """Run what waits, in this process."""

    @jobs.task
    def add(a: int, b: int) -> int:
        return a + b

    @jobs.handler("boom")
    def boom(job: barq.sync.Job[None]) -> None:
        job.progress(1, 2, {"step": "half"})
        job.log("about to fail")
        raise ValueError("no way")

    return lambda: asyncio.run(barq.Worker(jobs, burst=True).run(signals=False))
