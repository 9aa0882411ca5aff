"""Fixtures of the command tests: a queue whose scripts are called one by one, its time standing still."""

from collections.abc import AsyncIterator

import pytest

import barq
from barq.protocol.call import Space
from barq.store.store import Store
from barq.store.target import target_of_url
from tests.commands.engine import Engine
from tests.support import Server


@pytest.fixture
async def store(server: Server, clock: barq.ManualClock) -> AsyncIterator[Store]:
    made = Store(target_of_url(server.url), clock, timeout=5.0)
    yield made
    await made.close()


@pytest.fixture
def engine(store: Store, name: str, clock: barq.ManualClock) -> Engine:
    return Engine(store, Space(queue=name), clock)
