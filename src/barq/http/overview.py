"""Overview: one look at the whole queue a second, shared by all who look on. Feeds endpoints/overview.py."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final, Generic, TypeVar

from barq.errors import BarqError, ServerError, ServerUnreachable
from barq.http.problems import Refused
from barq.http.stopping import server_is_stopping

T = TypeVar("T")
log = logging.getLogger("barq.http")

EVERY_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.25
_SHARE: Final = 0.1
"""Of the time, at most, in which it is looked: where a look takes long there are fewer."""

_SMALL_SHARE: Final = 0.02


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
        except Exception as error:
            self._seen = self._failed(error)
        self._seen_at = began
        self._number += 1

    def _failed(self, error: Exception) -> BarqError:
        """What viewers are told of an error. What nobody foresaw is logged, but not each second."""
        if isinstance(error, TimeoutError):
            return ServerUnreachable("the server of the queue has not answered in time")
        if not isinstance(self._seen, BarqError):
            log.error("the overview is not read", exc_info=error)
        return ServerError("the overview is not read, by an error of ours; the log has it")

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        self._news = None


class Slowly(Generic[T]):
    """A part of the look that is read beside it, and more seldom: it takes long, or changes little. None until it is read.

    It is read again after `seconds`, after a fifth of them when `mark` is another one, and takes at most a fiftieth of
    the time.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], *, seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._value: T | None = None
        self._mark: object = None
        self._soon = self._later = 0.0
        self._reading: asyncio.Task[None] | None = None

    def value(self, *, mark: object = None) -> T | None:
        """As it was last known."""
        due = _now() >= (self._later if mark == self._mark else self._soon)
        if due and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read_again(mark), name="barq http overview part")
        return self._value

    async def read(self) -> None:
        """Wait for the reading that goes on."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def _read_again(self, mark: object) -> None:
        began = _now()
        try:
            self._value = await self._read()
            self._mark = mark
        except BarqError as error:
            log.debug("a part of the overview is not read: %s", error)  # the look says why, too
        took = _now() - began
        self._later = _now() + max(self._seconds, took / _SMALL_SHARE)
        self._soon = _now() + max(self._seconds / 5, took / _SMALL_SHARE)


def _now() -> float:
    return asyncio.get_running_loop().time()
