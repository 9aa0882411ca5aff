"""A load that goes on by itself whatever happens to the servers, and what must be true of it in the end.

Producers, a worker, a reader of the queue's events and waiters for single jobs, each with connections of its own. Nobody
is told of a failover. The ledger is in this process: what was acknowledged, what ran.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import barq
from tests.support import until

PRODUCERS, WAITERS = 12, 4


class Load:
    def __init__(self, queue: barq.Queue, *, lease: float = 2.0) -> None:
        self.queue = queue
        self.acknowledged: dict[int, float] = {}
        """When each job was acknowledged."""
        self.refused: list[Exception] = []
        self.runs: Counter[int] = Counter()
        self.heard: Counter[int] = Counter()
        """How often the reader of all events heard that a job completed."""
        self.waited: dict[int, Any] = {}
        self.gaps = 0
        self.worker = barq.Worker(self._prepared(queue), concurrency=8, lease=lease, poison=100)
        self._stop = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._producing = 0

    def _prepared(self, queue: barq.Queue) -> barq.Queue:
        @queue.handler("email")
        async def send(job: barq.Job) -> Any:
            self.runs[job.id] += 1
            await asyncio.sleep(0.002)
            return job.data

        return queue

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        """The load, until the block ends; then everything acknowledged is waited for."""
        reading = asyncio.create_task(self._read())
        working = asyncio.create_task(self.worker.run(signals=False))
        producing = [asyncio.create_task(self._produce(waits=n < WAITERS)) for n in range(PRODUCERS)]
        try:
            await self.more(50)
            yield self
            self._stop.set()
            await asyncio.wait_for(asyncio.gather(*producing), 30)
            await self._finished()
            again = self.runs.total() - len(self.runs)
            print(
                f"{len(self.acknowledged)} acknowledged, {len(self.refused)} refused, {again} extra runs, "
                f"{self.longest_gap():.1f} s without an acknowledgement, {self.gaps} gaps in the events"
            )
        finally:
            self.worker.stop(now=True)
            for task in (reading, *producing):
                task.cancel()
            await asyncio.wait([reading, *producing, working], timeout=15)
        working.result()

    async def more(self, count: int, *, seconds: float = 30) -> float:
        """Wait until so many more are acknowledged and have run; returns how many seconds that took."""
        began, at_least = time.monotonic(), len(self.acknowledged) + count
        ran_at_least = len(self.runs) + count

        async def there() -> bool:
            return len(self.acknowledged) >= at_least and len(self.runs) >= ran_at_least

        await until(there, f"{count} more jobs; so far {len(self.acknowledged)}, {self.refused[-3:]}", seconds=seconds)
        return time.monotonic() - began

    async def pause(self) -> None:
        """No new jobs; all that were begun are acknowledged, and had a moment to reach a replica."""
        self._open.clear()

        async def quiet() -> bool:
            return self._producing == 0

        await until(quiet, "all enqueues have ended")
        await asyncio.sleep(0.3)

    def go_on(self) -> None:
        self._open.set()

    def longest_gap(self) -> float:
        """Seconds without an acknowledgement."""
        times = sorted(self.acknowledged.values())
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    async def _produce(self, *, waits: bool) -> None:
        while not self._stop.is_set():
            await self._open.wait()
            number = len(self.acknowledged)
            self._producing += 1
            try:
                job = await self.queue.enqueue("email", number)
            except (barq.ServerUnreachable, barq.NotConfirmed) as error:
                self.refused.append(error)
                continue
            finally:
                self._producing -= 1
            self.acknowledged[job.id] = time.monotonic()
            if waits:
                self.waited[job.id] = await job.result(40) == number
            else:
                await asyncio.sleep(0.005)

    async def _read(self) -> None:
        async for event in self.queue.events("0"):
            if event.name == "complete":
                self.heard[event.job_id] += 1
            self.gaps += event.name == "gap"

    async def _finished(self) -> None:
        """Every acknowledged job has completed, nothing is left over, and everybody has heard of it."""
        jobs = await asyncio.gather(*(self.queue.get(id) for id in self.acknowledged))
        await asyncio.gather(*(job.result(40) for job in jobs))

        async def empty() -> bool:
            counts = await self.queue.counts()
            return counts == dict.fromkeys(counts, 0) | {"completed": counts["completed"]}

        await until(empty, "nothing is left over")
        assert all(self.waited.values())
        assert len(self.waited) > WAITERS

        async def heard() -> bool:
            return self.gaps > 0 or self.heard.keys() >= self.acknowledged.keys()

        await until(heard, "the reader has heard of every completion")
