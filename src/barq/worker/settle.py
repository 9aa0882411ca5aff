"""Settle: tell the server how attempts ended, and before that what they said. After run.py, before events.py."""

import asyncio

from barq.batch import Batcher
from barq.clock import Clock
from barq.codec import Codec
from barq.errors import InvalidValue, LeaseLost
from barq.events import Progress, encode_progress
from barq.job import Job
from barq.outcome import Failure, Outcome, Park, Release, Success
from barq.protocol import calls
from barq.protocol.call import MOST_PER_CALL, Space
from barq.protocol.calls import Holding, Settlement, Word
from barq.store.store import Store
from barq.worker.attempt import Attempt

LONGEST_LOG_LINE = 16_000


def settlement(attempt: Attempt, outcome: Outcome) -> Settlement:
    """An outcome as the settle script takes it."""
    kind, retry_ms = b"complete", b""
    match outcome:
        case Success():
            body = outcome.result
            if outcome.discard:
                kind = b"discard"
        case Failure():
            kind, body = b"fail", outcome.error
            if outcome.retry_ms is not None:
                retry_ms = b"%d" % outcome.retry_ms
        case Release():
            kind, body = b"release", b""
        case Park():
            kind, retry_ms, body = b"park", b"-", outcome.error
    return attempt.lane.name, attempt.member, attempt.token, kind, retry_ms, body


def encode_log(text: str) -> bytes:
    line = text.encode("utf-8", "replace")
    if len(line) > LONGEST_LOG_LINE:
        raise InvalidValue(f"a log line must have at most {LONGEST_LOG_LINE} bytes, got {len(line)}")
    return line


class Words:
    """Progress and log lines of running attempts, in order; those of one turn of the loop leave in one call."""

    def __init__(self, store: Store, space: Space, clock: Clock, codec: Codec) -> None:
        self._store = store
        self._space = space
        self._clock = clock
        self._codec = codec
        self._batcher: Batcher[tuple[Word, asyncio.Future[None]]] = Batcher(self._send, most=MOST_PER_CALL)

    @property
    def quiet(self) -> bool:
        """Nothing is on its way or about to be."""
        return self._batcher.quiet

    async def landed(self) -> None:
        await self._batcher.landed()

    async def close(self) -> None:
        await self._batcher.close()

    def progress(self, job: Job[object], progress: Progress) -> "asyncio.Future[None]":
        return self._say(job, b"progress", encode_progress(progress, self._codec))

    def log(self, job: Job[object], text: str) -> "asyncio.Future[None]":
        return self._say(job, b"log", encode_log(text))

    async def recall(self, job: Job[object], name: str) -> bytes | None:
        """What is kept of a step."""
        return await self.step(self._holding(job), name, None)

    async def keep(self, job: Job[object], name: str, body: bytes) -> bytes:
        """Keep the result of a step; returns the one that is kept."""
        kept = await self.step(self._holding(job), name, body)
        assert kept is not None
        return kept

    async def step(self, holding: Holding, name: str, body: bytes | None) -> bytes | None:
        """What is kept of a step, once its result is kept if there is one."""
        _, id_, token = holding
        if body is None:
            call = calls.recall(self._space, id_, token, name)
        else:
            call = calls.keep(self._space, id_, token, name, body, now_ms=self._clock.server_ms())
        held, kept = await self._store.send(call, timeout=None)
        if not held or (kept is None and body is not None):
            raise _lost(self._space.id(id_))
        return kept

    def _say(self, job: Job[object], kind: bytes, body: bytes) -> "asyncio.Future[None]":
        return self.say(self._holding(job), kind, body)

    def say(self, holding: Holding, kind: bytes, body: bytes) -> "asyncio.Future[None]":
        """A word that is encoded already."""
        said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._batcher.add(((*holding, kind, body), said))
        said.add_done_callback(_seen)
        return said

    def _holding(self, job: Job[object]) -> Holding:
        assert job._token is not None
        return job.type.encode(), self._space.member(job.id), job._token

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
                said.set_exception(_lost(self._space.id(id_)))
            else:
                said.set_result(None)


def _lost(job_id: int) -> LeaseLost:
    return LeaseLost(f"this run of job {job_id} no longer holds it: it was cancelled or given away")


def _seen(said: "asyncio.Future[None]") -> None:
    """Who does not await a word need not hear that nobody retrieved its error."""
    if not said.cancelled():
        said.exception()
