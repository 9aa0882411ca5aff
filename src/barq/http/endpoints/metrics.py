"""Metrics: the queue as Prometheus reads it."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from barq.http.endpoint import endpoint
from barq.http.site import Ask
from barq.protocol.calls import TypeCounts
from barq.queue import WorkerInfo

_SERVER = {
    "used_memory": "Memory of the server in bytes.",
    "maxmemory": "Memory that the server may use in bytes, 0 = no limit.",
    "connected_clients": "Connections to the server.",
}


@endpoint("GET", "/metrics", media_type="text/plain")
async def get_metrics(ask: Ask) -> Response:
    """Read the queue's numbers in the text format of Prometheus."""
    queue = ask.queue
    found = Found(queue.name, await queue.types(), await queue.workers(), await queue.server_info())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(found)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class Found(Collector):
    """What was read for one answer, as metrics."""

    def __init__(
        self, queue: str, types: Mapping[str, TypeCounts], workers: list[WorkerInfo], server: Mapping[str, str]
    ) -> None:
        self._queue = queue
        self._types = types
        self._workers = workers
        self._server = server

    def collect(self) -> Iterator[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("barq_jobs", "Jobs by type and state.", labels=["queue", "type", "state"])
        paused = GaugeMetricFamily("barq_paused", "1 when the type is paused.", labels=["queue", "type"])
        for name, row in self._types.items():
            paused.add_metric([self._queue, name], int(row.paused is not None))
            for state, number in row.counts.items():
                jobs.add_metric([self._queue, name, state], number)
        yield jobs
        yield paused
        yield self._gauge("barq_workers", "Workers that are alive.", len(self._workers))
        slots = sum(worker.concurrency for worker in self._workers)
        yield self._gauge("barq_worker_slots", "Jobs that the workers can run at a time.", slots)
        running = sum(worker.running for worker in self._workers)
        yield self._gauge("barq_worker_jobs", "Jobs that the workers run, as they last said.", running)
        for field, words in _SERVER.items():
            if field in self._server:
                yield self._gauge(f"barq_server_{field}", words, int(self._server[field]))

    def _gauge(self, name: str, words: str, value: float) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(name, words, labels=["queue"])
        gauge.add_metric([self._queue], value)
        return gauge


ENDPOINTS = [get_metrics]
