"""Driver: strikes the cast of a run with faults, planned by a seed, each at a chosen call under way."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from tests.faults.cast import Cast, Slot
from tests.faults.faults import Fault
from tests.faults.proxy import WAITS, Pair
from tests.faults.records import Struck, now

AIM_SECONDS = 0.4
"""How long a strike waits for the call it is aimed at, before it strikes at whatever is under way."""

SERVER_REST_SECONDS = 4.0
"""Between two faults that stop the server."""

TRIES = 10

AIMS = {
    "worker": ("turn", "claim", "settle", "extend", "report", "beat", "wait", "connect", ""),
    "producer": ("enqueue", "cancel", "watch", "inbox", "connect", ""),
}
"""Calls that strikes are aimed at; '' is any moment."""


class Driver:
    def __init__(self, cast: Cast, faults: list[type[Fault]], *, per_minute: float, seed: int) -> None:
        self.cast = cast
        self.trouble: list[str] = []
        self._aimed: Counter[tuple[str, str]] = Counter()
        self._faults = faults
        self._gap = 60 / per_minute
        self._random = random.Random(seed)
        self._lasting: set[asyncio.Task[None]] = set()
        self._server_rests_until = 0.0
        self._loop = asyncio.get_running_loop()

    async def run(self, seconds: float) -> None:
        """Strike for so long. What lasts may last beyond it."""
        at = self._loop.time()
        end = at + seconds
        while (at := at + self._random.expovariate(1 / self._gap)) < end:
            await asyncio.sleep(at - self._loop.time())
            self._begin()
        await asyncio.sleep(end - self._loop.time())

    async def settle(self) -> None:
        """Wait until no fault lasts."""
        while self._lasting:
            await asyncio.wait(self._lasting)

    # ---- a strike

    def _begin(self) -> None:
        """Strike somebody who has not enough to bear already."""
        for _ in range(TRIES):
            fault = self._random.choices(self._faults, [fault.share for fault in self._faults])[0]
            role = self._random.choice(fault.strikes)
            draws = random.Random(self._random.random())
            if role == "server":
                if fault.name == "flush" or self._loop.time() >= self._server_rests_until:
                    if fault.name != "flush":
                        self._server_rests_until = self._loop.time() + SERVER_REST_SECONDS
                    self._last(self._strike(fault(self.cast, None, draws), None, self._random.choice(self.cast.slots)))
                    return
                continue
            slots = self.cast.of(role)
            free = [slot for slot in slots if not slot.busy]
            if len(free) > len(slots) // 2 or (len(slots) == 1 and free):
                slot = self._random.choice(free)
                slot.busy = True
                self._last(self._strike(fault(self.cast, slot, draws), slot, slot))
                return

    def _last(self, strike: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(strike)
        self._lasting.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._lasting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.trouble.append(f"the driver itself failed: {error!r}")

    async def _strike(self, fault: Fault, slot: Slot | None, aimed_at: Slot) -> None:
        """Strike in the middle of the proxy's work, at the call aimed at; then wait for the end of it."""
        begun: asyncio.Future[tuple[int, list[str]]] = self._loop.create_future()

        def strike(pair: Pair | None) -> None:
            if not begun.done():
                begun.set_result((now(), self._under_way(slot)))
                fault.strike_at(pair)

        name = slot.name if slot else "server"
        pid = slot.child.pid if slot else self.cast.server.pid
        aim = self._aim(fault, aimed_at)
        try:
            if aim:
                disarm = aimed_at.gate.when(aim, strike, before=fault.draws.random() < 0.5)
                await asyncio.wait([begun], timeout=AIM_SECONDS)
                disarm()
            if not begun.done():
                aim = ""
                strike(None)
            self._aimed[fault.name, aim] += 1
            await fault.endure()
        finally:
            if slot is not None:
                slot.busy = False
        at, under_way = begun.result()
        self.cast.ledger.write(Struck(at, now(), fault.name, name, pid, under_way, aim))
        if fault.trouble:
            self.trouble.append(fault.trouble)

    def _aim(self, fault: Fault, slot: Slot) -> str:
        """A call that this fault struck least often so far."""
        aims = AIMS[slot.role]
        least = min(self._aimed[fault.name, aim] for aim in aims)
        return self._random.choice([aim for aim in aims if self._aimed[fault.name, aim] == least])

    def _under_way(self, slot: Slot | None) -> list[str]:
        """What the slot (None: anybody) waits for, other than for work."""
        names = {name for one in ([slot] if slot else self.cast.slots) for name in one.gate.under_way()}
        return sorted(names - set(WAITS)) or sorted(names)
