"""Hub: the queue's events, read once for all who look on at them, however many there are. Feeds stream.py."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

from barq.errors import BarqError
from barq.events import GAP, Event
from barq.http.mask import Mask
from barq.http.problems import Refused
from barq.http.stopping import server_is_stopping
from barq.http.stream import KEEP_ALIVE_SECONDS, event_text
from barq.queue import Queue

_MOST_KEPT: Final = 5_000
_MOST_BYTES_KEPT: Final = 4 * 1024 * 1024
_MOST_AT_ONCE: Final = 200
_SENDS_PER_SECOND: Final = 400
_LONGEST_PAUSE: Final = 1.0
_TICK_SECONDS: Final = 0.25

Place = tuple[tuple[int, float], ...]
"""(entry, index in it) of an event, for each partition of the queue; (entry, inf) is behind all of an entry."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and its text in a stream of server-sent events."""

    number: int
    place: Place
    event: Event
    text: bytes


class Hub:
    """Reads the events as long as somebody listens, and keeps the last ones for those who come back."""

    def __init__(self, queue: Queue, mask: Mask, *, most_viewers: int) -> None:
        self._queue = queue
        self._mask = mask
        self._most_viewers = most_viewers
        self._viewers = 0
        self._kept: deque[Told] = deque()
        self._bytes = 0
        self._next = 0
        self._start = self._last = _BEGINNING * queue.partitions  # what is kept begins behind the one
        self._news: asyncio.Future[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @asynccontextmanager
    async def listening(self, after: str | None) -> AsyncIterator[AsyncIterator[list[Told]]]:
        """Events from now on, or behind a position, in lists; an empty list now and then when nothing happens.

        The events end when the web server stops. Raises Refused when too many listen, or what the queue's server says.
        """
        if self._viewers >= self._most_viewers:
            raise Refused(503, "too-many-viewers", f"{self._viewers} listen already", headers={"Retry-After": "10"})
        self._viewers += 1
        try:
            await self._begin()
            async with aclosing(self._events(after, self._next)) as events:  # type: ignore[type-var]
                yield events
        finally:
            self._viewers -= 1
            if not self._viewers:
                await self._end()

    # ---- listeners

    async def _events(self, after: str | None, number: int) -> AsyncIterator[list[Told]]:
        if after is not None:
            place = self._start_of(after)
            # older than what is kept here, or ahead of us
            while _is_beyond(self._start, place) or _is_beyond(place, self._last):
                behind = False
                async for part in self._replay(after):
                    yield part
                    after, place, behind = part[-1].event.position, part[-1].place, True
                if not behind:
                    break
            number = next((told.number for told in self._kept if _is_beyond(told.place, place)), self._next)
        while not server_is_stopping():
            part, number = self._behind(number)
            if part:
                yield part
                # the more look on, the more each is told at a time: all of them together cost the same
                await asyncio.sleep(min(_LONGEST_PAUSE, self._viewers / _SENDS_PER_SECOND))
            elif self._reader is None or self._reader.done():
                return
            else:
                await self._wait()
                if number == self._next and not server_is_stopping():
                    yield []

    def _start_of(self, after: str) -> Place:
        """ "0" names the beginning of every partition."""
        return _BEGINNING * self._queue.partitions if after == "0" else place_of(after)

    async def _replay(self, after: str) -> AsyncIterator[list[Told]]:
        part: list[Told] = []
        async with aclosing(self._queue.events(after, wait=False)) as events:  # type: ignore[type-var]
            async for event in events:
                part.append(self._told(event, -1))
                if len(part) == _MOST_AT_ONCE:
                    yield part
                    part = []
        if part:
            yield part

    def _behind(self, number: int) -> tuple[list[Told], int]:
        """The next events from a number on, and the number behind them. Who was too slow gets a gap first."""
        if number == self._next:
            return [], number
        oldest = self._kept[0].number
        part = list(islice(self._kept, max(0, number - oldest), max(0, number - oldest) + _MOST_AT_ONCE))
        if number < oldest:
            first = part[0].event
            part.insert(0, self._told(Event(GAP, "", 0, first.at, oldest - number, before(first.position)), -1))
        return part, part[-1].number + 1

    async def _wait(self) -> None:
        """Until something has happened, or it is time for a sign of life."""
        if self._news is None:
            self._news = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._news], timeout=KEEP_ALIVE_SECONDS)

    # ---- the one reader

    async def _begin(self) -> None:
        async with self._starting:
            if self._reader is not None and not self._reader.done():
                return
            position = await self._queue.position()
            self._start = self._last = place_of(position)
            self._kept.clear()
            self._bytes = 0
            self._reader = asyncio.create_task(self._read(position), name="barq http events")

    async def _end(self) -> None:
        async with self._starting:
            if self._viewers or self._reader is None:
                return
            reader, self._reader = self._reader, None
            reader.cancel()
            await asyncio.wait([reader])

    async def _read(self, position: str) -> None:
        watch = asyncio.create_task(self._watch(), name="barq http stop")
        try:
            async with aclosing(self._queue.events(position)) as events:  # type: ignore[type-var]
                async for event in events:
                    self._take(event)
        except BarqError:
            pass  # the store has logged it; listeners end and come again
        finally:
            watch.cancel()
            self._wake()

    async def _watch(self) -> None:
        """A web server that stops waits for its answers to end, and tells nobody."""
        while not server_is_stopping():  # noqa: ASYNC110
            await asyncio.sleep(_TICK_SECONDS)
        self._wake()

    def _take(self, event: Event) -> None:
        if event.name == GAP and event.data is None:  # the server lost its data: positions begin anew
            self._kept.clear()
            self._bytes = 0
            self._start = _BEGINNING * self._queue.partitions
        told = self._told(event, self._next)
        self._next += 1
        self._last = told.place
        self._kept.append(told)
        self._bytes += len(told.text)
        while len(self._kept) > _MOST_KEPT or (self._bytes > _MOST_BYTES_KEPT and len(self._kept) > 1):
            gone = self._kept.popleft()
            self._bytes -= len(gone.text)
            self._start = gone.place
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        self._news = None

    def _told(self, event: Event, number: int) -> Told:
        return Told(number, place_of(event.position), event, event_text(event, self._mask))


def place_of(position: str) -> Place:
    """
    >>> place_of("120.3"), place_of("120,7.0")
    (((120, 3),), ((120, inf), (7, 0)))
    """
    parts = (one.partition(".") for one in position.split(","))
    return tuple((int(entry), int(index) if index else math.inf) for entry, _, index in parts)


def _is_beyond(one: Place, other: Place) -> bool:
    """Whether it has an event that the other has not."""
    return any(here > there for here, there in zip(one, other, strict=True))


def before(position: str) -> str:
    """Where to go on to hear of that entry again; of several partitions no event is missed by that, and few come twice."""
    return ",".join(str(max(0, entry - 1)) for ((entry, _),) in map(place_of, position.split(",")))


_BEGINNING: Final[Place] = ((0, math.inf),)
