"""Fixtures: a client of Kue's API on a queue of the test's own, and the worker of the comparison with Kue."""

from collections.abc import AsyncIterator

import httpx
import pytest

import barq
import barq.http
from tests.http.serving import client


@pytest.fixture
async def kue(queue: barq.Queue) -> AsyncIterator[httpx.AsyncClient]:
    await queue.ping()  # on a busy machine that alone may take longer than an answer over HTTP may

    @queue.handler("email")
    async def email(job: barq.Job) -> dict[str, str] | None:
        await job.log(f"sending to {job.data['to']}")
        await job.progress(50, 100, {"step": 1})
        if job.data.get("fail"):
            raise ValueError("no such address")
        return {"sent": job.data["to"]}

    async with client(barq.http.app(queue)) as made:
        yield made
