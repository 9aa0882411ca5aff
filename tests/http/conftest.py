"""Fixtures: an application on a queue of the test's own, and a client that calls it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import barq
import barq.http
from tests.http.serving import client


@pytest.fixture
async def queue(queue: barq.Queue) -> barq.Queue:
    """Connected: on a busy machine that alone may take longer than an answer over HTTP may."""
    await queue.ping()
    return queue


@pytest.fixture
def app(queue: barq.Queue) -> Any:
    return barq.http.app(queue, mask=["password", "card.number"])


@pytest.fixture
async def api(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with client(app) as made:
        yield made
