"""Fixtures of the tests with several servers."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.topology.replicas import ReplicaSet
from tests.wire.proxy import Proxy


@pytest.fixture
def replica_set(tmp_path: Path) -> Iterator[ReplicaSet]:
    """A primary and two replicas."""
    running = ReplicaSet(tmp_path, 2)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
async def proxy(replica_set: ReplicaSet) -> AsyncIterator[Proxy]:
    """Between clients and the primary."""
    async with Proxy(replica_set.primary.port) as running:
        yield running
