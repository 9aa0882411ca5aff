"""Lease: heartbeats for what this worker holds, from a thread of their own, so that a blocked loop loses nothing."""

import asyncio
import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from barq.clock import Clock
from barq.protocol import calls
from barq.protocol.call import MOST_PER_CALL, Space
from barq.store.store import Store
from barq.store.target import Target
from barq.worker.attempt import Attempt

log = logging.getLogger("barq.worker")

BEAT_SECONDS: Final = 1.0


class Charge(msgspec.Struct, frozen=True):
    """The leases of one queue: what is held, and who is told of those that are lost."""

    target: Target
    space: Space
    held: dict[bytes, Attempt]
    lost: Callable[[list[Attempt]], None]


class Heartbeat:
    """Prolongs leases and reports those that are lost, in the worker's loop."""

    def __init__(self, charges: Sequence[Charge], clock: Clock, *, lease_ms: int) -> None:
        self._charges = charges
        self._clock = clock
        self._lease_ms = lease_ms
        self._seconds = min(BEAT_SECONDS, lease_ms / 3000)
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._cancel: Callable[[], object] | None = None
        self._thread = threading.Thread(target=self._main, name="barq heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        self._stop.set()
        if self._cancel is not None:
            with contextlib.suppress(RuntimeError):  # its loop has ended
                self._cancel()  # it may be waiting for the server
        await asyncio.to_thread(self._thread.join, 5)

    def _main(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._beat())

    async def _beat(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._cancel = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
        await asyncio.gather(*map(self._keep, self._charges))  # each at its own pace: one server may be slow

    async def _keep(self, charge: Charge) -> None:
        store = Store(charge.target, self._clock, timeout=max(self._seconds, self._lease_ms / 3000))
        try:
            while not self._stop.is_set():
                await self._extend(store, charge)
                await asyncio.sleep(self._seconds)
        finally:
            await store.close()

    async def _extend(self, store: Store, charge: Charge) -> None:
        since = time.monotonic() - self._seconds / 2  # what ends sooner needs no heartbeat
        old = [attempt for attempt in list(charge.held.values()) if attempt.claimed_at < since]
        for at in range(0, len(old), MOST_PER_CALL):
            part = old[at : at + MOST_PER_CALL]
            holdings = [attempt.holding for attempt in part]
            call = calls.extend(charge.space, holdings, now_ms=self._clock.server_ms(), lease_ms=self._lease_ms)
            try:
                lost = await store.send(call)
            except Exception as error:  # the next beat tries again, as long as the leases last
                log.warning("heartbeat for %d jobs failed: %s", len(holdings), error)
                return
            if lost:
                gone = set(lost)
                try:
                    self._loop.call_soon_threadsafe(charge.lost, [one for one in part if one.member in gone])
                except RuntimeError:  # the worker's loop has ended
                    return
