"""Rota: in a worker of several queues or partitions, whose turn it is to claim for the slots that they share.

Of those that have work one after the other claims for a moment, whatever becomes free, so that jobs still travel in large
calls; then it is the next one's turn. What a server that does not answer keeps of the slots is lent to the others.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from barq.clock import Clock
from barq.errors import ServerUnreachable
from barq.handlers import Handler, Handlers
from barq.protocol import calls
from barq.protocol.call import Call, Space
from barq.store.store import Store
from barq.store.target import Target
from barq.worker.slots import Lane, Room, Seats, Slots

R = TypeVar("R")

_TURN_SECONDS: Final = 0.02
_LATE_SECONDS: Final = 0.5


class Rota:
    """The slots of the worker, and who waits for some: the first of them may claim."""

    def __init__(self, *, concurrency: int, threads: int, children: int) -> None:
        self.free = concurrency
        self.threads, self.children = Seats(threads), Seats(children)
        self._hungry: deque[SharedSlots] = deque()
        self._full: deque[SharedSlots] = deque()
        self._limits: dict[int, Limit] = {}
        self.drained = False
        self._looks = False
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def limit_of(self, handler: Handler) -> "Limit":
        """How many more of a handler's jobs may run; its partitions share that."""
        return self._limits.setdefault(id(handler), Limit())

    def has_turn(self, one: "SharedSlots") -> bool:
        return bool(self._hungry) and self._hungry[0] is one

    def join(self, one: "SharedSlots") -> None:
        """It may have work."""
        self._forget(one)
        if not one.hungry:
            one.hungry = True
            self._hungry.append(one)
            if len(self._hungry) == 1:
                self._since = self._loop.time()
            self.look()

    def leave(self, one: "SharedSlots") -> None:
        """It has none."""
        self._forget(one)
        if one.hungry:
            had_turn = self.has_turn(one)
            one.hungry = False
            self._hungry.remove(one)
            if had_turn:
                self._since = self._loop.time()
                self.look()

    def set_aside(self, one: "SharedSlots") -> None:
        """Some of its types have no room until something ends."""
        self.leave(one)
        self._full.append(one)

    def _forget(self, one: "SharedSlots") -> None:
        if self._full and one in self._full:
            self._full.remove(one)

    def room(self) -> None:
        """A type has some: the next that waits for that may look."""
        if self._full:
            self.join(self._full[0])

    def look(self) -> None:
        """Let the first one claim, if a slot is free; after its time comes the next."""
        if not self._hungry or self.free <= 0 or self.drained:
            return
        if len(self._hungry) > 1:
            self._pass_on()
            if self._timer is None:
                self._timer = self._loop.call_later(_TURN_SECONDS, self._look_again)
        self._hungry[0].claim()

    def _pass_on(self) -> None:
        """To the next one, when the time of the first is over."""
        now = self._loop.time()
        if now - self._since >= _TURN_SECONDS:
            self._hungry.rotate(-1)
            self._since = now

    def look_soon(self) -> None:
        """At the end of this turn of the loop; whose turn it is then is settled before the last one claims again."""
        if len(self._hungry) > 1:
            self._pass_on()
        if not self._looks:
            self._looks = True
            self._loop.call_soon(self._look_now)

    def _look_now(self) -> None:
        self._looks = False
        self.look()

    def _look_again(self) -> None:
        self._timer = None
        self.look()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Limit:
    """A handler's own limit, None for one without."""

    def __init__(self) -> None:
        self.free: int | None = None


class SharedLane(Lane):
    """A lane whose limit holds for all partitions of the queue."""

    __slots__ = ("_limit",)

    def __init__(self, limit: Limit, handler: Handler, seats: Seats | None, *, id_of: Callable[[bytes], int]) -> None:
        self._limit = limit
        super().__init__(handler, seats, id_of=id_of)

    @property
    def free(self) -> int | None:
        return self._limit.free

    @free.setter
    def free(self, value: int | None) -> None:
        self._limit.free = value


class SharedSlots(Slots):
    """The slots as one of the queues sees them: free for it only when it is its turn."""

    def __init__(
        self, rota: Rota, handlers: Handlers, types: list[str], *, queue: int, space: Space, kick: Callable[[], None]
    ) -> None:
        self._rota = rota
        self._kick = kick
        self.hungry = False
        self._reserved: list[tuple[Room, int]] = []
        self._lent: list[tuple[Room, int]] = []
        self._returned = asyncio.Event()
        self._returned.set()
        super().__init__(handlers, types, concurrency=0, threads=0, children=0, id_of=space.id)
        for lane in self.lanes.values():
            lane.queue = queue

    @property
    def free(self) -> int:
        return self._rota.free if self._rota.has_turn(self) and self._returned.is_set() else 0

    @free.setter
    def free(self, value: int) -> None:
        change = value - self.free  # it is only ever set to a bit more or less than it is
        self._rota.free += change
        if change > 0:
            self._rota.look_soon()

    def _make_seats(self, *_: int) -> tuple[Seats, Seats]:
        return self._rota.threads, self._rota.children

    def _lane(self, handler: Handler, id_of: Callable[[bytes], int]) -> Lane:
        return SharedLane(self._rota.limit_of(handler), handler, self._seats_of(handler), id_of=id_of)

    def open(self) -> Room:
        room = super().open()
        if not room and self.free > 0 and not self._reserved:
            self._rota.set_aside(self)
        return room

    def leave(self, lane: Lane, count: int = 1) -> None:
        super().leave(lane, count)
        if lane.shares:
            self._rota.room()
        if not self.hungry:
            self._rota.join(self)  # what it says of this job it says in one call with a claim

    def claim(self) -> None:
        """It is its turn, and a slot is free."""
        if self._returned.is_set():
            self._kick()
        else:
            self._take_back()

    # ---- a server that does not answer

    def reserve(self, room: Room, most: int) -> None:
        if most:
            self._reserved.append((room, most))
        super().reserve(room, most)

    def give_back(self, room: Room, most: int) -> None:
        kept = (room, most)
        if kept in self._lent:
            self._lent.remove(kept)
            if not self._lent:
                self._returned.set()
        elif most:
            self._reserved.remove(kept)
            super().give_back(room, most)
            if any(self.lanes[type_.encode()].shares for type_, _ in room):
                self._rota.room()  # what it leaves may be for another

    def lend(self) -> None:
        """Let others have what claims on their way keep."""
        reserved, self._reserved = self._reserved, []
        if reserved:
            self._returned.clear()
        for kept in reserved:
            self._lent.append(kept)
            super().give_back(*kept)
        self._rota.leave(self)

    async def returned(self) -> None:
        """Wait until all of that is kept again."""
        self._rota.join(self)
        await self._returned.wait()

    def _take_back(self) -> None:
        room, most = self._lent[0]
        limits = [(self.lanes[type_.encode()].free, of_type) for type_, of_type in room]
        if self._rota.free >= most and all(free is None or free >= min(most, of_type) for free, of_type in limits):
            self._reserved.append(self._lent.pop(0))
            super().reserve(room, most)
            if not self._lent:
                self._returned.set()
            self._kick()


class PatientStore(Store):
    """Of one of several servers. While it does not answer, the others get the slots."""

    def __init__(self, target: Target, clock: Clock, *, timeout: float | None, slots: SharedSlots) -> None:
        super().__init__(target, clock, timeout=timeout)
        self._slots = slots

    async def send(self, call: Call[R], *, may_block: float = 0.0, timeout: float | None = -1) -> R:
        if timeout is not None:
            return await super().send(call, may_block=may_block, timeout=timeout)
        while True:
            if self.connected or not self.connections:
                try:
                    return await super().send(call, may_block=may_block, timeout=_LATE_SECONDS)
                except ServerUnreachable:
                    pass
            self._slots.lend()
            answering: Call[Any] = calls.ping(Space(""))
            await super().send(answering, timeout=None)
            await self._slots.returned()
            call = call.again()
