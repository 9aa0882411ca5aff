"""Faults: what may befall a process, its way to the server, or the server. The driver chooses, aims and waits; see driver.py."""

import asyncio
import contextlib
import random
import signal
from typing import ClassVar, Final

import redis

from tests.faults.cast import Cast, Slot
from tests.faults.proxy import Pair

RECONNECT_MS: Final = 1000
"""What it takes a client, at most, to be back after its connection was lost: a wait, and a few calls."""

SERVER_BACK_MS: Final = 3000
"""The same after a restart of the server: by then clients have tried in vain and wait longer."""

ANSWER_MS: Final = 6500
"""After so long without an answer a worker gives its main connection up."""

FAULTS: "Final[dict[str, type[Fault]]]" = {}


class Fault:
    """A blow. `strike` happens in the middle of the proxy's work, `endure` is what follows until it is over.

    `strikes`: whom: worker, producer or server. `share`: how often, beside the others. `beats_lost_ms`: how long after
    its end the heartbeats of whom it struck may still fail; None: it does not touch them. `claims_lost_ms`: how long after
    its end the answer to a claim may still come too late or never; None: it does not touch them either.
    """

    name: ClassVar[str]
    strikes: ClassVar[tuple[str, ...]] = ("worker", "producer")
    share: ClassVar[float]
    beats_lost_ms: ClassVar[int | None] = RECONNECT_MS
    claims_lost_ms: ClassVar[int | None] = RECONNECT_MS

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "name"):
            FAULTS[cls.name] = cls

    def __init__(self, cast: Cast, slot: Slot | None, draws: random.Random) -> None:
        self.cast = cast
        self.draws = draws
        self.trouble: str | None = None
        self._slot = slot

    @property
    def slot(self) -> Slot:
        assert self._slot is not None
        return self._slot

    def strike_at(self, pair: Pair | None) -> None:  # noqa: ARG002
        """`pair`: the connection with the call that was aimed at, if one was."""
        self.strike()

    def strike(self) -> None:
        pass

    async def endure(self) -> None:
        pass


# ---- processes


class Kill(Fault):
    """kill -9, then a new process, whose first claim may be answered to nobody."""

    name, share = "kill", 20
    beats_lost_ms = claims_lost_ms = 0

    def strike(self) -> None:
        self.slot.kill()

    async def endure(self) -> None:
        await asyncio.sleep(self.draws.uniform(0, 0.5))
        self.slot.start()
        if self.draws.random() < 0.3:
            self.slot.gate.when("claim", _mute, before=True)
            await asyncio.sleep(1.5)
            self.slot.gate.reset()


class Freeze(Fault):
    """SIGSTOP past the lease, then SIGCONT."""

    name, share, strikes = "freeze", 5, ("worker",)
    beats_lost_ms, claims_lost_ms = 300, 500

    def strike(self) -> None:
        self.slot.child.signal(signal.SIGSTOP)

    async def endure(self) -> None:
        await asyncio.sleep(self.cast.terms.lease_ms / 1000 + self.draws.uniform(0.3, 1.5))
        self.slot.child.signal(signal.SIGCONT)


class Block(Fault):
    """The event loop is blocked past the lease; heartbeats go on."""

    name, share, strikes = "block", 5, ("worker",)
    beats_lost_ms, claims_lost_ms = None, 500

    def strike(self) -> None:
        self.slot.child.signal(signal.SIGUSR1)

    async def endure(self) -> None:
        await asyncio.sleep(self.cast.terms.block_ms / 1000)


class Stop(Fault):
    """SIGTERM, sometimes twice, then a new process."""

    name, share, strikes = "stop", 6, ("worker",)
    beats_lost_ms = claims_lost_ms = 0

    def strike(self) -> None:
        self.slot.expected_end = True
        self.slot.child.signal(signal.SIGTERM)

    async def endure(self) -> None:
        if self.draws.random() < 0.3:
            await asyncio.sleep(self.draws.uniform(0, 0.3))
            self.slot.child.signal(signal.SIGTERM)
        if await self.slot.ended(self.cast.terms.grace_ms / 1000 + 15) is None:
            self.trouble = f"{self.slot.name} did not end after SIGTERM: {await self.slot.state()}"
            self.slot.kill()
        self.slot.start()


# ---- the server


class ServerKill(Fault):
    """kill -9 of the server, then a restart."""

    name, share, strikes = "server-kill", 6, ("server",)
    beats_lost_ms = claims_lost_ms = SERVER_BACK_MS

    def strike(self) -> None:
        self.cast.server.kill()

    async def endure(self) -> None:
        await asyncio.sleep(self.draws.uniform(0, 0.5))
        await self.cast.server.restart()


class ServerPause(Fault):
    """SIGSTOP of the server, sometimes past the lease, then SIGCONT."""

    name, share, strikes = "server-pause", 6, ("server",)

    def strike(self) -> None:
        self.cast.server.signal(signal.SIGSTOP)

    async def endure(self) -> None:
        long = self.cast.terms.lease_ms / 1000 if self.draws.random() < 0.1 else 0.0
        await asyncio.sleep(self.draws.uniform(0.2, 1.5) + long)
        self.cast.server.signal(signal.SIGCONT)


class Flush(Fault):
    """SCRIPT FLUSH: the server forgets all scripts."""

    name, share, strikes = "flush", 15, ("server",)
    beats_lost_ms = claims_lost_ms = None

    async def endure(self) -> None:
        with contextlib.suppress(redis.RedisError, OSError):  # it may be down
            await self.cast.server.ask("SCRIPT", "FLUSH", "SYNC")


# ---- the way between


class Reset(Fault):
    """All connections of a process are reset."""

    name, share = "reset", 25

    def strike(self) -> None:
        self.slot.gate.reset()


class Drop(Fault):
    """Replies are dropped, then a reset."""

    name, share = "drop", 25

    def strike_at(self, pair: Pair | None) -> None:
        for one in [pair] if pair else self.slot.gate.pairs:
            _mute(one)

    async def endure(self) -> None:
        await asyncio.sleep(self.draws.uniform(0.02, 0.3))
        self.slot.gate.reset()


class Cut(Fault):
    """A part of a reply arrives, then a reset."""

    name, share = "cut", 20

    def strike_at(self, pair: Pair | None) -> None:
        self._share = self.draws.random()
        self._pairs = [pair] if pair else list(self.slot.gate.pairs)
        for one in self._pairs:
            one.cut_at = self._share

    async def endure(self) -> None:
        await asyncio.sleep(0.3)
        for one in self._pairs:
            one.reset()


class Slice(Fault):
    """All arrives in small slices."""

    name, share = "slice", 8
    beats_lost_ms = claims_lost_ms = None

    def strike(self) -> None:
        self.slot.gate.sliced = True

    async def endure(self) -> None:
        await asyncio.sleep(self.draws.uniform(0.3, 1.5))
        self.slot.gate.heal(hang_up=False)


class Delay(Fault):
    """All arrives late."""

    name, share = "delay", 8

    def strike(self) -> None:
        self.slot.gate.delay = self.draws.uniform(0.01, 0.15)

    async def endure(self) -> None:
        await asyncio.sleep(self.draws.uniform(0.3, 1.5))
        self.slot.gate.heal(hang_up=False)


class Hole(Fault):
    """A black hole: nothing arrives, nobody is told. Afterwards the old connections are reset, or silent for ever."""

    name, share = "hole", 8
    beats_lost_ms, claims_lost_ms = 2500, ANSWER_MS

    def strike(self) -> None:
        self.slot.gate.hole = True

    async def endure(self) -> None:
        await asyncio.sleep(self.draws.uniform(0.3, 3.0))
        self.slot.gate.heal(hang_up=self.draws.random() < 0.5)


def _mute(pair: Pair) -> None:
    pair.mute = True


USUAL_PER_MINUTE: Final = 150.0
"""Of all kinds together, by their shares. Some find everybody busy with another fault, and do not happen."""
