"""Overview: one look at the whole queue a second, shared by all who look on. Feeds endpoints/overview.py."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final, Generic, TypeVar

from barq.errors import BarqError, ServerUnreachable
from barq.http.problems import Refused
from barq.http.stopping import server_is_stopping

T = TypeVar("T")

EVERY_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.25
_SHARE: Final = 0.1
"""Of the time, at most, in which it is looked: where a look takes long there are fewer."""


class Lookout(Generic[T]):
    """Looks as long as somebody watches, once for all of them. `looks` counts."""

    def __init__(self, look: Callable[[], Awaitable[T]], *, most_viewers: int, answer_seconds: float) -> None:
        self._look = look
        self._most_viewers = most_viewers
        self._answer_seconds = answer_seconds
        self._looking = asyncio.Lock()
        self._seen: T | BarqError | None = None
        self._seen_at = 0.0
        self._pause = EVERY_SECONDS
        self._number = 0
        self._news: asyncio.Future[None] | None = None
        self._loop: asyncio.Task[None] | None = None
        self._viewers = 0

    @property
    def looks(self) -> int:
        return self._number

    @property
    def pause(self) -> float:
        """Seconds between two looks."""
        return self._pause

    @property
    def looking(self) -> bool:
        """Whether it looks by itself, because somebody watches."""
        return self._loop is not None and not self._loop.done()

    @property
    def viewers(self) -> int:
        return self._viewers

    async def latest(self) -> T:
        """What there is to see, at most a second old. Raises what the look raised."""
        async with self._looking:
            if self._seen is None or _now() >= self._seen_at + self._pause:
                await self._take()
            seen = self._seen
        if isinstance(seen, BarqError):
            raise seen
        assert seen is not None
        return seen

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[AsyncIterator[T | BarqError]]:
        """What there is to see each second, or why nothing is; who is slow misses some. Ends when the web server stops.

        Raises Refused when too many watch.
        """
        if self._viewers >= self._most_viewers:
            raise Refused(503, "too-many-viewers", f"{self._viewers} watch already", headers={"Retry-After": "10"})
        self._viewers += 1
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._go_on(), name="barq http overview")
        try:
            async with aclosing(self._sights()) as sights:  # type: ignore[type-var]
                yield sights
        finally:
            self._viewers -= 1
            if not self._viewers and self._loop is not None:
                loop, self._loop = self._loop, None
                loop.cancel()
                await asyncio.wait([loop])

    async def _sights(self) -> AsyncIterator[T | BarqError]:
        number = 0 if self._fresh() else self._number
        while not server_is_stopping():
            if number < self._number:
                number = self._number
                assert self._seen is not None
                yield self._seen
            elif self._loop is None or self._loop.done():
                return
            else:
                if self._news is None:
                    self._news = asyncio.get_running_loop().create_future()
                await asyncio.shield(self._news)

    def _fresh(self) -> bool:
        return self._seen is not None and _now() < self._seen_at + self._pause

    async def _go_on(self) -> None:
        """The one loop: looks, tells all, and sees when the web server stops, which tells nobody."""
        try:
            while not server_is_stopping():
                if not self._fresh():
                    async with self._looking:
                        await self._take()
                    self._wake()
                await asyncio.sleep(min(_TICK_SECONDS, max(0.0, self._seen_at + self._pause - _now())))
        finally:
            self._wake()

    async def _take(self) -> None:
        began = _now()
        self._pause = EVERY_SECONDS
        try:
            async with asyncio.timeout(self._answer_seconds):
                self._seen = await self._look()
            self._pause = max(EVERY_SECONDS, (_now() - began) / _SHARE)
        except BarqError as error:
            self._seen = error
        except TimeoutError:
            self._seen = ServerUnreachable("the server of the queue has not answered in time")
        self._seen_at = began
        self._number += 1

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        self._news = None


class Slowly(Generic[T]):
    """A part of the look that is read more seldom than the rest: it costs more, or changes less."""

    def __init__(self, read: Callable[[], Awaitable[T]], *, seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._value: tuple[T, float, object] | None = None

    async def value(self, *, mark: object = None) -> T:
        """Read anew when the time is over, or `mark` is another one than at the last time and a fifth of the time is."""
        now = _now()
        if self._value is not None:
            kept, at, marked = self._value
            if now < at + self._seconds / (1 if marked == mark else 5):
                return kept
        read = await self._read()
        self._value = (read, now, mark)
        return read


def _now() -> float:
    return asyncio.get_running_loop().time()
