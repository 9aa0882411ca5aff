"""Stream: an answer of server-sent events, which ends when its client leaves."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from barq.errors import BarqError
from barq.events import Event
from barq.http.mask import Mask
from barq.http.view import encode, event_view

log = logging.getLogger("barq.http")

MEDIA_TYPE: Final = "text/event-stream"
RETRY_MS: Final = 2000
KEEP_ALIVE_SECONDS: Final = 15.0
ALIVE: Final = b": alive\n\n"
"""A comment, now and then, so that nobody between the two takes the stream for dead."""


def event_text(event: Event, mask: Mask) -> bytes:
    data = encode(event_view(event, mask))
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.position.encode(), event.name.encode(), data)


class EventStream(Response):
    """Sends the texts of an iterator, empty ones where nothing is to be said. `held` is closed when the answer ends."""

    media_type = MEDIA_TYPE

    def __init__(self, texts: AsyncIterator[bytes], held: AsyncExitStack, *, seconds: float) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._texts = texts
        self._held = held
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                sending = asyncio.create_task(self._send(send))
                leaving = asyncio.create_task(_left(receive))
                await _first(sending, leaving, seconds=self._seconds)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        await send({"type": "http.response.body", "body": b"retry: %d\n\n" % RETRY_MS, "more_body": True})
        said_at = clock()
        async with aclosing(self._texts) as texts:  # type: ignore[type-var]
            async for text in texts:
                if text or clock() >= said_at + KEEP_ALIVE_SECONDS:
                    await send({"type": "http.response.body", "body": text or ALIVE, "more_body": True})
                    said_at = clock()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first(*tasks: "asyncio.Task[Any]", seconds: float) -> None:
    """Until one of the tasks or the time has ended; then all end."""
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, BarqError):
            log.warning("an event stream ends: %s", error)  # its client comes back, and is told why by a status
        elif error is not None:
            raise error
