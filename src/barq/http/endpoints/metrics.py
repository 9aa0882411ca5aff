"""Metrics: the queue as Prometheus reads it."""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from barq.http.endpoint import endpoint
from barq.http.site import Ask
from barq.stats import TypeStats
from barq.sums import RUNNING, WAITING, Sums
from barq.workers import WorkerInfo

_SERVER = {
    "used_memory": "Memory of the server in bytes.",
    "maxmemory": "Memory that the server may use in bytes, 0 = no limit.",
    "connected_clients": "Connections to the server.",
}


_LABELS: Final = ["queue", "type"]
_COUNTED: Final = (
    ("barq_completed", "Jobs that completed."),
    ("barq_failed", "Jobs that failed for good in a worker."),
    ("barq_retried", "Attempts that failed and are followed by another."),
)
_TIMED: Final = (
    (WAITING, "barq_waiting_seconds", "How long jobs waited for their first run."),
    (RUNNING, "barq_running_seconds", "How long attempts ran."),
)
_BOUNDS: Final = tuple(4**step / 1000 for step in range(10))
"""Seconds, powers of two in ms: edges of cells in which workers count."""

Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


@endpoint("GET", "/metrics", media_type="text/plain")
async def get_metrics(ask: Ask) -> Response:
    """Read the queue's numbers in the text format of Prometheus.

    `barq_backlog_seconds` is what to scale workers by: how long what waits will take as things go.
    """
    queue = ask.queue
    found = Found(
        queue.name, await queue.stats(), await queue.totals(), await queue.workers(), await queue.server_info()
    )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(found)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class Found(Collector):
    """What was read for one answer, as metrics."""

    def __init__(
        self,
        queue: str,
        types: Mapping[str, TypeStats],
        totals: Mapping[str, Sums],
        workers: list[WorkerInfo],
        server: Mapping[str, str],
    ) -> None:
        self._queue = queue
        self._types = types
        self._totals = {name: totals.get(name, Sums()) for name in types}
        self._workers = workers
        self._server = server

    def collect(self) -> Iterator[Family]:
        yield from self._of_types()
        yield from self._of_attempts()
        yield self._gauge("barq_workers", "Workers that are alive.", len(self._workers))
        slots = sum(worker.concurrency for worker in self._workers)
        yield self._gauge("barq_worker_slots", "Jobs that the workers can run at a time.", slots)
        running = sum(worker.running for worker in self._workers)
        yield self._gauge("barq_worker_jobs", "Jobs that the workers run, as they last said.", running)
        memory = sum(worker.memory_bytes for worker in self._workers)
        yield self._gauge("barq_worker_memory_bytes", "Memory of the workers' processes.", memory)
        for field, words in _SERVER.items():
            if field in self._server:
                yield self._gauge(f"barq_server_{field}", words, int(self._server[field]))

    def _of_types(self) -> Iterator[Family]:
        now = datetime.now(UTC)
        jobs = GaugeMetricFamily("barq_jobs", "Jobs by type and state.", labels=["queue", "type", "state"])
        paused = GaugeMetricFamily("barq_paused", "1 when the type is paused.", labels=_LABELS)
        oldest = GaugeMetricFamily(
            "barq_oldest_waiting_seconds", "How long the job has waited that waits longest; 0 = none.", labels=_LABELS
        )
        backlog = GaugeMetricFamily(
            "barq_backlog_seconds",
            "How long what waits will take as things go; absent when nothing goes.",
            labels=_LABELS,
        )
        for name, row in self._types.items():
            labels = [self._queue, name]
            paused.add_metric(labels, int(row.paused is not None))
            since = row.oldest_waiting_at
            oldest.add_metric(labels, 0 if since is None else max(0.0, (now - since).total_seconds()))
            if row.backlog_seconds is not None:
                backlog.add_metric(labels, row.backlog_seconds)
            for state, number in row.counts.items():
                jobs.add_metric([*labels, state], number)
        yield from (jobs, paused, oldest, backlog)

    def _of_attempts(self) -> Iterator[Family]:
        """Since the queue is there, as its workers counted."""
        for at, (name, words) in enumerate(_COUNTED):
            counter = CounterMetricFamily(name, words, labels=_LABELS)
            for type_, sums in self._totals.items():
                counter.add_metric([self._queue, type_], sums.counts[at])
            yield counter
        for histogram, name, words in _TIMED:
            family = HistogramMetricFamily(name, words, labels=_LABELS)
            for type_, sums in self._totals.items():
                buckets = [(str(bound), float(sums.below(histogram, bound))) for bound in _BOUNDS]
                buckets.append(("+Inf", float(sums.below(histogram, math.inf))))
                family.add_metric([self._queue, type_], buckets, sums.seconds(histogram))
            yield family

    def _gauge(self, name: str, words: str, value: float) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(name, words, labels=["queue"])
        gauge.add_metric([self._queue], value)
        return gauge


ENDPOINTS = [get_metrics]
