"""A worker that runs in the test's own event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import barq


@contextlib.asynccontextmanager
async def working(queue: barq.Queue, **options: Any) -> AsyncIterator[barq.Worker]:
    """A worker as long as the block lasts; its running jobs are handed back at the end."""
    worker = barq.Worker(queue, **options)
    run = asyncio.create_task(worker.run(signals=False))
    try:
        yield worker
    finally:
        worker.stop(now=True)
        await asyncio.wait_for(run, 15)


async def work_off(queue: barq.Queue, **options: Any) -> barq.Worker:
    """Run what waits, then return."""
    worker = barq.Worker(queue, burst=True, **options)
    await asyncio.wait_for(worker.run(signals=False), 30)
    return worker
