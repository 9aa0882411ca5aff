"""Engine: one queue's commands sent to a real server, and everything the queue keeps there, to look at."""

import itertools
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

import barq
from barq.audit import Act, acts_of
from barq.listing import Exchange
from barq.protocol import acts, calls, reads, retention, streams
from barq.protocol.call import Call, Space
from barq.protocol.calls import Claim, Holding, NewJob, Settlement, Word, lot_of
from barq.protocol.finding import Wants
from barq.protocol.streams import Happened
from barq.query import parse
from barq.record import Described, member, number, record_head
from barq.search import MOST_LOOKED_AT, Walked, walk
from barq.states import State
from barq.store.store import Store

T = TypeVar("T")

LEASE_MS = 30_000

Types = str | list[str] | dict[str, int]


@dataclass(frozen=True, slots=True)
class Held:
    """A job that a claim handed out."""

    id: int
    type: str
    token: bytes
    record: bytes

    @property
    def holding(self) -> Holding:
        return self.type.encode(), member(self.id), self.token

    @property
    def attempt(self) -> int:
        return int(self.token.split()[0])


def new(
    type: str = "email",
    *,
    priority: int = 0,
    due: bytes = b"",
    payload: bytes = b"{}",
    token: str | None = None,
    watch: bool = False,
    terms: bytes = b"",
) -> NewJob:
    """A job as an enqueue sends it. `due` as the script takes it: b"+MS" in so many ms, b"MS" at that time."""
    record = record_head(priority=priority, type=type, options=b"") + payload
    return lot_of(type.encode(), b"%d" % priority, due, token=token, watch=watch, terms=terms), record


def ending(held: Held, kind: str, body: bytes = b"", *, retry_ms: int | None = None) -> Settlement:
    then = b"-" if kind == "park" else b"" if retry_ms is None else b"%d" % retry_ms
    return (*held.holding, kind.encode(), then, body)


def capped(types: Types, most: int) -> list[tuple[str, int]]:
    """Types with the most of each."""
    if isinstance(types, str):
        types = [types]
    return list(types.items()) if isinstance(types, dict) else [(type_, most) for type_ in types]


def word(held: Held, kind: str, body: bytes) -> Word:
    return (*held.holding, kind.encode(), body)


class Engine:
    """Sends commands by name; `last` is the writing call sent last, for repeating it."""

    def __init__(self, store: Store, space: Space, clock: barq.ManualClock) -> None:
        self.store = store
        self.space = space
        self.clock = clock
        self.last: Call[Any]
        self._numbers = itertools.count(1)

    @property
    def now(self) -> int:
        return self.clock.server_ms()

    async def send(self, call: Call[Any]) -> Any:
        if call.script is not None and call.script.writes:
            self.last = call
        return await self.store.send(call)

    async def resend(self) -> Any:
        """The last call as it was, as a network that delivers twice would."""
        return await self.store.send(self.last)

    async def repeat(self) -> Any:
        """The last call as it is sent when its first answer was lost."""
        return await self.store.send(self.last.again())

    async def command(self, *words: Any) -> Any:
        """A plain command."""
        args = tuple(word if isinstance(word, bytes) else str(word).encode() for word in words)
        return await self.store.send(Call(None, self.space.prefix, args, lambda reply: reply))

    async def next_server_ms(self) -> None:
        """Wait until the server's own clock shows another millisecond."""

        async def shown() -> int:
            seconds, micros = await self.command("TIME")
            return int(seconds) * 1000 + int(micros) // 1000

        before = await shown()
        while await shown() <= before + 1:
            pass

    # ---- the commands

    def enqueue_call(self, *jobs: NewJob | str, producer: bytes = b"p", inbox: bytes = b"me") -> Call[list[int]]:
        return calls.enqueue(
            self.space,
            [new(job) if isinstance(job, str) else job for job in jobs],
            now_ms=self.now,
            producer=producer,
            batch=next(self._numbers),
            inbox=inbox,
            watch_ms=60_000,
        )

    async def enqueue(self, *jobs: NewJob | str, **options: bytes) -> list[int]:
        ids: list[int] = await self.send(self.enqueue_call(*jobs, **options))
        return ids

    async def enqueue_one(self, job: NewJob | str = "email") -> int:
        (job_id,) = await self.enqueue(job)
        return job_id

    def claim_call(
        self,
        types: Types = "email",
        most: int = 10,
        *,
        worker: str = "w1",
        nonce: str | None = None,
        lease_ms: int = LEASE_MS,
        poison: int = 3,
        chores: bool = True,
    ) -> Call[Claim]:
        return calls.claim(
            self.space,
            capped(types, most),
            now_ms=self.now,
            worker=worker,
            nonce=nonce or f"n{next(self._numbers)}",
            lease_ms=lease_ms,
            poison=poison,
            most=most,
            chores=chores,
        )

    async def claim(self, types: Types = "email", most: int = 10, **options: Any) -> list[Held]:
        return held(await self.send(self.claim_call(types, most, **options)))

    async def claim_one(self, types: Types = "email", **options: Any) -> Held:
        (one,) = await self.claim(types, 1, **options)
        return one

    async def ids_claimed(self, types: Types = "email", most: int = 10, **options: Any) -> list[int]:
        return [one.id for one in await self.claim(types, most, **options)]

    async def due_in_ms(self, types: Types = "email", most: int = 10, **options: Any) -> int | None:
        claim: Claim = await self.send(self.claim_call(types, most, **options))
        assert claim.handed == []
        return claim.due_in_ms

    async def settle(self, *settlements: Settlement) -> list[int]:
        return numbers(await self.send(calls.settle(self.space, settlements, now_ms=self.now)))

    async def turn(
        self, *settlements: Settlement, types: Types = "email", most: int = 10
    ) -> tuple[list[int], list[Held]]:
        call = calls.turn(
            self.space,
            settlements,
            capped(types, most),
            now_ms=self.now,
            worker="w1",
            nonce=f"n{next(self._numbers)}",
            lease_ms=LEASE_MS,
            most=most,
        )
        lost, claim = await self.send(call)
        return numbers(lost), held(claim)

    async def complete(self, *jobs: Held, body: bytes = b"null") -> list[int]:
        return await self.settle(*(ending(one, "complete", body) for one in jobs))

    async def fail(self, one: Held, *, retry_ms: int | None = None, body: bytes = b'{"type":"E"}\n') -> list[int]:
        return await self.settle(ending(one, "fail", body, retry_ms=retry_ms))

    async def release(self, one: Held) -> list[int]:
        return await self.settle(ending(one, "release"))

    async def extend(self, *jobs: Held, lease_ms: int = LEASE_MS) -> list[int]:
        holdings = [one.holding for one in jobs]
        return numbers(await self.send(calls.extend(self.space, holdings, now_ms=self.now, lease_ms=lease_ms)))

    def report_call(self, *words: Word, now_ms: int | None = None) -> Call[list[bytes]]:
        return calls.report(self.space, words, now_ms=self.now if now_ms is None else now_ms)

    async def report(self, *words: Word) -> list[int]:
        return numbers(await self.send(self.report_call(*words)))

    async def act(self, verb: str, *ids: int, by: str = "") -> list[str]:
        words: list[str] = await self.send(acts.act(self.space, verb, ids, now_ms=self.now, by=by))
        return words

    async def edit(
        self, id: int, *, priority: int | None = None, data: bytes | None = None, retry: bool = False, by: str = ""
    ) -> str:
        call = acts.edit(self.space, id, now_ms=self.now, by=by, priority=priority, data=data, retry=retry)
        return str(await self.send(call))

    async def order(self, worker: str, what: acts.Order, by: str = "ada") -> bool | None:
        told: bool | None = await self.send(acts.order(self.space, worker, what, now_ms=self.now, by=by))
        return told

    async def audit(self) -> list[Act]:
        """What people did, the newest first."""
        entries = await self.send(reads.audit(self.space, before=None, most=1000))
        return acts_of(entries, barq.JsonCodec(), limit=1000).acts

    async def pause(self, type: str = "", by: str = "ada", reason: str = "deploy", lasts_ms: int | None = None) -> bool:
        call = acts.pause(self.space, type, now_ms=self.now, by=by, reason=reason, lasts_ms=lasts_ms)
        return bool(await self.send(call))

    async def resume(self, type: str = "", by: str = "") -> bool:
        return bool(await self.send(acts.resume(self.space, type, now_ms=self.now, by=by)))

    async def find(
        self,
        query: str,
        *,
        limit: int = 1000,
        after: str | None = None,
        looks: int = MOST_LOOKED_AT,
        wants: Wants = "ids",
    ) -> Walked:
        steps = walk(
            self.space,
            parse(query),
            now_ms=self.now,
            wants=wants,
            limit=limit,
            data=lambda job: msgspec.json.decode(job.record.payload),
            after=after,
            looks=looks,
        )
        return await self.exchange(steps)

    async def exchange(self, steps: Exchange[T]) -> T:
        """An operation of several calls."""
        reply = None
        while True:
            try:
                call = steps.send(reply)
            except StopIteration as stop:
                result: T = stop.value
                return result
            reply = await self.send(call)

    async def prune(self, type: str = "email") -> int:
        return int(await self.send(retention.prune(self.space, type, now_ms=self.now)))

    async def watch(self, *ids: int, inbox: str = "me", watch_ms: int = 60_000) -> list[Described]:
        jobs: list[Described] = await self.send(
            streams.watch(self.space, ids, now_ms=self.now, inbox=inbox, watch_ms=watch_ms)
        )
        return jobs

    async def beat(self, worker: str = "w1", info: bytes = b"{}", *, lives_ms: int = 10_000) -> str:
        """What the worker is told to do."""
        return str(await self.send(calls.beat(self.space, worker, info, now_ms=self.now, lives_ms=lives_ms)))

    async def partitions(self, wanted: int) -> int:
        number: int = await self.send(calls.partitions(self.space, wanted))
        return number

    async def workers(self) -> dict[str, bytes]:
        alive: dict[str, bytes] = await self.send(reads.workers(self.space, now_ms=self.now))
        return alive

    async def fetch(self, *ids: int) -> list[Described]:
        jobs: list[Described] = await self.send(reads.fetch(self.space, ids))
        return jobs

    async def job(self, job_id: int) -> Described:
        (one,) = await self.fetch(job_id)
        return one

    async def state(self, job_id: int) -> str | None:
        found = await self.fetch(job_id)
        return str(found[0].status.state) if found else None

    async def counts(self, type: str = "email") -> dict[str, int]:
        """The states in which the type has jobs."""
        _, (row,) = await self.send(reads.counts(self.space, [type], now_ms=self.now))
        return {state: count for state, count in row.counts.items() if count}

    # ---- what the queue keeps

    def key(self, name: str) -> bytes:
        return self.space.prefix + name.encode()

    async def line(self, state: str, type: str = "email") -> list[int]:
        """The ids in a line, in its order."""
        members = await self.command("ZRANGE", self.key(f"{type}:{state}"), 0, -1)
        return [number(one) for one in members if not one.startswith(b"_")]

    async def marked(self, type: str = "email") -> bool:
        """Whether the marker that wakes an idle worker is there."""
        return bool(await self.command("EXISTS", self.key(f"{type}:wake")))

    async def unmark(self, type: str = "email") -> None:
        await self.command("DEL", self.key(f"{type}:wake"))

    async def logs(self, job_id: int) -> list[str]:
        lines: list[tuple[int, str]] = await self.store.send(reads.logs(self.space, job_id))
        return [text for _, text in lines]

    async def happened(self, inbox: str | None = None) -> list[Happened]:
        """Everything in the stream of events, or in an inbox."""
        key = streams.events_key(self.space) if inbox is None else streams.inbox_key(self.space, inbox)
        found: list[Happened] = await self.store.send(streams.read(self.space, key, b"0", block_ms=None, most=100_000))
        return found

    async def events(self, inbox: str | None = None) -> list[tuple[str, int]]:
        return [(one.event, one.id) for one in await self.happened(inbox)]

    async def dump(self) -> dict[bytes, Any]:
        """Every key of the queue with what it holds."""
        found = {}
        pattern = self.space.prefix.replace(b"[", b"\\[") + b"*"
        for key in sorted(await self.command("KEYS", pattern)):
            match await self.command("TYPE", key):
                case b"string":
                    found[key] = await self.command("GET", key)
                case b"hash":
                    flat = await self.command("HGETALL", key)
                    found[key] = dict(zip(flat[::2], flat[1::2], strict=True))
                case b"zset":
                    found[key] = await self.command("ZRANGE", key, 0, -1, "WITHSCORES")
                case b"list":
                    found[key] = await self.command("LRANGE", key, 0, -1)
                case b"stream":
                    found[key] = await self.command("XRANGE", key, "-", "+")
                case other:
                    raise AssertionError(f"{key!r} is a {other!r}")
        return found

    async def assert_conserved(self, ids: list[int], *types: str) -> None:
        """Every id is in exactly one line, and the counts are what the lines hold."""
        seen: list[int] = []
        for type_ in types:
            lines = {str(state): await self.line(state, type_) for state in State}
            seen += [job_id for line in lines.values() for job_id in line]
            assert await self.counts(type_) == {state: len(line) for state, line in lines.items() if line}
        assert sorted(seen) == sorted(ids)


def held(claim: Claim) -> list[Held]:
    return [
        Held(number(id_), type_.decode(), token, record) for type_, token, jobs in claim.handed for id_, record in jobs
    ]


def numbers(members: list[bytes]) -> list[int]:
    return [number(one) for one in members]
