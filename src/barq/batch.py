"""Batch: what many coroutines ask for in one turn of the loop leaves as one call, without anybody asking for it.

An item that comes alone, after another one that did, leaves at once, else at the end of the turn. While calls are in flight
the next batch gathers; at most two are in flight, each with at most half of what waits, so that client and server work at
the same time instead of taking turns.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from barq.aio import Prompt

T = TypeVar("T")

TOO_FEW_TO_SPLIT: Final = 16
_MOST_IN_FLIGHT: Final = 2


class Batcher(Generic[T]):
    """Gathers items and hands them to `send` in batches of at most `most`. `send` must not raise."""

    def __init__(
        self, send: Callable[[list[T]], Coroutine[Any, Any, None]], *, most: int, few: int = TOO_FEW_TO_SPLIT
    ) -> None:
        self._send = send
        self._few = few
        self._most = most
        self._items: list[T] = []
        self._flights: set[Prompt] = set()
        self._last = 1
        self._departed = 0
        self._scheduled = False
        self._loop = asyncio.get_running_loop()
        self._landed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def quiet(self) -> bool:
        """Nothing is on its way or about to be."""
        return not (self._items or self._flights)

    def add(self, item: T) -> None:
        self._items.append(item)
        if self._last == 1 and self._departed and not self._flights:
            self._depart()  # the one before was alone, so this one is: if not, the others leave right behind it
        elif not self._scheduled:
            self._consider()

    def extend(self, items: list[T]) -> None:
        self._items += items
        if not self._scheduled:
            self._consider()

    async def room(self, most_waiting: int) -> None:
        """Wait until fewer than `most_waiting` items wait."""
        while len(self._items) >= most_waiting:
            self._landed.clear()
            await self._landed.wait()

    async def landed(self) -> None:
        """Wait until all that was added so far has landed, whatever is added meanwhile."""
        added = self._departed + len(self._items)
        while self._departed < added:
            self._landed.clear()
            await self._landed.wait()
        flights = set(self._flights)
        while flights & self._flights:
            self._landed.clear()
            await self._landed.wait()

    async def drain(self) -> None:
        """Wait until all items have left and all batches have landed."""
        while self._items or self._flights:
            self._landed.clear()
            await self._landed.wait()

    async def close(self) -> None:
        """Give up on what is still on its way."""
        self._items = []
        for flight in list(self._flights):
            await flight.gone()

    def _consider(self) -> None:
        waiting, flying = len(self._items), len(self._flights)
        if waiting and (not flying or (flying < _MOST_IN_FLIGHT and waiting >= min(self._last, self._most))):
            self._scheduled = True
            self._loop.call_soon(self._depart)

    def _depart(self) -> None:
        self._scheduled = False
        waiting = len(self._items)
        if not waiting or len(self._flights) >= _MOST_IN_FLIGHT:
            return
        size = min(waiting, self._most)
        if not self._flights and waiting > self._few:
            size = min(size, (waiting + 1) // 2)
        batch, self._items = self._items[:size], self._items[size:]
        self._last = size
        self._departed += size
        self._landed.set()  # for who waits for room, or for a departure
        flight = Prompt(self._send(batch), name="barq batch", ended=self._arrived)
        self._flights.add(flight)
        flight.start()
        if not self._scheduled:
            self._consider()

    def _arrived(self, flight: Prompt) -> None:
        self._flights.discard(flight)
        self._landed.set()
        if not self._scheduled:
            self._consider()
