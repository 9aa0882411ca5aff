"""Seen: what one look at the queue found. A look is about six calls, once a second; failures and history less often."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from barq.failures import FailureGroup
from barq.job import Job
from barq.queue import Queue
from barq.states import State
from barq.stats import Point, TypeStats
from barq.workers import WorkerInfo

EVERY_SECONDS: Final = 1.0
SLOWLY_SECONDS: Final = 5.0
MOST_RUNNING: Final = 100


@dataclass(frozen=True)
class Seen:
    at: datetime
    types: dict[str, TypeStats]
    paused: dict[str, Any] | None
    running: list[Job[Any]]
    workers: list[WorkerInfo]
    failures: list[FailureGroup]
    history: list[Point]

    @property
    def counts(self) -> dict[str, int]:
        return {str(state): sum(row.counts[state] for row in self.types.values()) for state in State}

    @property
    def rate(self) -> float:
        return sum(row.rate for row in self.types.values())

    @property
    def failed_rate(self) -> float:
        return sum(row.failed_rate for row in self.types.values())


class Eye:
    """Looks at a queue. What costs more, or changes less, is looked at every few seconds, or when failures grow."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._slow_at = float("-inf")
        self._failed = -1
        self._failures: list[FailureGroup] = []
        self._history: list[Point] = []

    async def look(self) -> Seen:
        queue = self._queue
        types, paused, workers = await asyncio.gather(queue.stats(), queue.paused(), queue.workers())
        active = sum(row.counts[State.ACTIVE] for row in types.values())
        running = list(await queue.jobs(State.ACTIVE, limit=MOST_RUNNING)) if active else []
        await self._look_slowly(sum(row.counts[State.FAILED] for row in types.values()))
        return Seen(
            at=datetime.now(UTC),
            types=types,
            paused=paused,
            running=sorted(running, key=lambda job: job.id),
            workers=sorted(workers, key=lambda one: one.started_ms),
            failures=self._failures,
            history=self._history,
        )

    async def _look_slowly(self, failed: int) -> None:
        now = asyncio.get_running_loop().time()
        seconds = SLOWLY_SECONDS if failed == self._failed else SLOWLY_SECONDS / 2
        if now < self._slow_at + seconds:
            return
        if failed != self._failed:
            self._failures = (await self._queue.failures()).groups if failed else []
        self._history = (await self._queue.history("1h")).points
        self._slow_at, self._failed = now, failed
