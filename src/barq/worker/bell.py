"""Bell: in a worker of several queues or partitions, the wait for work. Instead of the Listener of claim.py.

Those that share a server wait on one connection for the markers of all of them; in a cluster each waits on its own, for
keys of several slots can't be waited for together. What rings is claimed for when it is its turn (rota.py).
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from barq.errors import BarqError
from barq.protocol import calls
from barq.protocol.call import Space
from barq.protocol.calls import Claim
from barq.store.store import Store
from barq.worker.slots import Room

if TYPE_CHECKING:
    from barq.worker.crew import Engine

log = logging.getLogger("barq.worker")

LONGEST_WAIT_SECONDS: Final = 2.0
LONGEST_WAIT_APART: Final = 10.0
"""Where each has a connection of its own."""
ROUND_SECONDS: Final = 10.0
"""Within that time each is claimed for, also when nothing rings: its marker may have died with the worker that took it."""
_TROUBLE_SECONDS: Final = 1.0
_REST_SECONDS: Final = 0.002
_RESTS: Final = 10
"""What was woken only to look finds nothing most of the time, and is back within these."""
_AGAIN_SECONDS: Final = 0.02
_DUE_REST_SECONDS: Final = 0.1
_LEAST_WAIT_SECONDS: Final = 0.001


class Seat:
    """One queue's place at the bell."""

    def __init__(self, engine: "Engine", bell: "Bell", *, nothing: Callable[[], None]) -> None:
        self.engine = engine
        self.types: list[str] = []
        self.due_at = math.inf
        self._asked: set[str] = set()
        self._bell = bell
        self._nothing = nothing
        self._stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def nothing_to_claim(self, brought: Claim, room: Room) -> None:
        match brought.due_in_ms:
            case None:
                self.due_at = math.inf
            case 0:  # of a paused type: more than one claim promotes
                self.due_at = self._loop.time() + _DUE_REST_SECONDS
            case due_ms:
                self.due_at = self._loop.time() + due_ms / 1000
        slots, rota = self.engine.slots, self.engine.rota
        self._asked.update(type_ for type_, _ in room)
        left = [lane for lane in slots.lanes.values() if lane.type not in self._asked]
        if any(lane.has_room for lane in left):
            rota.join(slots)  # once more, for those that had no room, or of whose shared seats others had all
            slots.claim()
            return
        if left:
            rota.set_aside(slots)
        else:
            rota.leave(slots)
        self.types = sorted(lane.type for lane in slots.lanes.values() if lane.has_room)
        self._bell.add(self)
        self._nothing()

    @property
    def found_nothing(self) -> bool:
        """Nothing was there of any type."""
        return len(self._asked) == len(self.engine.types)

    @found_nothing.setter
    def found_nothing(self, found: bool) -> None:
        if not found:
            self._asked.clear()

    def wake(self) -> None:
        """There may be something to claim."""
        self.found_nothing = False
        self.engine.rota.join(self.engine.slots)

    def claims(self, claiming: bool) -> None:
        if claiming:
            self.wake()
        else:
            self._bell.leave(self)
            self.engine.rota.leave(self.engine.slots)

    async def run(self) -> None:
        self.wake()
        await self._stopped.wait()

    async def stop(self) -> None:
        self._stopped.set()
        await self._bell.stop()


class Bell:
    """Waits on one connection for work of those that have none. `control` ends a wait that others have to join."""

    def __init__(self, control: Store, ear: Store, *, longest: float) -> None:
        self._control = control
        self._ear = ear
        self._longest = longest
        self._idle: list[Seat] = []
        self._looking: list[Seat] = []
        self._keys: dict[bytes, Seat] = {}
        self._until = math.inf
        self._news = asyncio.Event()
        self._stopping = False
        self._waits = 0
        self._waiting = False
        self._unblocking: asyncio.Task[None] | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def add(self, seat: Seat) -> None:
        """It waits for work from now on."""
        if seat not in self._idle:
            self._idle.append(seat)
        self._news.set()
        if self._waiting and not (seat.due_at >= self._until and self._hears(seat)):
            self._unblock()

    def leave(self, seat: Seat) -> None:
        if seat in self._idle:
            self._idle.remove(seat)
            self._unblock()

    async def run(self) -> None:
        while not self._stopping:
            self._news.clear()
            if not self._idle:
                await self._news.wait()
                continue
            try:
                await self._wait()
            except BarqError as error:  # it is a connection of its own: what it met may pass
                log.warning("waiting for work: %s", error)
                await asyncio.sleep(_TROUBLE_SECONDS)
            for _ in range(_RESTS):
                await asyncio.sleep(_REST_SECONDS)
                if all(seat in self._idle for seat in self._looking):
                    break

    async def _wait(self) -> None:
        began, connections = self._loop.time(), self._ear.connections
        self._looking = []
        self._until = min(began + self._longest, *(seat.due_at for seat in self._idle))
        self._keys = {
            calls.wake_key(seat.engine.queue.space, type_): seat for seat in self._idle for type_ in seat.types
        }
        seconds = max(_LEAST_WAIT_SECONDS, self._until - began)
        self._waiting = True
        self._waits += 1
        try:
            rung = await self._ear.send(calls.wait_on(self._keys, seconds=seconds), may_block=seconds, timeout=None)
        finally:
            self._waiting = False
        if self._stopping:
            return
        if self._ear.connections != connections:  # what rang meanwhile was not heard
            self._wake(list(self._idle))
        elif rung is not None and self._keys[rung] in self._idle:
            self._answer(self._keys[rung])
        now = self._loop.time()
        self._wake([seat for seat in self._idle if seat.due_at <= now])
        if now >= began + self._longest:
            share = math.ceil(len(self._idle) * self._longest / ROUND_SECONDS)
            self._looking = self._idle[:share]  # who waits longest stands first
            self._wake(self._looking)

    def _wake(self, seats: Sequence[Seat]) -> None:
        for seat in seats:
            self._idle.remove(seat)
            seat.wake()

    def _answer(self, seat: Seat) -> None:
        """Somebody rang for this one. Where no slot is free, another worker is to hear it."""
        if seat.engine.rota.free <= 0:
            task = self._loop.create_task(self._ring_again(seat), name="barq ring again")
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)
        self._wake([seat])

    async def _ring_again(self, seat: Seat) -> None:
        try:
            await seat.engine.pass_on(seat.types)
        except BarqError as error:
            log.debug("could not pass on that there is work: %s", error)

    def _hears(self, seat: Seat) -> bool:
        return all(self._keys.get(calls.wake_key(seat.engine.queue.space, type_)) is seat for type_ in seat.types)

    def _unblock(self) -> None:
        if self._unblocking is None or self._unblocking.done():
            self._unblocking = self._loop.create_task(self._end_wait(), name="barq unblock")

    async def _end_wait(self) -> None:
        this_one = self._waits
        while self._waiting and self._waits == this_one and self._ear.connected:
            try:
                client_id = await self._ear.client_id()
                await self._control.send(calls.unblock(Space(""), client_id), timeout=2.0)
            except BarqError as error:  # the wait ends by itself within its bound
                log.debug("could not end the wait: %s", error)
                return
            await asyncio.sleep(_AGAIN_SECONDS)  # it may reach the server only after the word that ends it

    async def stop(self) -> None:
        self._stopping = True
        self._news.set()
        await self._end_wait()

    async def close(self) -> None:
        for task in (self._unblocking, *self._passing):
            if task is not None:
                task.cancel()
        await self._ear.close()
