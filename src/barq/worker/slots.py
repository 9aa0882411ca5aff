"""Slots: how many more jobs this worker may hold, in all and of each type. Nobody claims more than it can run at once."""

from collections.abc import Collection

from barq.handlers import Handler, Handlers

Room = list[tuple[str, int]]
"""Types that may be claimed, with how many of each."""


class Lane:
    """One type's slots."""

    __slots__ = ("free", "handler", "is_async", "name", "timed", "type", "waits")

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.type = handler.type
        self.name = handler.type.encode()
        self.is_async = handler.is_async
        self.timed = handler.timeout_ms is not None
        self.waits = False  # whether its last run of an async handler waited for anything
        self.free = handler.concurrency  # None: as many as the worker has


class Slots:
    def __init__(self, handlers: Handlers, types: list[str], *, concurrency: int, threads: int) -> None:
        found = [handler for type_ in types if (handler := handlers.get(type_)) is not None]
        self.lanes = {handler.type.encode(): Lane(handler) for handler in found}
        self.free = concurrency
        self._free_threads = threads
        self._listened: Collection[str] = ()
        self._kept = 0
        self._rotation = 0

    def open(self) -> Room:
        """The types that have room and that nobody waits for already, and how much room.

        Types with plain handlers share the free threads out, the first in another order each time.
        """
        lanes = [lane for lane in self.lanes.values() if lane.type not in self._listened]
        self._rotation += 1
        first = self._rotation % len(lanes) if lanes else 0
        threads = self._free_threads
        share = max(1, threads // max(1, sum(not lane.is_async for lane in lanes)))
        room = []
        for lane in lanes[first:] + lanes[:first]:
            most = self.free if lane.free is None else min(self.free, lane.free)
            if not lane.is_async:
                most = min(most, share, threads)
                threads -= max(0, most)
            if most > 0:
                room.append((lane.type, most))
        return room

    def listen(self, types: Collection[str], most: int) -> None:
        """Keep room for what a wait for these types may bring; () and 0 when it is over."""
        self.free += self._kept - most
        self._listened, self._kept = types, most

    def listens_to(self, types: Room) -> bool:
        return all(type_ in self._listened for type_, _ in types)

    def reserve(self, room: Room, most: int) -> None:
        """Keep room for what a claim may bring."""
        self._change(room, most, -1)

    def give_back(self, room: Room, most: int) -> None:
        self._change(room, most, 1)

    def take(self, lane: Lane) -> None:
        self.free -= 1
        if lane.free is not None:
            lane.free -= 1
        if not lane.is_async:
            self._free_threads -= 1

    def leave(self, lane: Lane) -> None:
        self.free += 1
        if lane.free is not None:
            lane.free += 1
        if not lane.is_async:
            self._free_threads += 1

    def _change(self, room: Room, most: int, sign: int) -> None:
        self.free += sign * most
        plain = 0
        for type_, most_of_type in room:
            lane = self.lanes[type_.encode()]
            if lane.free is not None:
                lane.free += sign * min(most, most_of_type)
            if not lane.is_async:
                plain += most_of_type
        self._free_threads += sign * min(plain, most)
