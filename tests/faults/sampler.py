"""Sampler: looks at the running queue all the time: grants the producers their jobs, and tells slow from stuck."""

import asyncio
import time

import redis

from tests.faults.cast import Cast
from tests.faults.jobs import CANCELLED_MS
from tests.faults.kept import Slow
from tests.faults.probe import Look, wrong
from tests.faults.proxy import called
from tests.faults.records import Trouble, now

TICK_SECONDS = 0.05
CLOSE_LOOK_EVERY = 10
"""Ticks between looks at all unfinished jobs."""

MOST_LOOKED_AT = 5000
"""Unfinished jobs that one script may look at without holding the server up."""

MOST_TROUBLE = 20


class Stuck(Exception):
    """Nothing goes on although there is work."""


class Sampler:
    """`outstanding` is how many jobs the producers may have unfinished."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.outstanding = 0
        self.last: Look | None = None
        self.looks = 0
        self.most_unfinished = 0
        self.trouble: list[str] = []
        self.slow: dict[tuple[int, int], Slow] = {}
        """The server's slow log, which does not outlive it, by life of the server and number."""
        self._progress_at = time.monotonic()
        self._stop = False
        self._looked = asyncio.Event()

    def stop(self) -> None:
        self._stop = True

    async def run(self) -> None:
        """Until stopped. Raises Stuck."""
        ticks = 0
        while not self._stop:
            began = time.monotonic()
            try:
                if ticks % CLOSE_LOOK_EVERY or (self.last is not None and self.last.unfinished > MOST_LOOKED_AT):
                    self._note(await self.cast.probe.count())
                else:
                    await self._judge(await self.cast.probe.look())
            except (redis.RedisError, OSError):  # it is down
                pass
            finally:
                self._looked.set()
            took = time.monotonic() - began
            if took > TICK_SECONDS * 10:  # the server was gone for so long
                self._progress_at += took
            self._raise_if_stuck()
            ticks += 1
            await asyncio.sleep(max(0.0, TICK_SECONDS - took))

    async def fresh(self) -> Look:
        """The next look."""
        self.last = None
        while self.last is None:
            self._looked.clear()
            await self._looked.wait()
        return self.last

    def _note(self, look: Look) -> None:
        if self.last is None or look.done > self.last.done or not look.unfinished:
            self._progress_at = time.monotonic()
        self.last = look
        self.most_unfinished = max(self.most_unfinished, look.unfinished)
        self.cast.grant(look, self.outstanding)

    async def _judge(self, look: Look) -> None:
        self._note(look)
        self.looks += 1
        for number, second, microseconds, words, *_ in await self.cast.server.ask("SLOWLOG", "GET", "-1"):
            self.slow[self.cast.server.kills, number] = second, microseconds, called([words[0].upper(), *words[1:]])
        terms = self.cast.terms
        hold_ms = CANCELLED_MS + 2 * terms.lease_ms + terms.block_ms + 5000
        found = wrong(look, lease_ms=terms.lease_ms, longest_hold_ms=hold_ms)
        for what in found[: MOST_TROUBLE - len(self.trouble)]:
            self.trouble.append(what)
            self.cast.ledger.write(Trouble(now(), what))

    def _raise_if_stuck(self) -> None:
        """Patience begins with a completion, or with the start of the worker that lives longest: on a slow machine all of
        them may have been killed, and need their time to come up."""
        patience = self.cast.terms.lease_ms / 1000 + 5
        since = max(self._progress_at, min((slot.started_at for slot in self.cast.of("worker")), default=0.0))
        if self.last is not None and self.last.unfinished and time.monotonic() - since > patience:
            raise Stuck(f"no job has ended for {patience:g} s, but {self.last.unfinished} are unfinished")
