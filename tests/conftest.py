"""Fixtures: a real server for every test session, a queue of its own name for every test."""

import functools
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx._transports.default as httpx_transports
import pytest

import barq
from tests.support import ROOT, Server

if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # as in what a script starts in the background: children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Schemathesis finds what hypothesis knows of alphabets, wherever it runs, instead of working it out for 3 s.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / ".hypothesis"))
# Each client reads all authorities of the world, which takes 50 ms of CPU; no test has any use for them.
httpx_transports.create_ssl_context = functools.cache(httpx_transports.create_ssl_context)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who asks for a longer time begins first: run in parallel, none of them is left alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The session's server. Tests that stop or configure one take `own_server`."""
    folder = Path(tempfile.mkdtemp(prefix="barq-test-"))
    running = Server(folder).start()
    yield running
    running.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path).start()
    yield running
    running.stop()


@pytest.fixture
def name() -> str:
    """A queue name that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def clock() -> barq.ManualClock:
    return barq.ManualClock()


@pytest.fixture
async def queue(server: Server, name: str) -> AsyncIterator[barq.Queue]:
    """A queue by the server's own clock."""
    async with barq.Queue(name, url=server.url) as made:
        yield made


@pytest.fixture
async def moved_queue(server: Server, name: str, clock: barq.ManualClock) -> AsyncIterator[barq.Queue]:
    """A queue whose time stands still until the test moves `clock`."""
    async with barq.Queue(name, url=server.url, clock=clock) as made:
        yield made
