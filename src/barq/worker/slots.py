"""Slots: how many more jobs this worker may hold, in all and of each type. Nobody claims more than it can run at once."""

from barq.handlers import Handler, Handlers


class Slots:
    def __init__(self, handlers: Handlers, types: list[str], *, concurrency: int, threads: int) -> None:
        self.free = concurrency
        self._free_threads = threads
        self._handlers: dict[str, Handler] = {}
        self._free_of: dict[str, int] = {}
        self.types = types
        for type_ in types:
            handler = handlers.get(type_)
            assert handler is not None
            self._handlers[type_] = handler
            if handler.concurrency is not None:
                self._free_of[type_] = handler.concurrency

    def open(self, *, without: frozenset[str] = frozenset()) -> list[tuple[str, int]]:
        """The types that have room, and how much."""
        return [(type_, room) for type_ in self.types if type_ not in without and (room := self._room(type_)) > 0]

    def _room(self, type: str) -> int:
        room = min(self.free, self._free_of.get(type, self.free))
        return room if self._handlers[type].is_async else min(room, self._free_threads)

    def reserve(self, types: list[tuple[str, int]], most: int) -> None:
        """Keep room for what a claim may bring."""
        self._change(types, -most)

    def give_back(self, types: list[tuple[str, int]], most: int) -> None:
        self._change(types, most)

    def take(self, type: str) -> None:
        self._change([(type, 1)], -1)

    def free_one(self, type: str) -> None:
        self._change([(type, 1)], 1)

    def _change(self, types: list[tuple[str, int]], number: int) -> None:
        self.free += number
        size = abs(number)
        sign = 1 if number > 0 else -1
        for type_, room in types:
            if type_ in self._free_of:
                self._free_of[type_] += sign * min(size, room)
        if any(not self._handlers[type_].is_async for type_, _ in types):
            self._free_threads += number
