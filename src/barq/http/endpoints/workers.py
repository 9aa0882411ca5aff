"""Workers: who is alive, and telling one to claim no more, to go on, or to end."""

import msgspec

from barq.errors import WorkerNotFound
from barq.http.endpoint import endpoint
from barq.http.endpoints.values import Changed, WorkerId
from barq.http.site import Ask
from barq.workers import WorkerInfo


class Workers(msgspec.Struct):
    workers: list[WorkerInfo]


@endpoint("GET", "/workers")
async def list_workers(ask: Ask) -> Workers:
    """List the workers that are alive, the longest-lived first."""
    return Workers(sorted(await ask.queue.workers(), key=lambda worker: worker.started_ms))


@endpoint("POST", "/workers/{id}/drain", errors=(WorkerNotFound,))
async def drain_worker(ask: Ask, id: WorkerId) -> Changed:
    """Have a worker claim nothing more, and stay; what runs goes on. It hears it within about two seconds."""
    return Changed(await ask.queue.drain_worker(id, by=ask.visitor.name))


@endpoint("POST", "/workers/{id}/resume", errors=(WorkerNotFound,))
async def resume_worker(ask: Ask, id: WorkerId) -> Changed:
    """Have a worker that was drained claim again."""
    return Changed(await ask.queue.resume_worker(id, by=ask.visitor.name))


@endpoint("POST", "/workers/{id}/stop", errors=(WorkerNotFound,))
async def stop_worker(ask: Ask, id: WorkerId) -> Changed:
    """Have a worker end: what runs gets its grace time, then goes back to the line."""
    return Changed(await ask.queue.stop_worker(id, by=ask.visitor.name))


ENDPOINTS = [list_workers, drain_worker, resume_worker, stop_worker]
