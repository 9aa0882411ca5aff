"""Workers: who is alive."""

import msgspec

from barq.http.endpoint import endpoint
from barq.http.site import Ask
from barq.queue import WorkerInfo


class Workers(msgspec.Struct):
    workers: list[WorkerInfo]


@endpoint("GET", "/workers")
async def list_workers(ask: Ask) -> Workers:
    """List the workers that are alive, the longest-lived first."""
    return Workers(sorted(await ask.queue.workers(), key=lambda worker: worker.started_ms))


ENDPOINTS = [list_workers]
