"""Claim: keep the slots filled. After enqueue.py, before run.py.

While there is work, claims go out as slots become free: two in flight, each for at most half of the slots, so that
server and worker overlap. Without work one connection of its own blocks on the types' markers with the next claim right
behind, so that the server runs the claim the moment a job arrives.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from barq.clock import Clock
from barq.protocol import calls
from barq.protocol.calls import MOST_PER_CALL, Claim, Space
from barq.store.store import Store
from barq.worker.slots import Slots

log = logging.getLogger("barq.worker")

LONGEST_WAIT_SECONDS: Final = 2.0
_MOST_IN_FLIGHT: Final = 2
_TOO_FEW_TO_SPLIT: Final = 8

Types = list[tuple[str, int]]


class Claimer:
    """`start` takes each claimed (id, token, record); `nothing` is called when a claim found none."""

    def __init__(
        self,
        store: Store,
        ear: Store,
        space: Space,
        clock: Clock,
        slots: Slots,
        *,
        worker_id: str,
        concurrency: int,
        lease_ms: int,
        poison: int,
        start: Callable[[bytes, bytes, bytes], None],
        nothing: Callable[[], None],
    ) -> None:
        self._store = store
        self._ear = ear
        self._space = space
        self._clock = clock
        self._slots = slots
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._poison = poison
        self._start = start
        self._nothing = nothing
        self._empty = False
        self._half = min(MOST_PER_CALL, concurrency if concurrency < _TOO_FEW_TO_SPLIT else (concurrency + 1) // 2)
        self._flights: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._listened: frozenset[str] = frozenset()  # types whose markers the ear waits for
        self._ear_waits = False
        self._nothing_left = asyncio.Event()
        self._due_in_ms: int | None = None
        self._rotation = 0
        self._stopping = False
        self._loop = asyncio.get_running_loop()

    def kick(self) -> None:
        """A slot became free: claim at the end of this turn of the loop."""
        if not self._scheduled and not self._stopping:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self._stopping or len(self._flights) >= _MOST_IN_FLIGHT:
            return
        free = self._slots.free
        if free <= 0 or (self._flights and free < self._half):
            return
        types = self._slots.open(without=self._listened)
        if not types:
            return
        most = min(free, self._half)
        self._slots.reserve(types, most)
        flight = self._loop.create_task(self._fly(types, most), name="barq claim")
        self._flights.add(flight)
        if self._slots.free >= self._half:
            self.kick()

    async def _fly(self, types: Types, most: int) -> None:
        try:
            brought = await self._store.send(self._claim(types, most), timeout=None)
            self._arrived(types, most, brought)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._flights.discard(task)
        if brought.jobs:
            self.kick()
        elif not self._flights:
            self._found_nothing(brought)
            if self._ear_waits and any(type_ not in self._listened for type_, _ in types):
                await self.unblock()

    def _claim(self, types: Types, most: int) -> calls.Call[Claim]:
        self._rotation = (self._rotation + 1) % len(types)  # no type is always first
        rotated = types[self._rotation :] + types[: self._rotation]
        return calls.claim(
            self._space,
            rotated,
            now_ms=self._clock.server_ms(),
            worker=self._worker_id,
            nonce=self._clock.nonce(),
            lease_ms=self._lease_ms,
            poison=self._poison,
            most=most,
        )

    def _arrived(self, types: Types, most: int, brought: Claim) -> None:
        self._slots.give_back(types, most)
        self._empty = not brought.jobs
        for member, token, record in brought.jobs:
            self._start(member, token, record)

    def _found_nothing(self, brought: Claim) -> None:
        self._due_in_ms = brought.due_in_ms
        self._nothing_left.set()
        self._nothing()

    @property
    def found_nothing(self) -> bool:
        """The last claim found nothing, and none is on its way."""
        return self._empty and not self._flights and not self._scheduled

    async def listen(self) -> None:
        """Wait for work whenever claims find nothing; runs until stop."""
        while not self._stopping:
            await self._nothing_left.wait()
            if self._stopping:
                return
            self._nothing_left.clear()
            types = self._slots.open()
            if types:
                await self._wait_and_claim(types)
            # without room, the settle that makes some kicks

    async def _wait_and_claim(self, types: Types) -> None:
        most = min(self._slots.free, self._half)
        self._slots.reserve(types, most)
        self._listened = frozenset(type_ for type_, _ in types)
        due_ms = LONGEST_WAIT_SECONDS * 1000 if self._due_in_ms is None else self._due_in_ms
        seconds = max(0.001, min(LONGEST_WAIT_SECONDS, due_ms / 1000))
        wait = calls.wait_for_work(self._space, sorted(self._listened), seconds=seconds)
        self._ear_waits = True
        try:
            # in one write: the server runs the claim the moment the wait ends
            _, brought = await asyncio.gather(
                self._ear.send(wait, may_block=seconds, timeout=None),
                self._ear.send(self._claim(types, most), may_block=seconds, timeout=None),
            )
        finally:
            self._ear_waits = False
            self._listened = frozenset()
        self._arrived(types, most, brought)
        if brought.jobs:
            self.kick()
        else:
            self._found_nothing(brought)

    async def unblock(self) -> None:
        """End the wait at once; its claim is answered then."""
        if self._ear_waits:
            client_id = await self._ear.client_id()
            await self._store.send(calls.unblock(self._space, client_id), timeout=2.0)

    async def stop(self) -> None:
        """Claim no more. Claims on their way still bring what they bring."""
        self._stopping = True
        self._nothing_left.set()
        try:
            await self.unblock()
        except Exception as error:  # the wait ends by itself within its bound
            log.debug("could not end the wait: %s", error)
        if self._flights:
            await asyncio.wait(self._flights, timeout=LONGEST_WAIT_SECONDS)
