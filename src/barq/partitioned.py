"""Partitioned: one logical queue over many slots of a cluster. Each partition is a queue as any other, here is the routing.

The id of a job is its number in its partition x partitions + partition, so that an id says where its job is. What names
no job is asked of all partitions and put together: sums, merged pages, merged events. Order holds per partition.
"""

import asyncio
import weakref
import zlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar, Unpack

import msgspec

from barq import listing
from barq.aio import cancelled
from barq.enqueue import Draft, EnqueueOptions, Terms
from barq.errors import InvalidValue, QueueFull, WrongState, shown
from barq.events import Event, parse_position
from barq.job import Job
from barq.listing import Page
from barq.options import NO_LIMITS, job_id, whole_number
from barq.protocol import calls
from barq.protocol.calls import MOST_PER_CALL, TypeCounts
from barq.queue import Queue
from barq.session import Session
from barq.states import State
from barq.store.connect import check_partitions
from barq.store.store import Store
from barq.workers import WorkerInfo

T = TypeVar("T")

_OF_THIS_PROCESS: Final = ("parts", "_opened", "_shared")
_MOST_BULK_CALLS: Final = 4
_MOST_EVENTS_AHEAD: Final = 1_000
_MOST_SKIPPED: Final = 10_000
_MOST_OF_A_PAGE: Final = 1_000


class Partition(Queue):
    """One partition. On a single server all of them share a connection."""

    _shared: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Store]"

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key not in _OF_THIS_PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._shared = weakref.WeakKeyDictionary()

    def _session(self, store: Store | None = None) -> Session:
        return super()._session(store or self._shared.get(asyncio.get_running_loop()))


class PartitionedQueue(Queue):
    """What `barq.Queue(name, partitions=…)` makes. `parts` are its partitions, each a queue by itself."""

    def __init__(self, name: str = "default", *, partitions: int, **options: Any) -> None:
        super().__init__(name, partitions=partitions, **options)
        self.target = self.target.of_queue(name, whole=False)
        self._next = int(self.clock.random() * partitions)
        self._cut()

    def _cut(self) -> None:
        self._opened: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._shared: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Store] = weakref.WeakKeyDictionary()
        self.parts = [self._part(number) for number in range(self.partitions)]

    def _part(self, number: int) -> Partition:
        part = Partition.__new__(Partition)
        space = self.space.part(number, self.partitions)
        part.__dict__.update(  # the handlers, the codec, the clock and the test mode are those of the whole
            self.__dict__,
            name=space.queue,
            space=space,
            target=self.target.of_queue(space.queue, whole=False),
            _plain_terms={},
            _sessions=weakref.WeakKeyDictionary(),
        )
        return part

    def __repr__(self) -> str:
        return f"<Queue {self.name} in {self.partitions} partitions at {self.target.shown}>"

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key not in _OF_THIS_PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._cut()

    async def close(self) -> None:
        await asyncio.gather(*(part.close() for part in self.parts))
        loop = asyncio.get_running_loop()
        self._opened.discard(loop)
        if (store := self._shared.pop(loop, None)) is not None:
            await store.close()

    # ---- enqueue

    async def enqueue(self, type: str, data: Any = None, **options: Unpack[EnqueueOptions]) -> Job[Any]:
        draft = self._draft(type, data, options)
        job: Job[Any] = Job(self, 0, draft)
        if self.test_mode.entered:
            job.id = self.test_mode.record(job)
            return job
        await self._open()
        part = job._queue = self._gathering(draft.terms)
        job.id = await part._send(draft)
        return job

    def _gathering(self, terms: Terms) -> Queue:
        """The partition for a job: by its token, else the one whose batch is filling, else the next one.

        So what is enqueued in one turn of the loop stays together, and over time all get the same.
        """
        if terms.token is not None:
            return self.parts[zlib.crc32(terms.token.encode()) % self.partitions]
        part = self.parts[self._next]
        if not part._here().enqueuer_of(terms.durability).gathering:
            self._next = (self._next + 1) % self.partitions
            part = self.parts[self._next]
        return part

    async def _send_many(self, terms: Terms, drafts: list[Draft]) -> list[Job[Any]]:
        if self.test_mode.entered:
            return await super()._send_many(terms, drafts)
        await self._open()
        may_be_refused = self.space.limits is not NO_LIMITS or terms.room_seconds(self._wait_for_room) != 0
        most = 1 if may_be_refused else _MOST_BULK_CALLS
        made: list[Job[Any]] = []
        flying: deque[asyncio.Task[list[Job[Any]]]] = deque()
        try:
            for at in range(0, len(drafts), MOST_PER_CALL):
                self._next = (self._next + 1) % self.partitions
                sending = self.parts[self._next]._send_many(terms, drafts[at : at + MOST_PER_CALL])
                flying.append(asyncio.create_task(sending, name="barq enqueue"))
                if len(flying) >= most:
                    made += await flying.popleft()
            while flying:
                made += await flying.popleft()
        except QueueFull as error:
            error.stored += len(made)
            raise
        finally:
            await cancelled(flying)
        return made

    async def _save(self, job: Job[Any], draft: Draft) -> None:
        if self.test_mode.entered:
            await super()._save(job, draft)
            return
        await self._open()
        part = job._queue = self._gathering(draft.terms)
        await part._save(job, draft)

    def _listen(self, job: Job[Any]) -> None:
        if not self.test_mode.entered:
            self._of(job.id)._listen(job)

    # ---- look

    async def get(self, id: int) -> Job[Any]:
        await self._open()
        return await self._of(id).get(id)

    async def jobs(
        self,
        state: str | None = None,
        type: str | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
        skip: int = 0,
        newest_first: bool = False,
    ) -> Page:
        if after is not None and skip:
            raise InvalidValue("a page takes after or skip, not both")
        limit = whole_number("limit", limit, least=1, most=_MOST_OF_A_PAGE)
        skip = whole_number("skip", skip, least=0, most=_MOST_SKIPPED)
        await self._open()
        while skip:
            left_out = await self._page(
                state, type, limit=min(skip, _MOST_OF_A_PAGE), after=after, newest_first=newest_first
            )
            if left_out.next is None:
                return Page([], None)
            skip, after = skip - len(left_out), left_out.next
        return await self._page(state, type, limit=limit, after=after, newest_first=newest_first)

    async def _page(
        self, state: str | None, type: str | None, *, limit: int, after: str | None, newest_first: bool
    ) -> Page:
        """The next jobs in the order of all partitions: each gives as many, the first of them are the page."""
        sign, states = -1 if newest_first else 1, list(State)

        def place(job: Job[Any]) -> tuple[str, int, float, int]:
            assert job._status is not None, "it was read"
            return job.type, states.index(job.state), sign * job._status.score, sign * job.id

        pages = await self._of_all(
            lambda part: part.jobs(state, type, limit=limit, after=after, newest_first=newest_first)
        )
        found = sorted((job for page in pages for job in page), key=place)
        more = len(found) > limit or any(page.next for page in pages)
        return Page(found[:limit], listing.behind(found[limit - 1]) if more else None)

    async def counts(self, type: str | None = None) -> dict[str, int]:
        await self._open()
        return _summed(await self._of_all(lambda part: part.counts(type)))

    async def types(self) -> dict[str, TypeCounts]:
        await self._open()
        found: dict[str, TypeCounts] = {}
        for types in await self._of_all(lambda part: part.types()):
            for name, row in types.items():
                before = found.get(name)
                if before is not None:
                    row = replace(
                        before, paused=before.paused or row.paused, counts=_summed([before.counts, row.counts])
                    )
                found[name] = row
        return dict(sorted(found.items()))

    async def paused(self) -> dict[str, Any] | None:
        await self._open()
        return next(filter(None, await self._of_all(lambda part: part.paused())), None)

    async def logs(self, id: int) -> list[tuple[datetime, str]]:
        await self._open()
        return await self._of(id).logs(id)

    async def workers(self) -> list[WorkerInfo]:
        await self._open()
        found: dict[str, WorkerInfo] = {}
        for workers in await self._of_all(lambda part: part.workers()):
            for one in workers:
                running = found[one.id].running if one.id in found else 0
                found[one.id] = msgspec.structs.replace(one, running=running + one.running)
        return list(found.values())

    async def events(self, after: str | None = None, *, wait: bool = True) -> AsyncIterator[Event]:
        """Those of a partition come in order; between partitions there is none. A position names all of them."""
        await self._open()
        positions = (await self.position() if after is None else self._checked_position(after)).split(",")
        merged = self._as_they_come(positions) if wait else self._by_time(positions)
        async with aclosing(merged) as events:  # type: ignore[type-var]
            async for number, event in events:
                positions[number] = event.position
                yield replace(event, position=",".join(positions))

    async def position(self) -> str:
        await self._open()
        return ",".join(await self._of_all(lambda part: part.position()))

    def _checked_position(self, position: str) -> str:
        if position == "0":
            position = ",".join(["0"] * self.partitions)
        if not isinstance(position, str) or position.count(",") != self.partitions - 1:
            raise InvalidValue(
                f"after must be the position of an event of a queue with {self.partitions} partitions, which names "
                f"all of them, or '0', got {shown(position)}"
            )
        for one in position.split(","):
            parse_position(one)
        return position

    async def _as_they_come(self, positions: Sequence[str]) -> AsyncIterator[tuple[int, Event]]:
        arrived: asyncio.Queue[tuple[int, Event | BaseException]] = asyncio.Queue(_MOST_EVENTS_AHEAD)

        async def read(number: int, after: str) -> None:
            try:
                async with aclosing(self.parts[number].events(after)) as events:  # type: ignore[type-var]
                    async for event in events:
                        await arrived.put((number, event))
            except Exception as error:
                await arrived.put((number, error))

        readers = [
            asyncio.create_task(read(number, after), name="barq partition events")
            for number, after in enumerate(positions)
        ]
        try:
            while True:
                number, event = await arrived.get()
                if isinstance(event, BaseException):
                    raise event
                yield number, event
        finally:
            await cancelled(readers)

    async def _by_time(self, positions: Sequence[str]) -> AsyncIterator[tuple[int, Event]]:
        """What has happened so far."""
        streams = [part.events(after, wait=False) for part, after in zip(self.parts, list(positions), strict=True)]
        try:
            heads = await asyncio.gather(*(anext(stream, None) for stream in streams))
            while there := [(event.at, number, event) for number, event in enumerate(heads) if event is not None]:
                _, number, event = min(there, key=lambda one: one[:2])
                yield number, event
                heads[number] = await anext(streams[number], None)
        finally:
            for stream in streams:
                await stream.aclose()  # type: ignore[attr-defined]

    async def server_info(self) -> dict[str, str]:
        """Of the first partition's server."""
        await self._open()
        return await self.parts[0].server_info()

    async def ping(self) -> None:
        await self._open()
        await self._of_all(lambda part: part.ping())

    # ---- act

    async def pause(self, type: str | None = None, **options: Any) -> bool:
        await self._open()
        return any(await self._of_all(lambda part: part.pause(type, **options)))

    async def resume(self, type: str | None = None, *, by: str = "") -> bool:
        await self._open()
        return any(await self._of_all(lambda part: part.resume(type, by=by)))

    async def prune(self) -> int:
        await self._open()
        return sum(await self._of_all(lambda part: part.prune()))

    async def _refused(self, verb: str, ids: list[int], by: str) -> list[tuple[int, str]]:
        await self._open()
        of_part: dict[Queue, list[int]] = {}
        for id in ids:
            of_part.setdefault(self._of(id), []).append(id)
        found = await asyncio.gather(*(part._refused(verb, some, by) for part, some in of_part.items()))
        refused = dict(pair for some in found for pair in some)
        return [(id, refused[id]) for id in ids if id in refused]

    # ---- inside

    def _of(self, id: int) -> Partition:
        """The partition of a job."""
        return self.parts[job_id(id) % self.partitions]

    async def _of_all(self, ask: Callable[[Queue], Awaitable[T]]) -> list[T]:
        return await asyncio.gather(*(ask(part) for part in self.parts))

    async def _open(self) -> None:
        """When an event loop uses the queue first: check the number of partitions, or tell it. Raises WrongPartitions."""
        loop = asyncio.get_running_loop()
        if loop in self._opened:
            return
        store = Store(self.target, self.clock, timeout=self._timeout)
        try:
            await self.check(store)
        except BaseException:
            await store.close()
            raise
        if loop in self._opened:  # somebody was faster
            await store.close()
            return
        self._opened.add(loop)
        if self.on_one_server:
            self._shared[loop] = store
        else:
            await store.close()

    async def check(self, store: Store, *, timeout: float | None = -1) -> None:
        """Raises WrongPartitions."""
        stored = await store.send(calls.partitions(self.space, self.partitions), timeout=timeout)
        check_partitions(self.name, wanted=self.partitions, stored=stored)

    @property
    def on_one_server(self) -> bool:
        """Whether all partitions are on the same server, as far as is known; once connected it is."""
        return self.target.cluster is None or not self.target.cluster.known

    def _here(self) -> NoReturn:
        raise WrongState(
            f"queue {self.name} has {self.partitions} partitions, and this can't be asked of all of them together: "
            "ask each of queue.parts"
        )


def _summed(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    return {state: sum(one[state] for one in counts) for state in counts[0]}
