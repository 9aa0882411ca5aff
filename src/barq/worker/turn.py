"""Turn: what a busy worker says to the server at the end of a turn of its loop: settle what ended, claim for what is free.

Both travel in one call. Two calls are in flight, each for at most half of the slots, so that server and worker overlap
instead of taking turns. What waits without work to claim stands in claim.py.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from barq.aio import Prompt
from barq.clock import Clock
from barq.errors import BarqError
from barq.outcome import Outcome
from barq.protocol import calls
from barq.protocol.call import MOST_PER_CALL, Call, Space
from barq.protocol.calls import Claim, Handed, Settlement
from barq.store.store import Store
from barq.worker.attempt import Attempt
from barq.worker.settle import Words, settlement
from barq.worker.slots import Room, Slots
from barq.worker.tally import Tally

log = logging.getLogger("barq.worker")

_MOST_IN_FLIGHT: Final = 2
_TOO_FEW_TO_SPLIT: Final = 8
_CHORES_SECONDS: Final = 0.1
_SLICE_SECONDS: Final = 0.01
_SLICE_SHARE: Final = 4
_PRUNE_EVERY: Final = 200
_TROUBLE_SECONDS: Final = 1.0


class Turns:
    """`start` takes claimed jobs, `settled` attempts whose outcome the server knows by now, and
    `nothing` is called when a claim found none."""

    def __init__(
        self,
        store: Store,
        space: Space,
        clock: Clock,
        slots: Slots,
        words: Words,
        tally: Tally,
        *,
        worker_id: str,
        concurrency: int,
        lease_ms: int,
        poison: int,
        start: Callable[[list[Handed]], None],
        settled: Callable[[list[Attempt]], None],
        nothing: Callable[[Claim, Room], None],
    ) -> None:
        self._store = store
        self._space = space
        self._clock = clock
        self._slots = slots
        self._words = words
        self._tally = tally
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._poison = poison
        self._start = start
        self._settled = settled
        self._nothing = nothing
        self._half = min(MOST_PER_CALL, concurrency if concurrency < _TOO_FEW_TO_SPLIT else (concurrency + 1) // 2)
        self._ended: list[tuple[Attempt, Outcome]] = []
        self._flying = 0
        self._flights: set[Prompt] = set()
        self._scheduled = False
        self._claiming = True
        self._chores_at = 0.0
        self._to_prune = _PRUNE_EVERY
        self._landed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def settle(self, attempt: Attempt, outcome: Outcome) -> None:
        """Tell the server how an attempt ended, again until it is known."""
        self._ended.append((attempt, outcome))
        if not self._scheduled:
            self.kick()

    def settle_together(self, ended: list[tuple[Attempt, Outcome]]) -> None:
        """The same for attempts that ended one after the other: when they fill a call it leaves now."""
        self._ended += ended
        if len(self._ended) >= self._half:
            self._turn()
        else:
            self.kick()

    def kick(self) -> None:
        """Something ended or a slot became free: see to it at the end of this turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    @property
    def quiet(self) -> bool:
        """Nothing is on its way or about to be."""
        return not (self._flying or self._ended or self._scheduled)

    def claims(self, claiming: bool) -> None:
        """Whether it claims as well, from now on."""
        self._claiming = claiming
        if claiming:
            self.kick()

    async def drain(self) -> None:
        """Wait until the server knows of everything that ended, and claims on their way have brought what they bring."""
        while not self.quiet:
            self._landed.clear()
            await self._landed.wait()

    async def close(self) -> None:
        """Give up on what is still on its way."""
        for flight in list(self._flights):
            await flight.gone()

    def claim(self, room: Room, most: int, *, chores: bool = True) -> Call[Claim]:
        """A claim alone; one that follows a wait for work does the chores."""
        return calls.claim(self._space, room, **self._terms(most), poison=self._poison, chores=chores)

    async def kept(self, claim: Claim, since: float) -> Claim:
        """What a claim brought that left at that monotonic time; of one that was long in coming, what others have not got."""
        if not claim.handed or time.monotonic() - since < self._lease_ms / 2000:
            return claim
        holdings = [(type_, member, token) for type_, token, jobs in claim.handed for member, _ in jobs]
        extend = calls.extend(self._space, holdings, now_ms=self._clock.server_ms(), lease_ms=self._lease_ms)
        try:
            answer = await self._store.send(extend, timeout=None)
        except BarqError:  # what they lost they will learn from their heartbeats
            return claim
        if not answer:
            return claim
        lost = set(answer)
        log.warning("a claim was answered late: %d of its %d jobs are given to others", len(lost), len(holdings))
        handed = [(type_, token, [job for job in jobs if job[0] not in lost]) for type_, token, jobs in claim.handed]
        return Claim([group for group in handed if group[2]], due_in_ms=0)

    @property
    def most_per_claim(self) -> int:
        return self._half

    @property
    def _due(self) -> bool:
        """A call may leave: at most two are on their way, and beside another it is worth it."""
        if self._flying == 0:
            return True
        worth = len(self._ended) >= self._half or (self._claiming and self._slots.free >= self._half)
        return worth and self._flying < _MOST_IN_FLIGHT

    def _turn(self) -> None:
        self._scheduled = False
        if not self._due:
            return
        ended, free = len(self._ended), self._slots.free if self._claiming else 0
        room = self._slots.open() if free > 0 else []
        most = min(free, self._half) if room else 0
        if not ended and not most:
            self._landed.set()
            return
        batch, self._ended = self._ended[: self._half], self._ended[self._half :]
        self._slots.reserve(room, most)
        self._flying += 1
        flight = Prompt(self._fly(batch, room, most), name="barq turn", ended=self._flights.discard)
        self._flights.add(flight)
        flight.start()
        if self._ended or (most and self._slots.free >= self._half):
            self.kick()

    async def _fly(self, batch: list[tuple[Attempt, Outcome]], room: Room, most: int) -> None:
        stale: list[bytes] = []
        brought, since = None, time.monotonic()
        try:
            if batch and not self._words.quiet:
                await self._words.landed()  # what an attempt said comes before how it ended
            settlements = [settlement(attempt, outcome) for attempt, outcome in batch]
            if batch and most and len(batch) < self._to_prune and since < self._chores_at:
                self._to_prune -= len(batch)
                call = calls.turn(self._space, settlements, room, **self._terms(most))
                stale, brought = await self._store.send(call, timeout=None)
            else:
                stale, brought = await self._apart(settlements, room, most)
            if batch:
                self._tally.ended(batch, stale, since)
            if brought is not None:
                brought = await self.kept(brought, since)
        except Exception as error:
            unforeseen = not isinstance(error, BarqError)
            log.error("%s; %d jobs are to be settled; trying again", error, len(batch), exc_info=unforeseen)
            batch = self._put_off(batch)
            await asyncio.sleep(_TROUBLE_SECONDS)
        finally:
            self._flying -= 1
            self._slots.give_back(room, most)
            self._landed.set()
        if batch:
            attempts = [attempt for attempt, _ in batch]
            if stale:
                _report(attempts, set(stale))
            self._settled(attempts)
        if brought is not None and brought.handed:
            self._start(brought.handed)
        elif brought is not None and not self._flying:
            self._nothing(brought, room)
        if (brought is None or brought.handed or self._ended) and self._due:
            self.kick()

    def _put_off(self, batch: list[tuple[Attempt, Outcome]]) -> list[tuple[Attempt, Outcome]]:
        """Settle these again later. Returns those whose leases would have ended meanwhile: they are given up."""
        now = self._loop.time()
        given_up = []
        for attempt, outcome in batch:
            if attempt.settle_until is None:
                attempt.settle_until = now + self._lease_ms / 1000
            if now < attempt.settle_until:
                self._ended.append((attempt, outcome))
            else:
                log.error("%s: could not be settled; it runs again", attempt.label)
                given_up.append((attempt, outcome))
        return given_up

    async def _apart(self, settlements: list[Settlement], room: Room, most: int) -> tuple[list[bytes], Claim | None]:
        """Settle and claim in a call each: now and then, when retention or chores are due as well, or only one of them is."""
        stale: list[bytes] = []
        if settlements:
            self._to_prune -= len(settlements)
            prunes = self._to_prune <= 0
            settle = calls.settle(self._space, settlements, now_ms=self._clock.server_ms(), prunes=prunes)
            stale = await self._store.send(settle, timeout=None)
            if prunes:
                self._to_prune = _PRUNE_EVERY
        if not most:
            return stale, None
        began = time.monotonic()
        if chores := began >= self._chores_at:
            self._chores_at = began + _CHORES_SECONDS
        try:
            claim = await self._store.send(self.claim(room, most, chores=chores), timeout=None)
            if chores and claim.due_in_ms == 0:
                now = time.monotonic()
                self._chores_at = now + rest(now - began, least=_SLICE_SECONDS)
            return stale, claim
        except BarqError:
            if not settlements:
                raise
            return stale, None  # what is settled is settled; the next claim, alone, meets the same error

    def _terms(self, most: int) -> dict[str, Any]:
        return {
            "now_ms": self._clock.server_ms(),
            "worker": self._worker_id,
            "nonce": self._clock.nonce(),
            "lease_ms": self._lease_ms,
            "most": most,
        }


def rest(took: float, *, least: float) -> float:
    """How long to leave the next slice alone of more than one claim may promote, after one that took so long (seconds).

    The more workers do it at once, the longer each takes: so together they leave the server most of its time.
    """
    return min(_CHORES_SECONDS, max(least, _SLICE_SHARE * took))


def _report(attempts: list[Attempt], stale: set[bytes]) -> None:
    for attempt in attempts:
        if attempt.member in stale:
            log.warning("%s: lost before it ended, so its outcome does not count", attempt.label)
