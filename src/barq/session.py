"""Session: what a queue needs inside one event loop: its connection, group commit and inbox."""

import asyncio
import logging
import os
from collections.abc import Awaitable
from typing import Any

from barq.clock import Clock
from barq.codec import Codec
from barq.durability import LOCAL, Durability
from barq.enqueue import Enqueuer
from barq.protocol.call import Space
from barq.store.durable import DurableStore
from barq.store.store import Store
from barq.store.target import Target
from barq.watch import Watcher

log = logging.getLogger("barq.session")


class Session:
    """`store` is for what needs no durability beyond the server's own; `acts` and `enqueuer` have the queue's level. `store`:
    one that several share."""

    def __init__(
        self,
        target: Target,
        space: Space,
        clock: Clock,
        codec: Codec,
        *,
        timeout: float | None,
        durability: Durability = LOCAL,
        store: Store | None = None,
    ) -> None:
        self._target = target
        self._space = space
        self._clock = clock
        self._timeout = timeout
        self._inbox = os.urandom(6).hex()
        self.store = store if store is not None else Store(target, clock, timeout=timeout)
        self._levels: dict[Durability, tuple[Store, Enqueuer]] = {}
        self._levels[LOCAL] = self.store, Enqueuer(self.store, space, clock, inbox=self._inbox)
        self.acts, self.enqueuer = self._level(durability)
        ear = Store(target, clock, timeout=None)
        self.watcher = Watcher(self.store, ear, space, clock, codec, inbox=self._inbox)
        self._background: set[asyncio.Future[Any]] = set()

    def enqueuer_of(self, durability: Durability | None) -> Enqueuer:
        """The one for jobs of another level than the queue's; None is the queue's."""
        return self.enqueuer if durability is None else self._level(durability)[1]

    def _level(self, durability: Durability) -> tuple[Store, Enqueuer]:
        if durability not in self._levels:
            store = DurableStore(self._target, self._clock, timeout=self._timeout, durability=durability)
            name = f"-{len(self._levels)}"  # batches are remembered by name: no two enqueuers may share one
            self._levels[durability] = store, Enqueuer(store, self._space, self._clock, inbox=self._inbox, name=name)
        return self._levels[durability]

    def background(self, work: Awaitable[Any], what: str) -> None:
        """Run something that nobody awaits, such as an async callback."""

        def ended(task: "asyncio.Future[Any]") -> None:
            self._background.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("%s raised", what, exc_info=error)

        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(ended)

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background, timeout=1)
        await self.watcher.close()
        for store, _ in self._levels.values():
            await store.close()
