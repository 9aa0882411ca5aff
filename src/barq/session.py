"""Session: what a queue needs inside one event loop: its connection, group commit and inbox."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from typing import Any

from barq.clock import Clock
from barq.codec import Codec
from barq.enqueue import Enqueuer
from barq.protocol.calls import Space
from barq.store.connect import Target
from barq.store.store import Store
from barq.watch import Watcher

log = logging.getLogger("barq.session")


class Session:
    def __init__(self, target: Target, space: Space, clock: Clock, codec: Codec, *, timeout: float | None) -> None:
        inbox = secrets.token_hex(6)
        self.store = Store(target, clock, timeout=timeout)
        self.enqueuer = Enqueuer(self.store, space, clock, inbox=inbox)
        ear = Store(target, clock, timeout=None)
        self.watcher = Watcher(self.store, ear, space, clock, codec, inbox=inbox)
        self._background: set[asyncio.Future[Any]] = set()

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
        await self.store.close()
