"""Enqueue: from what a caller asks to jobs in the server. The first step of the way; then comes worker/claim.py."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypedDict

import msgspec

from barq.backoff import Backoff
from barq.batch import TOO_FEW_TO_SPLIT, Batcher
from barq.clock import Clock
from barq.durability import Durability, durability_of
from barq.errors import InvalidType, QueueFull
from barq.options import (
    NO_LIMITS,
    Delay,
    Priority,
    due,
    encode_options,
    job_options,
    placed,
    priority_number,
    seconds_or_none,
    text,
    type_name,
)
from barq.protocol import calls
from barq.protocol.call import MOST_PER_CALL, Space
from barq.protocol.calls import Lot, NewJob, lot_of
from barq.record import record_head
from barq.room import Patience, refusal, taken
from barq.store.store import Store
from barq.words import asked_terms

MOST_WAITING: Final = 20_000
_MOST_BULK_CALLS: Final = 4
_TOO_FEW_OF_A_PARTITION: Final = 64
"""Other partitions have calls in flight as well."""
WATCH_MS: Final = 300_000
"""How long a job is watched for who does not renew it (watch.py does)."""
_LONGEST_TOKEN: Final = 512


class EnqueueOptions(TypedDict, total=False):
    """What may be asked of a job. Seconds are numbers or timedeltas."""

    priority: Priority
    """low, normal (the default), medium, high, critical, or a whole number; smaller runs first, equal ones in order."""
    delay: Delay | None
    """Not before that many seconds, or that datetime (with time zone)."""
    attempts: int
    """How often it is run at most when it fails (default 1). A worker's death does not count."""
    backoff: Backoff | None
    """The wait between attempts: barq.fixed(…) or barq.exponential(…), which is the default."""
    timeout: Any
    """Seconds after which one run is ended and counts as failed."""
    title: str | None
    """A name for people."""
    remove_on_complete: bool
    """Forget the job when it completes."""
    index: Sequence[str]
    """Fields of its data by which it can be found: with ("customer",) as customer:42. "a.b" is b inside of a."""
    token: str | None
    """Idempotency token: a second enqueue with the same token within a day gives the same job."""
    durability: Durability | str
    """How safe the job is before the enqueue returns: local, fsync, replicated, or barq.replicated(n)."""
    wait_for_room: float | timedelta | None
    """Seconds to wait when the queue is full, before QueueFull is raised (default 0); None = for ever."""


_AS_THE_QUEUE: Final = -1.0
_NAMES: Final = EnqueueOptions.__annotations__.keys()
_PLACING: Final = ("priority", "delay", "token", "durability", "wait_for_room")


class Terms:
    """What is asked of a job but its data, checked and encoded. Shared by all jobs of which the same is asked."""

    __slots__ = (
        "_head",
        "_plain",
        "_priority",
        "_type",
        "due",
        "durability",
        "job_options",
        "priority",
        "searchable",
        "token",
        "type",
        "wait_for_room",
    )

    def __init__(self, type: str, options: Mapping[str, Any]) -> None:
        if unknown := options.keys() - _NAMES:
            raise InvalidType(
                f"a job has no option {', '.join(sorted(map(repr, unknown)))}; options are {', '.join(_NAMES)}"
            )
        self.type = type_name(type)
        self.priority = priority_number(options.get("priority", 0))
        self.due = due(options.get("delay"))
        token = options.get("token")
        self.token = None if token is None else text("token", token, longest=_LONGEST_TOKEN)
        self.durability = durability_of(options["durability"]) if "durability" in options else None
        wait = options.get("wait_for_room", _AS_THE_QUEUE)
        self.wait_for_room = wait if wait is _AS_THE_QUEUE else seconds_or_none("wait_for_room", wait)
        asked = {name: value for name, value in options.items() if name not in _PLACING}
        self.job_options = placed(job_options(**asked), self.due)
        self.searchable = bool(self.job_options.title or self.job_options.index)
        self._type = self.type.encode()
        self._priority = b"%d" % self.priority
        self._plain = self._lot()
        self._head = record_head(priority=self.priority, type=self.type, options=encode_options(self.job_options))

    def room_seconds(self, of_the_queue: float | None) -> float | None:
        """How long to wait when the queue is full."""
        return of_the_queue if self.wait_for_room is _AS_THE_QUEUE else self.wait_for_room

    def terms_of(self, data: Any) -> bytes:
        """What a job with this data can be searched for, beside what every job can. Raises InvalidPayload."""
        return asked_terms(self.job_options.title, self.job_options.index, data)

    def new_job(self, draft: "Draft", *, watch: bool = False) -> NewJob:
        lot = self._lot(watch, draft.found_by) if watch or draft.found_by else self._plain
        return lot, self._head + draft.payload

    def new_jobs(self, drafts: Sequence["Draft"]) -> list[NewJob]:
        """Of drafts with these terms."""
        if self.searchable:
            return [self.new_job(draft) for draft in drafts]
        lot, head = self._plain, self._head
        return [(lot, head + draft.payload) for draft in drafts]

    def _lot(self, watch: bool = False, terms: bytes = b"") -> Lot:
        return lot_of(self._type, self._priority, self.due, token=self.token, watch=watch, terms=terms)


class Draft(msgspec.Struct, gc=False):
    """A job that is not in the server yet."""

    terms: Terms
    payload: bytes
    found_by: bytes = b""

    @property
    def type(self) -> str:
        return self.terms.type

    @property
    def priority(self) -> int:
        return self.terms.priority


class Enqueuer:
    """Group commit: jobs of many coroutines in one call, each call under a name that makes repeating it harmless."""

    def __init__(self, store: Store, space: Space, clock: Clock, *, inbox: str, name: str = "") -> None:
        self._store = store
        self._space = space
        self._clock = clock
        self._inbox = inbox.encode()
        self._name = f"{inbox}{name}".encode()
        few = TOO_FEW_TO_SPLIT if space.partitions == 1 else _TOO_FEW_OF_A_PARTITION
        self._batcher = Batcher(self._commit, most=MOST_PER_CALL, few=few)
        self._loop = asyncio.get_running_loop()
        self._batches = 0
        self._free_names: list[bytes] = []
        self._names = 0

    @property
    def gathering(self) -> bool:
        """A batch has begun to fill, and is not full."""
        return 0 < len(self._batcher) < MOST_PER_CALL

    async def one(self, job: NewJob) -> int:
        """Store a job, together with what others enqueue in this turn of the loop; returns its id."""
        if len(self._batcher) >= MOST_WAITING:
            await self._batcher.room(MOST_WAITING)
        stored: asyncio.Future[int] = self._loop.create_future()
        self._batcher.add((job, stored))
        return await stored

    async def many(self, drafts: Sequence[Draft], *, room_seconds: float | None = 0.0) -> AsyncIterator[list[int]]:
        """Store jobs of the same terms in calls of MOST_PER_CALL, in order; gives the ids of each call.

        At an error the first calls count.
        """
        if room_seconds != 0 or self._space.limits is not NO_LIMITS:
            async for ids in self._in_turn(drafts, room_seconds):
                yield ids
            return
        flying: deque[asyncio.Task[list[int]]] = deque()
        try:
            for at in range(0, len(drafts), MOST_PER_CALL):
                part = drafts[0].terms.new_jobs(drafts[at : at + MOST_PER_CALL])
                flying.append(self._loop.create_task(self._send(part)))
                if len(flying) >= _MOST_BULK_CALLS:
                    yield await flying.popleft()
            while flying:
                yield await flying.popleft()
        finally:
            for task in flying:
                task.cancel()

    async def _in_turn(self, drafts: Sequence[Draft], room_seconds: float | None) -> AsyncIterator[list[int]]:
        """Jobs of one type where a call may be refused: one call after the other, so that those stored are the first ones."""
        patience, stored = Patience(room_seconds), 0
        while stored < len(drafts):
            part = drafts[0].terms.new_jobs(drafts[stored : stored + MOST_PER_CALL])
            ids: list[int] = []
            full: QueueFull | None = None
            try:
                ids = await self._send(part)
            except QueueFull as error:
                full = error
            if (count := taken(ids)) < len(ids):
                full = refusal(self._space, part[count], ids[count])
            if count:
                patience.renew()
                stored += count
                yield ids[:count]
            if full is not None:
                full.stored = stored
                await patience.wait(full)

    async def _commit(self, batch: list[tuple[NewJob, "asyncio.Future[int]"]]) -> None:
        waiting = [entry for entry in batch if not entry[1].done()]  # a caller may have been cancelled meanwhile
        if not waiting:
            return
        try:
            ids = await self._send([job for job, _ in waiting])
        except BaseException as error:
            for _, stored in waiting:
                if not stored.done():
                    stored.set_exception(error if isinstance(error, Exception) else ConnectionError("closed"))
            if not isinstance(error, Exception):
                raise
        else:
            for (job, stored), job_id in zip(waiting, ids, strict=True):
                if stored.done():
                    continue
                if job_id > 0:
                    stored.set_result(job_id)
                else:
                    stored.set_exception(refusal(self._space, job, job_id))

    async def _send(self, jobs: Sequence[NewJob]) -> list[int]:
        # A name is used by one call at a time: the server remembers the last batch under each name.
        if self._free_names:
            name = self._free_names.pop()
        else:
            self._names += 1
            name = b"%b.%d" % (self._name, self._names)
        self._batches += 1
        call = calls.enqueue(
            self._space,
            jobs,
            now_ms=self._clock.server_ms(),
            producer=name,
            batch=self._batches,
            inbox=self._inbox,
            watch_ms=WATCH_MS,
        )
        try:
            return await self._store.send(call)
        finally:
            self._free_names.append(name)
