"""Settle: tell the server how attempts ended, and before that what they said. After run.py, before events.py."""

import asyncio
import logging
from collections.abc import Callable

from barq.batch import Batcher
from barq.clock import Clock
from barq.codec import Codec
from barq.errors import InvalidValue, LeaseLost
from barq.events import Progress, encode_progress
from barq.job import Job
from barq.outcome import Failure, Outcome, Release, Success
from barq.protocol import calls
from barq.protocol.calls import MOST_PER_CALL, Settlement, Space, Word
from barq.record import member
from barq.store.store import Store
from barq.worker.attempt import Attempt

log = logging.getLogger("barq.worker")

LONGEST_LOG_LINE = 16_000


class Settler:
    """Outcomes of one turn of the loop leave in one call, and again until they get through."""

    def __init__(
        self, store: Store, space: Space, clock: Clock, words: "Words", *, settled: Callable[[Attempt], None]
    ) -> None:
        self._words = words
        self._store = store
        self._space = space
        self._clock = clock
        self._settled = settled
        self._batcher: Batcher[tuple[Attempt, Settlement]] = Batcher(self._send, most=MOST_PER_CALL)

    def settle(self, attempt: Attempt, outcome: Outcome) -> None:
        match outcome:
            case Success(result, discard):
                kind, retry_ms, body = b"discard" if discard else b"complete", b"", result
            case Failure(error, None):
                kind, retry_ms, body = b"fail", b"", error
            case Failure(error, int() as wait_ms):
                kind, retry_ms, body = b"fail", b"%d" % wait_ms, error
            case Release():
                kind, retry_ms, body = b"release", b"", b""
        self._batcher.add((attempt, (*attempt.holding, kind, retry_ms, body)))

    async def drain(self) -> None:
        await self._batcher.drain()

    async def _send(self, batch: list[tuple[Attempt, Settlement]]) -> None:
        await self._words.drain()  # what an attempt said comes before how it ended
        call = calls.settle(self._space, [settlement for _, settlement in batch], now_ms=self._clock.server_ms())
        try:
            lost = await self._store.send(call, timeout=None)
            stale = set(lost)
        except Exception:
            log.exception("could not settle %d jobs: they run again when their leases have run out", len(batch))
            stale = set()
        for attempt, _ in batch:
            if attempt.member in stale:
                log.warning("%s: lost before it ended, so its outcome does not count", attempt.label)
            self._settled(attempt)


class Words:
    """Progress and log lines of running attempts, in order; those of one turn of the loop leave in one call."""

    def __init__(self, store: Store, space: Space, clock: Clock, codec: Codec) -> None:
        self._store = store
        self._space = space
        self._clock = clock
        self._codec = codec
        self._batcher: Batcher[tuple[Word, asyncio.Future[None]]] = Batcher(self._send, most=MOST_PER_CALL)

    async def drain(self) -> None:
        await self._batcher.drain()

    def progress(self, job: Job[object], progress: Progress) -> "asyncio.Future[None]":
        return self._say(job, b"progress", encode_progress(progress, self._codec))

    def log(self, job: Job[object], text: str) -> "asyncio.Future[None]":
        line = text.encode("utf-8", "replace")
        if len(line) > LONGEST_LOG_LINE:
            raise InvalidValue(f"a log line must have at most {LONGEST_LOG_LINE} bytes, got {len(line)}")
        return self._say(job, b"log", line)

    def _say(self, job: Job[object], kind: bytes, body: bytes) -> "asyncio.Future[None]":
        said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        assert job._token is not None
        self._batcher.add(((job.type.encode(), member(job.id), job._token, kind, body), said))
        said.add_done_callback(_seen)
        return said

    async def _send(self, batch: list[tuple[Word, "asyncio.Future[None]"]]) -> None:
        call = calls.report(self._space, [word for word, _ in batch], now_ms=self._clock.server_ms())
        try:
            lost = await self._store.send(call, timeout=None)
            stale = set(lost)
        except Exception as error:
            for _, said in batch:
                if not said.done():
                    said.set_exception(error)
            return
        for (_, id_, *_), said in batch:
            if said.done():
                continue
            if id_ in stale:
                said.set_exception(
                    LeaseLost(f"this run of job {int(id_[1:])} no longer holds it: it was cancelled or given away")
                )
            else:
                said.set_result(None)


def _seen(said: "asyncio.Future[None]") -> None:
    """Who does not await a word need not hear that nobody retrieved its error."""
    if not said.cancelled():
        said.exception()
