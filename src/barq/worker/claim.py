"""Claim: wait for work where there is none. After enqueue.py, before run.py; a busy worker claims in turn.py.

One connection of its own blocks on the types' markers with the claim right behind, in one write: the server runs the
claim the moment a job arrives. That wait's bound is the clock for promoting and rescuing as well.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from barq.errors import BarqError
from barq.protocol import calls
from barq.protocol.call import Space
from barq.protocol.calls import Claim, Handed
from barq.store.store import Store
from barq.worker.slots import Room, Slots
from barq.worker.turn import Turns, rest

log = logging.getLogger("barq.worker")

LONGEST_WAIT_SECONDS: Final = 2.0
_TROUBLE_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 0.02
_LEAST_WAIT_SECONDS: Final = 0.001


class Waiting(Protocol):
    """What a worker has for the time without work."""

    found_nothing: bool

    def nothing_to_claim(self, brought: Claim, room: Room) -> None: ...

    async def run(self) -> None: ...

    def claims(self, claiming: bool) -> None: ...

    async def stop(self) -> None: ...


class Listener:
    """`start` takes the claimed jobs, `nothing` is called each time that there is nothing to do, `ordered` when the worker
    has an order."""

    def __init__(
        self,
        store: Store,
        ear: Store,
        space: Space,
        slots: Slots,
        turns: Turns,
        *,
        start: Callable[[list[Handed]], None],
        nothing: Callable[[], None],
        ordered: Callable[[], None],
    ) -> None:
        self._ordered = ordered
        self._store = store
        self._ear = ear
        self._space = space
        self._slots = slots
        self._turns = turns
        self._start = start
        self._nothing = nothing
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._due_in_ms: int | None = None
        self._rest = _LEAST_WAIT_SECONDS
        self._waiting = False
        self._waits = 0
        self._stopping = False
        self._claiming = True
        self._unblocking: asyncio.Task[None] | None = None
        self.found_nothing = False

    def nothing_to_claim(self, brought: Claim, room: Room) -> None:
        """A claim found nothing: wait for work, also of types that only now have room."""
        self.found_nothing = not self._slots.leaves_out(room)
        self._due_in_ms = brought.due_in_ms if self.found_nothing else 0
        self._woken.set()
        self._nothing()
        if self._waiting and not self._slots.listens_to(room):
            self._unblocking = self._loop.create_task(self.unblock(), name="barq unblock")

    async def run(self) -> None:
        while not self._stopping:
            await self._woken.wait()
            self._woken.clear()
            room, most = self._slots.open_to_wait()
            if room and self._claiming and not self._stopping:
                try:
                    await self._wait_and_claim(room, min(most, self._turns.most_per_claim))
                except BarqError as error:  # it is a connection of its own: what it met may pass
                    log.warning("waiting for work: %s", error)
                    await asyncio.sleep(_TROUBLE_SECONDS)
                    self._woken.set()

    async def _wait_and_claim(self, room: Room, most: int) -> None:
        types = sorted(type_ for type_, _ in room)
        due_ms = LONGEST_WAIT_SECONDS * 1000 if self._due_in_ms is None else self._due_in_ms
        least, self._rest = self._rest, _LEAST_WAIT_SECONDS
        seconds = max(least, min(LONGEST_WAIT_SECONDS, due_ms / 1000))
        wait, claim = calls.wait_for_work(self._space, types, seconds=seconds), self._turns.claim(room, most)
        self._slots.listen(types, most)
        self._waiting = True
        self._waits += 1
        since = time.monotonic()
        try:
            await self._ear.prepare(claim)  # that nothing comes between the wait and the claim behind it
            waiting = self._loop.create_task(self._ear.send(wait, may_block=seconds, timeout=None), name="barq wait")
            try:
                await asyncio.sleep(0)  # the wait is sent first
                brought = await self._ear.send(claim, may_block=seconds, timeout=None)
                await waiting
            finally:
                waiting.cancel()
            if brought.ordered:
                self._ordered()
            brought = await self._turns.kept(brought, since)
        finally:
            self._waiting = False
            self._slots.listen((), 0)
        if brought.handed:
            self._start(brought.handed)
            self._turns.kick()
        else:
            if brought.due_in_ms == 0:  # of a paused type: more than one claim promotes
                late = time.monotonic() - since - seconds
                self._rest = rest(late, least=_LEAST_WAIT_SECONDS)
            self.nothing_to_claim(brought, room)

    async def unblock(self) -> None:
        """End the wait that goes on now; its claim is answered then."""
        this_one = self._waits
        while self._waiting and self._waits == this_one and self._ear.connected:
            try:
                client_id = await self._ear.client_id()
                await self._store.send(calls.unblock(self._space, client_id), timeout=2.0)
            except BarqError as error:  # the wait ends by itself within its bound
                log.debug("could not end the wait: %s", error)
                return
            await asyncio.sleep(_AGAIN_SECONDS)  # it may reach the server only after the word that ends it

    def claims(self, claiming: bool) -> None:
        """Whether it waits for work, from now on."""
        self._claiming = claiming
        if claiming:
            self._woken.set()
        else:
            self._unblocking = self._loop.create_task(self.unblock(), name="barq unblock")

    async def stop(self) -> None:
        """Wait no more. A claim on its way still brings what it brings."""
        self._stopping = True
        self._woken.set()
        await self.unblock()
