"""Fixtures of the network tests: a proxy with faults between a queue and the server."""

from collections.abc import AsyncIterator

import pytest

import barq
from tests.support import Server
from tests.wire.proxy import Proxy


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[Proxy]:
    async with Proxy(server.port) as running:
        yield running


@pytest.fixture
async def far(proxy: Proxy, name: str) -> AsyncIterator[barq.Queue]:
    """A queue whose way to the server leads through the proxy."""
    async with barq.Queue(name, url=proxy.url, timeout=10) as made:
        yield made
