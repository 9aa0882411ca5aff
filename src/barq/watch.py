"""Watch: events of certain jobs for who waits for them, through an inbox of one's own in the server.

Ten thousand waiters cost the others nothing: nobody reads the queue's stream for them. The inbox is a stream too, so
nothing is lost when the connection is; after a reconnect, and now and then, the jobs' states are read as well.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from barq.batch import Batcher
from barq.clock import Clock
from barq.codec import Codec
from barq.enqueue import WATCH_MS
from barq.errors import ServerError
from barq.events import CLOSED, Event, ending_of, event_of
from barq.protocol import streams
from barq.protocol.call import MOST_PER_CALL, Space
from barq.record import Status
from barq.states import ENDINGS, FINISHED
from barq.store.store import Store

log = logging.getLogger("barq.watch")

Listener = Callable[[Event], None]
Position = tuple[int, int]

_REFRESH_SECONDS: Final = 100.0
_BLOCK_SECONDS: Final = 5.0
_MOST_UNCLAIMED: Final = 10_000
_PAUSE_SECONDS: Final = 1.0
_BEGINNING: Final = (0, 0)
_NOW: Final = (2**64, 0)


class Listening:
    """A listener, and behind which position of the inbox it hears. Until that is known, what happens is kept for it."""

    def __init__(self, listener: Listener, *, since: Position | None = None) -> None:
        self.listener = listener
        self._since = since
        self._early: list[tuple[Position, Event]] = []

    def begin(self, since: Position) -> None:
        self._since = since
        for position, event in self._early:
            self.hear(position, event)
        self._early.clear()

    def hear(self, position: Position, event: Event) -> bool:
        """False when this is not, or not yet, for its ears."""
        if self._since is None:
            self._early.append((position, event))
            return False
        if position <= self._since:
            return False
        try:
            self.listener(event)
        except Exception:
            log.exception("a listener to %s of job %d raised", event.name, event.job_id)
        return True


class Watcher:
    """Hands events to listeners, per job and in order. One per queue and event loop."""

    def __init__(self, store: Store, ear: Store, space: Space, clock: Clock, codec: Codec, *, inbox: str) -> None:
        self._store = store
        self._ear = ear
        self._space = space
        self._clock = clock
        self._codec = codec
        self._inbox = inbox
        self._key = streams.inbox_key(space, inbox)
        self._position = b"0-0"
        self._listeners: dict[int, list[Listening]] = {}
        self._enqueues = 0  # under way, of jobs whose events may arrive before their ids
        self._unclaimed: dict[int, list[tuple[Position, Event]]] = {}
        self._registrations: Batcher[tuple[int, asyncio.Future[tuple[Position, Status | None]]]] = Batcher(
            self._register, most=MOST_PER_CALL
        )
        self._reader: asyncio.Task[None] | None = None

    async def expect(self, enqueued: Awaitable[int], listener: Listener) -> int:
        """Listen to a job whose enqueue has it watched from its first event on; returns its id."""
        self._enqueues += 1
        try:
            job_id = await enqueued
            early = self._unclaimed.pop(job_id, ())
            self._add(job_id, Listening(listener, since=_BEGINNING))
            for position, event in early:
                self._deliver(position, event)
        finally:
            self._enqueues -= 1
            if not self._enqueues:
                self._unclaimed.clear()
        return job_id

    async def watch(self, job_id: int, listener: Listener) -> Status | None:
        """Listen to a job from now on; returns how it stands now, None when there is no such job.

        Nothing falls between the answer and the first event. A job that has ended is not listened to.
        """
        listening = Listening(listener)
        self._add(job_id, listening)
        try:
            stands: asyncio.Future[tuple[Position, Status | None]] = asyncio.get_running_loop().create_future()
            self._registrations.add((job_id, stands))
            since, status = await stands
        except BaseException:
            self.forget(job_id, listener)
            raise
        if status is None or status.state in FINISHED:
            self.forget(job_id, listener)
        else:
            listening.begin(since)
        return status

    def join(self, job_id: int, heard: Listener, listener: Listener) -> bool:
        """Listen beside `heard`, which listens since the enqueue. False: that has heard of the ending already."""
        if all(other.listener != heard for other in self._listeners.get(job_id, ())):
            return False
        self._add(job_id, Listening(listener, since=_BEGINNING))
        return True

    def forget(self, job_id: int, listener: Listener) -> None:
        left = [other for other in self._listeners.pop(job_id, ()) if other.listener != listener]
        if left:
            self._listeners[job_id] = left

    async def close(self) -> None:
        """Everybody who still listens gets an event named closed."""
        while self._reader is not None and not self._reader.done():
            self._reader.cancel()
            await asyncio.wait([self._reader], timeout=0.1)
        for job_id, listening in list(self._listeners.items()):
            for one in listening:
                one.begin(_BEGINNING)
                one.hear(_NOW, Event(CLOSED, "", job_id, datetime.now(UTC)))
        self._listeners.clear()
        await self._ear.close()

    def _add(self, job_id: int, listening: Listening) -> None:
        self._listeners.setdefault(job_id, []).append(listening)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.get_running_loop().create_task(self._read(), name="barq inbox")

    async def _register(self, batch: list[tuple[int, "asyncio.Future[tuple[Position, Status | None]]"]]) -> None:
        try:
            # in one write: what stands in the inbox now was told before, perhaps to nobody
            last, standing = await asyncio.gather(
                self._store.send(streams.last_position(self._space, self._key)),
                self._ask([job_id for job_id, _ in batch]),
            )
        except Exception as error:
            for _, stands in batch:
                if not stands.done():
                    stands.set_exception(error)
        else:
            for job_id, stands in batch:
                if not stands.done():
                    stands.set_result((_parsed(last), standing.get(job_id)))

    async def _ask(self, ids: list[int], *, timeout: float | None = -1) -> dict[int, Status]:
        now_ms = self._clock.server_ms()
        call = streams.watch(self._space, dict.fromkeys(ids), now_ms=now_ms, inbox=self._inbox, watch_ms=WATCH_MS)
        return {job.id: job.status for job in await self._store.send(call, timeout=timeout)}

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        connections, refresh_at = 0, loop.time() + _REFRESH_SECONDS
        while self._listeners:
            try:
                await self._take(block_ms=round(_BLOCK_SECONDS * 1000))
                if self._ear.connections > max(connections, 1) or loop.time() >= refresh_at:
                    await self._refresh()
                    refresh_at = loop.time() + _REFRESH_SECONDS
                connections = self._ear.connections
            except ServerError as error:  # a right that was taken away may come back
                log.warning("the inbox of this process can't be read: %s", error)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _take(self, *, block_ms: int | None) -> bool:
        call = streams.read(self._space, self._key, self._position, block_ms=block_ms)
        found = await self._ear.send(call, may_block=_BLOCK_SECONDS, timeout=None)
        for happened in found:
            self._position = happened.position
            self._deliver(_parsed(happened.position), event_of(happened, self._codec))
        return bool(found)

    async def _refresh(self) -> None:
        """Watch again, and end what ended without a word of it reaching us (the server may have lost its last second)."""
        ids = list(self._listeners)
        for at in range(0, len(ids), MOST_PER_CALL):
            part = ids[at : at + MOST_PER_CALL]
            standing = await self._ask(part, timeout=None)
            while await self._take(block_ms=None):
                pass
            for job_id in part:
                if job_id in self._listeners and (event := self._missed_ending(job_id, standing.get(job_id))):
                    self._deliver(_NOW, event)

    def _missed_ending(self, job_id: int, status: Status | None) -> Event | None:
        if status is None:
            return Event("remove", "", job_id, datetime.now(UTC))
        return ending_of(status, self._codec, type="", job_id=job_id)

    def _deliver(self, position: Position, event: Event) -> None:
        listening = self._listeners.get(event.job_id)
        if listening is None:
            if self._enqueues and (event.job_id in self._unclaimed or len(self._unclaimed) < _MOST_UNCLAIMED):
                self._unclaimed.setdefault(event.job_id, []).append((position, event))
            return
        for one in list(listening):
            if one.hear(position, event) and event.name in ENDINGS:
                self.forget(event.job_id, one.listener)


def _parsed(position: bytes) -> Position:
    ms, _, number = position.partition(b"-")
    return int(ms), int(number)
