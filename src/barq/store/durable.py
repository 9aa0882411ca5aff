"""Durable: a store whose calls have ended only when what they wrote is as safe as was asked. Beside store.py.

WAIT covers what its own connection wrote, so each level has a connection of its own: nobody else waits behind it. A call
that is sent again over another connection writes again (its script does), or a WAIT there would cover nothing.
"""

import asyncio
from typing import Final, TypeVar

from barq.clock import Clock
from barq.durability import Durability
from barq.errors import NotConfirmed, PermissionDenied, ServerUnsuitable
from barq.protocol.call import Call
from barq.store.link import Link, LinkLost
from barq.store.store import FIRST_WAIT, Store, seen
from barq.store.target import Target

R = TypeVar("R")

_LONGEST_WAIT: Final = 1.0
"""Seconds of one WAIT. As long as it lasts, the server reads nothing else from this connection."""


class DurableStore(Store):
    """Beside what a store raises: NotConfirmed when a call was answered, but is not as safe as asked in time."""

    def __init__(self, target: Target, clock: Clock, *, timeout: float | None, durability: Durability) -> None:
        super().__init__(target, clock, timeout=timeout)
        self._durability = durability
        self._seconds = _LONGEST_WAIT if timeout is None else min(_LONGEST_WAIT, timeout / 3)
        self._verified: Link | None = None
        self._wait: tuple[Link, asyncio.Task[int]] | None = None

    async def send(self, call: Call[R], *, may_block: float = 0.0, timeout: float | None = -1) -> R:
        loop = asyncio.get_running_loop()
        bound = self._timeout if timeout == -1 else timeout
        deadline = None if bound is None else loop.time() + bound
        while True:
            link = await self._connected(deadline, bound)
            if self._verified is not link and not await self._verify(link):
                continue
            left = None if deadline is None else max(0.0, deadline - loop.time())
            answer = await super().send(call, may_block=may_block, timeout=left)
            if await self._safe(link, deadline):
                return answer
            call = call.again()

    async def _safe(self, link: Link, deadline: float | None) -> bool:
        """Wait until what this connection wrote is as safe as asked. False: it was another one, or it is lost."""
        loop, needed, held = asyncio.get_running_loop(), self._durability.replicas, 0
        if not needed:
            return self._link is link
        while self._link is link and not link.lost:
            held = max(held, await self._held(link, deadline))
            if held >= needed:
                return True
            if deadline is not None and loop.time() >= deadline:
                raise NotConfirmed(
                    f"stored by the server at {self.target.shown}, but in time only {held} of {needed} replicas said "
                    "that they hold it; a repeat with the same token is safe"
                )
        return False

    async def _held(self, link: Link, deadline: float | None) -> int:
        """How many replicas hold what this connection wrote so far. All who ask in one turn of the loop share a WAIT."""
        loop = asyncio.get_running_loop()
        if self._wait is None or self._wait[0] is not link:
            self._wait = link, loop.create_task(self._ask(link), name="barq wait")
            self._wait[1].add_done_callback(seen)
        wait = self._wait[1]
        await asyncio.wait([wait], timeout=None if deadline is None else max(0.0, deadline - loop.time()))
        return wait.result() if wait.done() else 0

    async def _ask(self, link: Link) -> int:
        self._wait = None  # it leaves now: for what is answered from now on it comes too early
        try:
            seconds = self._seconds
            return int(await link.call(*_wait(self._durability.replicas, seconds), may_block=seconds))
        except LinkLost:
            return 0
        except Exception as error:  # most likely it is no primary any more
            await link.close()
            if "replica" not in str(error):
                self._passing(error)
            await asyncio.sleep(FIRST_WAIT)
            return 0

    async def _verify(self, link: Link) -> bool:
        """Ask, before anything is stored, whether the promise can be kept here; False when the connection is lost.

        Raises ServerUnsuitable or PermissionDenied.
        """
        where = f"durability {str(self._durability)!r} can't be kept by the server at {self.target.shown}"
        try:
            if self._durability.fsync:
                settings = await link.call(b"CONFIG", b"GET", b"append*")
                if why := _does_not_sync(settings):
                    raise ServerUnsuitable(f"{where}: it has {why}; set appendonly yes and appendfsync always")
            else:
                await link.call(*_wait(0, 0.001))
        except LinkLost:
            return False
        except ServerUnsuitable:
            raise
        except Exception as error:
            raise PermissionDenied(f"{where}: {error}") from error
        self._verified = link
        return True


def _wait(replicas: int, seconds: float) -> tuple[bytes, ...]:
    return b"WAIT", b"%d" % replicas, b"%d" % max(1, seconds * 1000)  # 0 would be for ever


def _does_not_sync(reply: list[bytes]) -> str:
    """What hinders an answer from meaning that it is on disk.

    WAITAOF would not do: under everysec it answers before the disk has it (Valkey to 9.1, Redis 7.2 and 7.4).
    """
    found = dict(zip(reply[::2], reply[1::2], strict=True))
    wanted = {b"appendonly": b"yes", b"appendfsync": b"always"}
    return " ".join(
        f"{name.decode()} {found.get(name, b'?').decode()}" for name in wanted if found.get(name) != wanted[name]
    )
