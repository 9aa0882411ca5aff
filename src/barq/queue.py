"""Queue: a namespace on a server, and all that can be done with its jobs. The door for users; the way begins in enqueue.py."""

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, ParamSpec, Self, TypeVar, Unpack, overload

import msgspec
from msgspec import UNSET

from barq import budgets, bulk, listing, stats, steer
from barq.audit import Acts
from barq.backoff import Backoff, BackoffFunction
from barq.bulk import Acted
from barq.clock import Clock
from barq.codec import Codec, JsonCodec
from barq.durability import LOCAL, Durability, durability_of
from barq.enqueue import Draft, EnqueueOptions, Terms
from barq.errors import InvalidPayload, InvalidType, InvalidValue, JobNotFound, UnfitData
from barq.events import Event, follow, newest_position
from barq.explain import Explanation
from barq.failures import Attempt, Failures
from barq.handlers import Handler, Handlers
from barq.job import Job
from barq.listing import Page
from barq.options import (
    KEEP_COMPLETED,
    KEEP_FAILED,
    Priority,
    Retention,
    job_id,
    kept,
    limits,
    queue_name,
    seconds_or_none,
    seconds_to_ms,
    type_name,
    whole_number,
)
from barq.protocol import acts, calls, reads, retention
from barq.protocol.call import MOST_PER_CALL, Call, Space
from barq.room import when_there_is_room
from barq.search import MOST_COUNTED, Counted
from barq.session import Session
from barq.states import State
from barq.stats import History, TypeStats
from barq.store.client import target_of_client
from barq.store.connect import parse_info
from barq.store.store import Store
from barq.store.target import Target, target_of_url
from barq.sums import Sums
from barq.task import Task, TaskOptions, make_task
from barq.test_mode import TestMode
from barq.workers import WorkerInfo

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
T = TypeVar("T")

_MOST_TERMS_KEPT: Final = 10_000
_OF_ONE_JOB: Final = ("delay", "title", "token")
MOST_PARTITIONS: Final = 1024

DEFAULT_URL: Final = "redis://127.0.0.1:6379"


class Queue:
    """Jobs on a server, for asyncio; barq.sync.Queue is the same for plain code. Connects when first used.

    `url`: redis://, rediss://, unix://, valkey://, redis+sentinel://HOST:PORT,HOST:PORT/NAME,
    redis+cluster://HOST:PORT,HOST:PORT, or embedded: for the bundled server; without it BARQ_URL, REDIS_URL, or
    127.0.0.1:6379. `client`: a redis-py or valkey-py client instead, whose addresses and passwords are used.
    `timeout`: seconds after which a call gives up on the server (ServerUnreachable); None = never.
    `durability`: how safe a job, or an act on it, is before the call returns: local, fsync, or barq.replicated(n).
    `keep_completed`, `keep_failed`: how long ended jobs are kept; `keep_events`, `keep_logs` (of each job): how many.
    `max_payload`: bytes of one job's data.
    `max_waiting`: how many jobs of a type may wait or be delayed (a number, or one for each type); `max_memory`: how many
    bytes the server may use for jobs to be added. Beyond them an enqueue waits `wait_for_room` seconds (None = for ever),
    then raises QueueFull.
    `partitions`: into how many slots of a cluster the queue is spread, chosen when it is first used (docs/scale.md).
    """

    def __new__(cls, *_: Any, partitions: int = 1, **__: Any) -> Self:
        if cls is Queue and partitions != 1:
            from barq.partitioned import PartitionedQueue  # who needs none has nothing to pay

            cls = PartitionedQueue  # type: ignore[assignment]
        return super().__new__(cls)

    def __init__(
        self,
        name: str = "default",
        *,
        url: str | None = None,
        client: Any = None,
        timeout: float | None = 5.0,
        durability: Durability | str = LOCAL,
        codec: Codec | None = None,
        keep_completed: Retention = KEEP_COMPLETED,
        keep_failed: Retention = KEEP_FAILED,
        keep_events: int | Retention = 10_000,
        keep_logs: int | Retention = 1_000,
        max_payload: int = 1024 * 1024,
        max_waiting: int | Mapping[str, int] | None = None,
        max_memory: int | None = None,
        wait_for_room: float | timedelta | None = 0,
        partitions: int = 1,
        clock: Clock | None = None,
    ) -> None:
        if url is not None and client is not None:
            raise InvalidValue("a queue takes a url or a client, not both")
        for option, value in (("keep_completed", keep_completed), ("keep_failed", keep_failed)):
            if not isinstance(value, Retention):
                raise InvalidType(f"{option} must be a barq.Retention(age=…, count=…, bytes=…), got {value!r}")
        events = kept("keep_events", keep_events, most=10**9)
        logs = kept("keep_logs", keep_logs, most=10**6)
        self.name = queue_name(name)
        self.partitions = whole_number("partitions", partitions, least=1, most=MOST_PARTITIONS)
        self.codec: Codec = codec if codec is not None else JsonCodec()
        self.clock = clock if clock is not None else Clock()
        self.test_mode = TestMode()
        self.handlers = Handlers()
        self.space = Space(
            queue=name,
            events_keep=events.count or 1,
            logs_keep=logs.count or 1,
            completed=keep_completed,
            failed=keep_failed,
            limits=limits(max_waiting, max_memory),
            events_bytes=events.bytes,
            log_bytes=logs.bytes,
        )
        self._wait_for_room = seconds_or_none("wait_for_room", wait_for_room)
        self._timeout = None if timeout is None else seconds_to_ms("timeout", timeout, least_ms=1) / 1000
        self._durability = durability_of(durability)
        self._max_payload = whole_number("max_payload", max_payload, least=1, most=512 * 1024 * 1024 - 1024)
        self._known_terms: dict[tuple[Any, ...], Terms] = {}
        self.target: Target = self._target_of(url, client).of_queue(name)
        self._sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Session] = weakref.WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"<Queue {self.name} at {self.target.shown}>"

    def __getstate__(self) -> dict[str, Any]:
        """Another process gets the queue's settings; handlers and connections stay where they are."""
        anew = {"handlers": Handlers(), "test_mode": TestMode(), "_known_terms": {}, "_sessions": None}
        return {**self.__dict__, **anew}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _sessions=weakref.WeakKeyDictionary())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close this event loop's connections. The queue connects again when it is used again."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    # ---- enqueue

    async def enqueue(self, type: str, data: Any = None, **options: Unpack[EnqueueOptions]) -> Job[Any]:
        """Store a job and return it. Options are those of barq.EnqueueOptions.

        Jobs enqueued by many coroutines at a time share calls to the server. Raises InvalidValue, InvalidType or
        InvalidPayload before anything is sent, ServerUnreachable or NotConfirmed (a repeat with the same `token` is
        safe), or QueueFull.
        """
        draft = self._draft(type, data, options)
        job: Job[Any] = Job(self, 0, draft)
        job.id = self.test_mode.record(job) if self.test_mode.entered else await self._send(draft)
        return job

    async def enqueue_many(self, type: str, data: Iterable[Any], **options: Unpack[EnqueueOptions]) -> list[Job[Any]]:
        """Store a job for each item of `data`, all with the same options; returns them in order.

        All are checked before the first is sent. They travel in calls of 250, each of them all or nothing; with QueueFull
        the first ones, as many as its `stored` says, are stored.
        """
        if isinstance(data, str | bytes | dict) or not isinstance(data, Iterable):
            raise InvalidType(f"data must be a list with the data of each job, got {data!r:.80}")
        if options.get("token") is not None:
            raise InvalidValue("one token can't name many jobs: enqueue them one by one, each with its own")
        terms = self._terms(type, options)
        return await self._send_many(terms, [self._drafted(terms, item) for item in data])

    def create(self, type: str, data: Any = None, **options: Unpack[EnqueueOptions]) -> Job[Any]:
        """Make a job without storing it yet: add callbacks with `job.on`, then `await job.save()`."""
        return Job(self, 0, self._draft(type, data, options))

    def _draft(self, type: str, data: Any, options: EnqueueOptions) -> Draft:
        return self._drafted(self._terms(type, options), data)

    def _drafted(self, terms: Terms, data: Any) -> Draft:
        return Draft(terms, self._encode(data), terms.terms_of(data) if terms.searchable else b"")

    def _terms(self, type: str, options: EnqueueOptions) -> Terms:
        """What is asked; what is asked again and again is worked out once."""
        # with the classes of values, for True equals 1 and is no number of attempts
        key = (type, *[(name, value, value.__class__) for name, value in options.items()])
        try:
            terms = self._known_terms.get(key)
        except TypeError:  # a list among them, say
            return Terms(type, options)
        if terms is None:
            terms = Terms(type, options)
            if len(self._known_terms) < _MOST_TERMS_KEPT and options.keys().isdisjoint(_OF_ONE_JOB):
                self._known_terms[key] = terms
        return terms

    def _encode(self, data: Any) -> bytes:
        payload = self.codec.encode(data)
        if len(payload) > self._max_payload:
            raise InvalidPayload(
                f"data of a job must have at most {self._max_payload} bytes, got {len(payload)}: "
                "store it elsewhere and send its key, or give the queue a larger max_payload"
            )
        return payload

    def decode_data(self, payload: bytes) -> Any:
        """The data of a job for its handler. Raises UnfitData."""
        try:
            return self.codec.decode(payload)
        except Exception as error:  # a codec may raise anything
            raise UnfitData(f"the job's data can't be read: {type(error).__name__}: {error}") from error

    def encode_result(self, value: Any) -> bytes:
        """What a handler returned, as it is stored. Raises InvalidPayload."""
        result = self.codec.encode(value)
        if len(result) > self._max_payload:
            raise InvalidPayload(f"a result must have at most {self._max_payload} bytes, got {len(result)}")
        return result

    async def _send_many(self, terms: Terms, drafts: list[Draft]) -> list[Job[Any]]:
        made: list[Job[Any]] = []
        if self.test_mode.entered:
            for draft in drafts:
                made.append(Job(self, 0, draft))
                made[-1].id = self.test_mode.record(made[-1])
            return made
        enqueuer, room_seconds = self._here().enqueuer_of(terms.durability), terms.room_seconds(self._wait_for_room)
        async for ids in enqueuer.many(drafts, room_seconds=room_seconds):
            at = len(made)
            made += [Job(self, id, draft) for id, draft in zip(ids, drafts[at : at + len(ids)], strict=True)]
        return made

    async def _send(self, draft: Draft, *, watch: bool = False) -> int:
        terms, enqueuer = draft.terms, self._here().enqueuer_of(draft.terms.durability)
        new_job = terms.new_job(draft, watch=watch)
        room_seconds = terms.room_seconds(self._wait_for_room)
        if room_seconds == 0:
            return await enqueuer.one(new_job)
        return await when_there_is_room(lambda: enqueuer.one(new_job), room_seconds)

    async def _save(self, job: Job[Any], draft: Draft) -> None:
        if self.test_mode.entered:
            job.id = self.test_mode.record(job)
            job._dispatch(Event("enqueue", job.type, job.id, datetime.now(UTC)))
        elif job._callbacks:
            here, job._followed = self._here(), True
            job.id = await here.watcher.expect(self._send(draft, watch=True), job._dispatch)
        else:
            job.id = await self._send(draft)

    def _listen(self, job: Job[Any]) -> None:
        """Have a stored job's callbacks called from now on."""
        session = self._here()

        async def listen() -> None:
            status = await session.watcher.watch(job.id, job._dispatch)
            if status is not None and (ending := job._ended(status)) is not None:
                job._dispatch(ending)

        if not self.test_mode.entered:
            session.background(listen(), f"listening to job {job.id}")

    # ---- look

    async def get(self, id: int) -> Job[Any]:
        """The job with that id. Raises JobNotFound."""
        found = await self._here().store.send(reads.fetch(self.space, [job_id(id)]))
        if not found:
            raise JobNotFound(f"job {id} is not there (any more)")
        return self._job(found[0])

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
        """A page of jobs, type by type and state by state, each in the order of its line (`newest_first`: against it).

        `after` is the `next` of the page before; `skip` leaves out so many jobs from the beginning, and does not notice
        when jobs come and go between two pages. Waiting ones stand in the order in which they will run.
        """
        if after is not None and skip:
            raise InvalidValue("a page takes after or skip, not both")
        states = [_state(state)] if state is not None else list(State)
        limit = whole_number("limit", limit, least=1, most=1000)
        skip = whole_number("skip", skip, least=0, most=2**53)
        place = listing.parse(after, type) if after is not None else None
        counts = {type_name(type): await self.counts(type)} if type is not None else await self._all_counts()
        steps = listing.walk(self.space, counts, states, place, limit=limit, newest_first=newest_first, skip=skip)
        described, next_place = await self._exchange(steps)
        return Page([self._job(one) for one in described], next_place)

    async def counts(self, type: str | None = None) -> dict[str, int]:
        """How many jobs are in each state: of a type, or of the whole queue."""
        if type is not None:
            call = reads.counts(self.space, [type_name(type)], now_ms=self.clock.server_ms())
            _, rows = await self._here().store.send(call)
        else:
            rows = list((await self.types()).values())
        total = dict.fromkeys(map(str, State), 0)
        for row in rows:
            for state, number in row.counts.items():
                total[state] += number
        return total

    async def types(self) -> dict[str, reads.TypeCounts]:
        """All types that ever had a job or a setting: their counts, and by whom they are paused."""
        found: dict[str, reads.TypeCounts] = await self._exchange(
            listing.all_types(self.space, now_ms=self.clock.server_ms())
        )
        return found

    async def stats(self) -> dict[str, TypeStats]:
        """All types with their counts, and with rates, ages and times as workers counted them."""
        found: dict[str, TypeStats] = await self._exchange(stats.all_stats(self.space, now_ms=self.clock.server_ms()))
        return found

    async def history(self, span: str = "1h", type: str | None = None) -> History:
        """How much ended and how long it took, step by step over the last 15m, 1h, 24h or 7d, of a type or of all."""
        steps = stats.history(self.space, span, _type_or_all(type), now_ms=self.clock.server_ms())
        found: History = await self._exchange(steps)
        return found

    async def totals(self) -> dict[str, Sums]:
        """What workers have counted since the queue is there, by type; '' is all together."""
        return await self._here().store.send(reads.ever(self.space))

    async def paused(self) -> dict[str, Any] | None:
        """By whom, why, since when and until when the queue as a whole is paused; None when it is not."""
        call = reads.counts(self.space, [""], now_ms=self.clock.server_ms())
        _, rows = await self._here().store.send(call)
        return rows[0].paused

    async def logs(self, id: int) -> list[tuple[datetime, str]]:
        """The kept log lines of a job with their times; empty for a job that is not there."""
        lines = await self._here().store.send(reads.logs(self.space, job_id(id)))
        return [(datetime.fromtimestamp(ms / 1000, UTC), line) for ms, line in lines]

    async def explain(self, id: int) -> Explanation:
        """Why the job does not run: when it is due, how many are before it, pauses, limits, workers. Raises JobNotFound."""
        return await steer.explain(self, id)

    async def attempts(self, id: int) -> list[Attempt]:
        """The attempts of a job with their errors, as far as they are kept: the last six at most. Raises JobNotFound."""
        return await steer.attempts_of(self, id)

    async def failures(self, type: str | None = None) -> Failures:
        """The failed jobs, of a type or of all, in groups by type, error and place in the code; the newest 10,000."""
        return await steer.failures_of(self, type)

    async def workers(self) -> list[WorkerInfo]:
        """The workers that are alive."""
        alive = await self._here().store.send(reads.workers(self.space, now_ms=self.clock.server_ms()))
        return [msgspec.json.decode(info, type=WorkerInfo) for info in alive.values()]

    async def events(self, after: str | None = None, *, wait: bool = True) -> AsyncIterator[Event]:
        """All events of the queue in order, from now on, or behind the `position` of an event ("0" = all that is kept).

        Where events were trimmed before they were read, an event named "gap" says so; its data is how many entries.
        With `wait=False` it ends with what has happened so far.
        """
        if not wait:
            async for event in follow(self._here().store, self.space, self.codec, after=after, wait=False):
                yield event
            return
        ear = Store(self.target, self.clock, timeout=self._timeout)
        try:
            await ear.send(calls.ping(self.space))  # once it was there, the server is waited for
            async for event in follow(ear, self.space, self.codec, after=after):
                yield event
        finally:
            await ear.close()

    async def position(self) -> str:
        """The position of the newest event: `events(after=…)` goes on behind it."""
        return await newest_position(self._here().store, self.space)

    async def server_info(self) -> dict[str, str]:
        """What the server says of itself: the fields of its INFO."""
        return await self._here().store.send(Call(None, b"", (b"INFO",), parse_info))

    async def ping(self) -> None:
        """Return when the server answers. Raises ServerUnreachable, ServerUnsuitable or PermissionDenied."""
        await self._here().store.send(calls.ping(self.space))

    # ---- search

    async def find(self, query: str = "", *, limit: int = 50, after: str | None = None) -> Page:
        """A page of the jobs that a query finds, newest first: `state:failed type:email "mailbox full" age>1h`.

        barq.where(…) makes a query of its parts; docs/search.md has the language. `after` is the `next` of the page before.
        A page may have fewer jobs than its limit, or none, and go on all the same. Raises InvalidValue.
        """
        return await bulk.find(self, query, limit=limit, after=after)

    async def count(self, query: str = "", *, looks: int = MOST_COUNTED) -> Counted:
        """How many jobs a query finds. Where jobs have to be looked at, these are `looks` at most; `exact` tells whether that
        was enough."""
        return await bulk.count(self, query, looks=looks)

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
        """Retry, cancel, promote or remove all jobs that a query finds, in steps of 250, `most` of them at a time.

        Of those that are there when it begins it takes the ones in a state that allows it; completed ones are run again
        only when the query asks for them (`state:completed`). `after` is the `next` of what an act has returned. With
        `dry_run` it only counts. `by`: who acts, for the audit log.
        """
        return await bulk.act_on(self, verb, where=where, dry_run=dry_run, most=most, after=after, by=by)

    # ---- act

    async def cancel(self, *ids: int, by: str = "") -> None:
        """The jobs never run (again); where one runs now, its handler is cancelled within about a second.

        Like retry, promote and remove it acts on every job that allows it, then raises JobNotFound or WrongState for
        the first one that does not. `by`: who it is that acts, for the log of acts (`audit`); without it nothing is
        written there.
        """
        await self._act("cancel", ids, by)

    async def retry(self, *ids: int, by: str = "") -> None:
        """Run jobs that have ended or are parked again, with all their attempts."""
        await self._act("retry", ids, by)

    async def promote(self, *ids: int, by: str = "") -> None:
        """Delayed jobs wait from now on."""
        await self._act("promote", ids, by)

    async def remove(self, *ids: int, by: str = "") -> None:
        """Forget jobs with all that belongs to them. A running one has to be cancelled first."""
        await self._act("remove", ids, by)

    async def edit(
        self, id: int, data: Any = UNSET, *, priority: Priority | None = None, retry: bool = False, by: str = ""
    ) -> None:
        """Give a job that does not run other data, or another priority; with `retry` a finished one runs again with it.

        Raises InvalidPayload or InvalidValue before anything is sent, JobNotFound or WrongState.
        """
        await steer.edit(self, id, data, priority=priority, retry=retry, by=by)

    async def set_priority(self, id: int, priority: Priority, *, by: str = "") -> None:
        """Have a job run before or behind others of its type from now on. Raises JobNotFound, or WrongState when it runs."""
        await self.edit(id, priority=priority, by=by)

    async def clone(self, id: int, data: Any = UNSET, *, by: str = "") -> Job[Any]:
        """Store another job of which the same is asked, with other data if there are; it waits from now on."""
        return await steer.clone(self, id, data, by=by)

    async def drain_worker(self, id: str, *, by: str = "") -> bool:
        """Have a worker claim nothing more, and stay; it hears it within about two seconds. False: it was told before.

        Raises WorkerNotFound.
        """
        return await steer.order(self, id, "drain", by=by)

    async def stop_worker(self, id: str, *, by: str = "") -> bool:
        """Have a worker end as by SIGTERM: what runs gets its grace time. False: it was told before."""
        return await steer.order(self, id, "stop", by=by)

    async def resume_worker(self, id: str, *, by: str = "") -> bool:
        """Have a worker that was drained claim again. False: it was not drained."""
        return await steer.order(self, id, "work", by=by)

    async def audit(self, limit: int = 50, before: int | None = None) -> Acts:
        """What people did through the API, the dashboard and the command line, the newest first; the last 10,000 acts."""
        return await steer.audit(self, limit, before)

    async def pause(
        self,
        type: str | None = None,
        *,
        by: str = "",
        reason: str = "",
        seconds: float | timedelta | None = None,
    ) -> bool:
        """Hand out no job of a type (None: of any) for so many `seconds`, or (None) until it is resumed; running ones go
        on. False: it was paused."""
        return await steer.pause(self, _type_or_all(type), by=by, reason=reason, seconds=seconds)

    async def resume(self, type: str | None = None, *, by: str = "") -> bool:
        """End a pause. False: it was not paused."""
        call = acts.resume(self.space, _type_or_all(type), now_ms=self.clock.server_ms(), by=steer.actor(by))
        return await self._here().acts.send(call)

    async def prune(self) -> int:
        """Forget ended jobs beyond the retention, as workers do now and then; returns how many."""
        forgotten = 0
        for type in await self.types():
            call = retention.prune(self.space, type, now_ms=self.clock.server_ms())
            while more := await self._here().store.send(call):
                forgotten += more
        return forgotten + await self._exchange(budgets.keep(self.space, self.clock.server_ms()))

    async def _act(self, verb: str, ids: Sequence[int], by: str) -> None:
        if not ids:
            raise InvalidValue(f"{verb} needs the id of a job")
        if refused := await self._refused(verb, list(dict.fromkeys(job_id(id) for id in ids)), by):
            raise steer.refusal(verb, refused)

    async def _refused(self, verb: str, ids: list[int], by: str) -> list[tuple[int, str]]:
        """Act on jobs; returns those that do not allow it, and why."""
        refused: list[tuple[int, str]] = []
        for at in range(0, len(ids), MOST_PER_CALL):
            part = ids[at : at + MOST_PER_CALL]
            call = acts.act(self.space, verb, part, now_ms=self.clock.server_ms(), by=steer.actor(by))
            words = await self._here().acts.send(call)
            refused += [(id, word) for id, word in zip(part, words, strict=True) if word]
        return refused

    # ---- handlers

    def handler(
        self,
        type: str,
        *,
        concurrency: int | None = None,
        timeout: float | None = None,
        backoff: Backoff | BackoffFunction | None = None,
        run: Literal["process"] | None = None,
    ) -> Callable[[F], F]:
        """Decorator: the function takes the jobs of a type. Async ones run in the worker's loop, plain ones in threads.

        With `run="process"` a plain function runs in a child process of the worker, which is killed at a timeout or
        cancel. The child imports the function's module again; where that is the program itself, what it starts has to
        stand under `if __name__ == "__main__":`.
        `concurrency`: how many of this type one worker runs at a time (None: up to the worker's own limit). `timeout`
        (seconds) and `backoff` (also a function: failures so far -> seconds) hold for jobs that have none of their own.
        A plain function gets a job whose methods block (barq.sync.Job).
        """
        checked = type_name(type)
        return self.handlers.decorator(checked, concurrency=concurrency, timeout=timeout, backoff=backoff, run=run)

    @overload
    def task(self, function: Callable[P, T], /) -> Task[P, T]: ...

    @overload
    def task(
        self, function: None = None, /, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[P, T]], Task[P, T]]: ...

    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Decorator: makes a task of a function, with or without options (barq.TaskOptions).

        Its jobs are enqueued with `await function.enqueue(…its own arguments…)`, and run by any worker of this queue.
        """
        return (lambda f: make_task(self, f, options)) if function is None else make_task(self, function, options)

    def _convert_result(self, type: str, value: Any) -> Any:
        handler: Handler | None = self.handlers.get(type)
        return value if handler is None or handler.convert_result is None else handler.convert_result(value)

    # ---- inside

    def _target_of(self, url: str | None, client: Any) -> Target:
        if client is not None:
            return target_of_client(client)
        told = os.environ.get("BARQ_URL") or os.environ.get("REDIS_URL") or DEFAULT_URL
        return target_of_url(told if url is None else url, fsync=self._durability.fsync)

    def _here(self) -> Session:
        """The session of the running event loop."""
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            for ended in [other for other in self._sessions if other.is_closed()]:
                del self._sessions[ended]  # it holds its loop, so the weak key alone never dies
            session = self._sessions[loop] = self._session()
        return session

    def _session(self, store: Store | None = None) -> Session:
        return Session(
            self.target,
            self.space,
            self.clock,
            self.codec,
            timeout=self._timeout,
            durability=self._durability,
            store=store,
        )

    def _job(self, described: Any) -> Job[Any]:
        return Job(self, described.id, described.record, status=described.status)

    async def _all_counts(self) -> dict[str, dict[str, int]]:
        return {name: row.counts for name, row in (await self.types()).items()}

    async def _exchange(self, steps: "listing.Exchange[T]") -> T:
        """Run an operation of several calls."""
        reply = None
        while True:
            try:
                call = steps.send(reply)
            except StopIteration as stop:
                result: T = stop.value
                return result
            reply = await self._here().store.send(call)


def _state(state: Any) -> State:
    try:
        return State(state)
    except ValueError:
        raise InvalidValue(f"state must be one of {', '.join(State)}, got {state!r}") from None


def _type_or_all(type: str | None) -> str:
    return "" if type is None else type_name(type)
