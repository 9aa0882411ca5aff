"""Partitioned: one logical queue over many slots of a cluster. Each partition is a queue as any other, here is the routing.

The id of a job is its number in its partition x partitions + partition, so that an id says where its job is. What names
no job is asked of all partitions and put together: sums, merged pages, merged events. Order holds per partition.
"""

import asyncio
import functools
import weakref
import zlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, Literal, NoReturn, TypeVar, Unpack

import msgspec

from barq import listing, merge, stats
from barq.aio import cancelled
from barq.audit import Acts
from barq.bulk import Acted
from barq.enqueue import Draft, EnqueueOptions, Terms
from barq.errors import InvalidValue, NoSuchPage, QueueFull, WorkerNotFound, WrongState, shown
from barq.events import Event, parse_position
from barq.explain import Explanation
from barq.failures import Attempt, Failures
from barq.job import Job
from barq.listing import Page
from barq.options import NO_LIMITS, job_id, whole_number
from barq.protocol import calls
from barq.protocol.call import MOST_PER_CALL
from barq.protocol.reads import TypeCounts
from barq.queue import Queue
from barq.search import MOST_COUNTED, Counted
from barq.session import Session
from barq.states import State
from barq.stats import TypeStats
from barq.store.connect import check_partitions
from barq.store.store import Store
from barq.sums import Sums
from barq.workers import WorkerInfo

T = TypeVar("T")

_OF_THIS_PROCESS: Final = ("parts", "_opened", "_shared", "_turn_of")
_MOST_BULK_CALLS: Final = 4
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
        self._turn_of: asyncio.AbstractEventLoop | None = None
        self._in_turn = 0
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
            _known_terms={},
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
        loop, part = asyncio.get_running_loop(), self.parts[self._next]
        self._in_turn += 1
        if self._turn_of is not loop:
            self._turn_of = loop
            loop.call_soon(self._turn_ends)
            stays = part._here().enqueuer_of(terms.durability).gathering
        else:
            stays = self._in_turn < MOST_PER_CALL
        if not stays:
            self._in_turn = 0
            self._next = (self._next + 1) % self.partitions
            part = self.parts[self._next]
        return part

    def _turn_ends(self) -> None:
        self._turn_of = None
        self._in_turn = 0

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
        return merge.counts(await self._of_all(lambda part: part.counts(type)))

    async def types(self) -> dict[str, TypeCounts]:
        await self._open()
        return merge.types(await self._of_all(lambda part: part.types()))

    async def stats(self) -> dict[str, TypeStats]:
        return await self._exchange(stats.of_types(self.space, await self.types(), now_ms=self.clock.server_ms()))

    async def totals(self) -> dict[str, Sums]:
        await self._open()
        return merge.sums(await self._of_all(lambda part: part.totals()))

    async def _exchange(self, steps: listing.Exchange[T]) -> T:
        """Of a queue as a whole only what `stats` and `history` ask: each call goes to all, their answers are added."""
        await self._open()
        reply = None
        while True:
            try:
                call = steps.send(reply)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if call.script is None or call.script.name not in ("stats", "history"):
                self._here()
            replies = await self._of_all(
                lambda part, call=call: part._here().store.send(msgspec.structs.replace(call, prefix=part.space.prefix))  # type: ignore[misc]
            )
            reply = merge.over_time(replies)

    async def paused(self) -> dict[str, Any] | None:
        await self._open()
        return next(filter(None, await self._of_all(lambda part: part.paused())), None)

    async def logs(self, id: int) -> list[tuple[datetime, str]]:
        await self._open()
        return await self._of(id).logs(id)

    async def explain(self, id: int) -> Explanation:
        await self._open()
        return await self._of(id).explain(id)

    async def attempts(self, id: int) -> list[Attempt]:
        await self._open()
        return await self._of(id).attempts(id)

    async def failures(self, type: str | None = None) -> Failures:
        await self._open()
        return merge.failures(await self._of_all(lambda part: part.failures(type)))

    async def audit(self, limit: int = 50, before: int | None = None) -> Acts:
        """The newest acts; there is no going on behind them, for each partition numbers its own."""
        if before is not None:
            raise InvalidValue("before must be None: a queue with partitions tells its newest acts only")
        await self._open()
        return merge.acts(await self._of_all(lambda part: part.audit(limit)), limit=limit)

    async def find(self, query: str = "", *, limit: int = 50, after: str | None = None) -> Page:
        """One partition after the other, newest first in each."""
        await self._open()
        number, place = self._at(after)
        page = await self.parts[number].find(query, limit=limit, after=place)
        return Page(page, self._behind(number, page.next))

    async def count(self, query: str = "", *, looks: int = MOST_COUNTED) -> Counted:
        await self._open()
        counted = await self._of_all(lambda part: part.count(query, looks=looks))
        return Counted(sum(counted), exact=all(one.exact for one in counted))

    async def workers(self) -> list[WorkerInfo]:
        await self._open()
        return merge.workers(await self._of_all(lambda part: part.workers()))

    async def events(self, after: str | None = None, *, wait: bool = True) -> AsyncIterator[Event]:
        """Those of a partition come in order; between partitions there is none. A position names all of them."""
        await self._open()
        positions = (await self.position() if after is None else self._checked_position(after)).split(",")
        if wait:
            starts = zip(self.parts, list(positions), strict=True)
            merged = merge.as_they_come([functools.partial(part.events, after) for part, after in starts])
        else:
            starts = zip(self.parts, list(positions), strict=True)
            merged = merge.by_time([part.events(after, wait=False) for part, after in starts])
        async with aclosing(merged) as events:  # type: ignore[type-var]
            async for number, event in events:
                positions[number] = event.position
                yield msgspec.structs.replace(event, position=",".join(positions))

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

    async def act_on(
        self,
        verb: Literal["retry", "cancel", "promote", "remove"],
        *,
        where: str,
        dry_run: bool = False,
        most: int = 10_000,
        after: str | None = None,
        by: str = "",
    ) -> Acted:
        """One partition after the other."""
        await self._open()
        number, place = self._at(after)
        most = whole_number("most", most, least=1, most=10**9)
        matched = done = refused = 0
        more = False
        while True:
            part = await self.parts[number].act_on(
                verb, where=where, dry_run=dry_run, most=most - matched, after=place, by=by
            )
            matched, done, refused = matched + part.matched, done + part.done, refused + part.refused
            more, next = more or part.more, self._behind(number, part.next)
            if next is None or part.next is not None or (matched >= most and not dry_run):
                return Acted(matched, done, refused, more or next is not None, None if dry_run else next)
            number, place = self._at(next)

    def _at(self, after: str | None) -> tuple[int, str | None]:
        """The partition, and where to go on in it: NUMBER:PLACE."""
        if after is None:
            return 0, None
        number, mark, place = after.partition(":") if isinstance(after, str) else ("", "", "")
        if not mark or not number.isascii() or not number.isdecimal() or int(number) >= self.partitions:
            raise NoSuchPage(f"after must be the `next` of what came before, got {shown(after)}")
        return int(number), place or None

    def _behind(self, number: int, place: str | None) -> str | None:
        if place is None:
            return f"{number + 1}:" if number + 1 < self.partitions else None
        return f"{number}:{place}"

    async def edit(self, id: int, *data: Any, **options: Any) -> None:
        await self._open()
        await self._of(id).edit(id, *data, **options)

    async def clone(self, id: int, *data: Any, **options: Any) -> Job[Any]:
        await self._open()
        return await self._of(id).clone(id, *data, **options)

    async def drain_worker(self, id: str, *, by: str = "") -> bool:
        return await self._order(lambda part: part.drain_worker(id, by=by))

    async def stop_worker(self, id: str, *, by: str = "") -> bool:
        return await self._order(lambda part: part.stop_worker(id, by=by))

    async def resume_worker(self, id: str, *, by: str = "") -> bool:
        return await self._order(lambda part: part.resume_worker(id, by=by))

    async def _order(self, order: Callable[[Queue], Awaitable[bool]]) -> bool:
        """A worker hears it in the first partition soonest, and takes it for all; it is told in the others as well, for it
        may not reach that one."""
        await self._open()
        answers = await asyncio.gather(*map(order, self.parts), return_exceptions=True)
        told = [answer for answer in answers if not isinstance(answer, BaseException)]
        for answer in answers:
            if isinstance(answer, BaseException) and (not told or not isinstance(answer, WorkerNotFound)):
                raise answer
        return any(told)

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
        stored = await store.send(calls.partitions_there(self.space), timeout=timeout)
        if stored is None:
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
