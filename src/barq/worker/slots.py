"""Slots: how many more jobs this worker may hold, in all and of each type. Nobody claims more than it can run at once."""

from collections.abc import Callable, Collection, Iterable

from barq.handlers import Handler, Handlers
from barq.record import number

Room = list[tuple[str, int]]
"""Types that may be claimed, with how many of each."""


class Seats:
    """The threads, or the child processes, that the types with plain handlers share."""

    def __init__(self, count: int) -> None:
        self.free = count
        self._share = self._left = 0

    def share_out(self, lanes: "Iterable[Lane]") -> None:
        """Begin to hand out what is free, in equal parts for these types."""
        self._share = max(1, self.free // max(1, sum(lane.seats is self for lane in lanes)))
        self._left = self.free

    def part(self, most: int) -> int:
        """The part of the next type, at most `most`."""
        part = min(most, self._share, self._left)
        self._left -= max(0, part)
        return part


class Lane:
    """One type's slots."""

    __slots__ = (
        "free",
        "handler",
        "id_of",
        "in_process",
        "is_async",
        "name",
        "queue",
        "seats",
        "timed",
        "type",
        "waits",
    )

    def __init__(self, handler: Handler, seats: Seats | None = None, *, id_of: Callable[[bytes], int] = number) -> None:
        self.id_of = id_of
        self.queue = 0  # which one, in a worker of several
        self.handler = handler
        self.type = handler.type
        self.name = handler.type.encode()
        self.is_async = handler.is_async
        self.in_process = handler.in_process
        self.timed = handler.timeout_ms is not None
        self.waits = False  # whether its last run of an async handler waited for anything
        self.free = handler.concurrency  # None: as many as the worker has
        self.seats = seats

    @property
    def shares(self) -> bool:
        """Others may wait for what it leaves."""
        return self.free is not None or self.seats is not None

    @property
    def has_room(self) -> bool:
        return (self.free is None or self.free > 0) and (self.seats is None or self.seats.free > 0)


class Slots:
    def __init__(
        self,
        handlers: Handlers,
        types: list[str],
        *,
        concurrency: int,
        threads: int,
        children: int = 0,
        id_of: Callable[[bytes], int] = number,
    ) -> None:
        self.threads, self.children = self._make_seats(threads, children)
        found = [handler for type_ in types if (handler := handlers.get(type_)) is not None]
        self.lanes = {handler.type.encode(): self._lane(handler, id_of) for handler in found}
        self.free = concurrency
        used = {lane.seats for lane in self.lanes.values()}
        self._seats = [seats for seats in (self.threads, self.children) if seats in used]
        self._limited = any(lane.shares for lane in self.lanes.values())
        self._listened: Collection[str] = ()
        self._kept = 0
        self._rotation = 0

    def _make_seats(self, threads: int, children: int) -> tuple[Seats, Seats]:
        return Seats(threads), Seats(children)

    def _lane(self, handler: Handler, id_of: Callable[[bytes], int]) -> Lane:
        return Lane(handler, self._seats_of(handler), id_of=id_of)

    def _seats_of(self, handler: Handler) -> Seats | None:
        if handler.is_async:
            return None
        return self.children if handler.in_process else self.threads

    def open(self) -> Room:
        """The types that have room and that nobody waits for already, and how much room.

        Types with plain handlers share the free seats out, the first in another order each time.
        """
        lanes = [lane for lane in self.lanes.values() if lane.type not in self._listened]
        self._rotation += 1
        first = self._rotation % len(lanes) if lanes else 0
        for seats in self._seats:
            seats.share_out(lanes)
        room = []
        for lane in lanes[first:] + lanes[:first]:
            most = self.free if lane.free is None else min(self.free, lane.free)
            if lane.seats is not None:
                most = lane.seats.part(most)
            if most > 0:
                room.append((lane.type, most))
        return room

    def open_to_wait(self) -> tuple[Room, int]:
        """The same for a wait for work, and how many jobs it may bring.

        Where more types share seats than are free, it still is for all of them: a wait for some would leave the jobs of
        the others alone as long as it lasts. It brings no more than there are seats, then.
        """
        room = self.open()
        short = [lane for lane in self._left_out(room) if self.free > 0]
        seats = [lane.seats.free for lane in short if lane.seats is not None]
        return room + [(lane.type, 1) for lane in short], min([self.free, *seats])

    def leaves_out(self, room: Room) -> bool:
        """Whether types have room that are neither asked for in this one nor waited for already."""
        return bool(self._left_out(room))

    def _left_out(self, room: Room) -> list[Lane]:
        asked = {type_ for type_, _ in room}.union(self._listened)
        return [lane for lane in self.lanes.values() if lane.has_room and lane.type not in asked]

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

    def take(self, lane: Lane, count: int = 1) -> None:
        self.free -= count
        if lane.free is not None:
            lane.free -= count
        if lane.seats is not None:
            lane.seats.free -= count

    def leave(self, lane: Lane, count: int = 1) -> None:
        self.take(lane, -count)

    def _change(self, room: Room, most: int, sign: int) -> None:
        self.free += sign * most
        if not self._limited:
            return
        lanes = [(self.lanes[type_.encode()], most_of_type) for type_, most_of_type in room]
        for lane, most_of_type in lanes:
            if lane.free is not None:
                lane.free += sign * min(most, most_of_type)
        for seats in self._seats:
            asked = sum(most_of_type for lane, most_of_type in lanes if lane.seats is seats)
            seats.free += sign * min(asked, most)
