"""Upkeep: what every worker does now and then: says that it lives and what it has counted, prunes, and reports jobs that
nobody runs."""

import asyncio
import contextlib
import logging
import math
import os
import socket
import time
from collections.abc import Callable
from typing import Final

import msgspec

import barq
from barq import budgets
from barq.errors import BarqError
from barq.protocol import calls, reads, retention
from barq.queue import Queue
from barq.store.store import Store
from barq.worker.memory import used_bytes
from barq.worker.tally import Tally
from barq.workers import WorkerInfo

log = logging.getLogger("barq.worker")

BEAT_SECONDS: Final = 2.0
_LIVES_MS: Final = 35_000
_CHORES_SECONDS: Final = 60.0
_SLICES_AT_A_TIME: Final = 10
_MOST_REPORTED: Final = 100
_MEASURED_AFTER: Final = 100
"""Budgets in bytes are looked at every ten seconds, or as often as takes one part in so many of the time."""


class Upkeep:
    """`seconds`: between two reports of a worker that has work. `idle_seconds`: of one that has none; an order it hears of
    by its claims."""

    def __init__(
        self,
        queue: Queue,
        store: Store,
        tally: Tally,
        *,
        worker_id: str,
        concurrency: int,
        types: list[str],
        limits: dict[str, int],
        running: Callable[[], int],
        ordered: Callable[[str], None],
        seconds: float,
        idle_seconds: float,
    ) -> None:
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._idle_until = 0.0
        self._hurried = asyncio.Event()
        self._queue = queue
        self._store = store
        self._tally = tally
        self._worker_id = worker_id
        self._concurrency = concurrency
        self._types = types
        self._limits = limits
        self._running = running
        self._ordered = ordered
        self._order = ""
        self._connections = 0
        self._started_ms = queue.clock.wall_ms()
        self._reported: set[str] = set()
        self._types_cursor = b"0"
        self._budgets_at = 0.0 if budgets.needed(queue.space) else math.inf
        self._budgets_ms = round(BEAT_SECONDS * 1000)
        self.stopping = False
        self.draining = False

    async def run(self) -> None:
        """Until cancelled."""
        chores_at = time.monotonic()
        while True:
            try:
                if time.monotonic() >= self._idle_until or not self._idle:
                    await self.beat()
                await self._hand_over()
                if time.monotonic() >= self._budgets_at:
                    await self._keep_budgets()
                if time.monotonic() >= chores_at:
                    chores_at = time.monotonic() + _CHORES_SECONDS
                    await self._chores()
            except BarqError as error:
                log.warning("upkeep: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._hurried.wait()
            self._hurried.clear()

    def hurry(self) -> None:
        """Report now: there is an order to be heard."""
        self._idle_until = 0.0
        self._hurried.set()

    @property
    def _idle(self) -> bool:
        """There is nothing to say but that it lives, to a server that knows of it."""
        busy = self._running() or self.draining or self.stopping
        return not busy and self._store.connections == self._connections

    async def beat(self, *, timeout: float | None = -1) -> None:
        order = await self._say(_LIVES_MS, timeout=timeout)
        if order != self._order:  # told once, and then again that it is over
            self._order = order
            self._ordered(order)
            await self._say(_LIVES_MS)
        self._connections = self._store.connections
        self._idle_until = time.monotonic() + self._idle_seconds if self._idle else 0.0

    async def leave(self) -> None:
        await self._hand_over()
        await self._say(0)

    async def _hand_over(self) -> None:
        """What was counted. Where the server does not answer, it is handed over again under the same name."""
        while (sums := self._tally.handover()) is not None:
            name, counted = sums
            now_ms = self._queue.clock.server_ms()
            await self._store.send(calls.tally(self._queue.space, self._worker_id, counted, now_ms=now_ms, name=name))
            self._tally.handed_over()

    async def _say(self, lives_ms: int, *, timeout: float | None = -1) -> str:
        info = WorkerInfo(
            id=self._worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=barq.__version__,
            concurrency=self._concurrency,
            running=self._running(),
            types=self._types,
            started_ms=self._started_ms,
            stopping=self.stopping,
            draining=self.draining,
            memory_bytes=used_bytes(),
            limits=self._limits,
        )
        encoded = msgspec.json.encode(info)
        now_ms = self._queue.clock.server_ms()
        beat = calls.beat(self._queue.space, self._worker_id, encoded, now_ms=now_ms, lives_ms=lives_ms)
        return await self._store.send(beat, timeout=timeout)

    async def _chores(self) -> None:
        await self._store.check()
        for type_ in self._types:
            call = retention.prune(self._queue.space, type_, now_ms=self._queue.clock.server_ms())
            while await self._store.send(call):
                pass
        await self._report_unknown_types()

    async def _keep_budgets(self) -> None:
        """One worker at a time: it measures all types of the queue."""
        space = self._queue.space
        if not await self._store.send(calls.first_within(space, "budgets", self._budgets_ms * 9 // 10)):
            return
        began = time.monotonic()
        steps, reply = budgets.keep(space, self._queue.clock.server_ms()), None
        with contextlib.suppress(StopIteration):
            while True:
                reply = await self._store.send(steps.send(reply))
        took = time.monotonic() - began
        self._budgets_ms = round(max(BEAT_SECONDS, _MEASURED_AFTER * took) * 1000)
        self._budgets_at = time.monotonic() + self._budgets_ms / 1000

    async def _report_unknown_types(self) -> None:
        """Jobs of a type that no living worker handles stay where they are; a person should know.

        Of very many types some are looked at each time.
        """
        handled = {type_ for worker in await self._queue.workers() for type_ in worker.types}
        for _ in range(_SLICES_AT_A_TIME):
            call = reads.counts(self._queue.space, cursor=self._types_cursor)
            self._types_cursor, rows = await self._store.send(call)
            for row in rows:
                if row.type in handled or not row.counts["waiting"]:
                    self._reported.discard(row.type)
                elif row.type and row.type not in self._reported and len(self._reported) < _MOST_REPORTED:
                    self._reported.add(row.type)
                    log.warning(
                        "%d jobs of type %r wait, but no living worker handles it", row.counts["waiting"], row.type
                    )
            if self._types_cursor == b"0":
                break
