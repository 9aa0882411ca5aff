"""Calls: everything that can be asked of the server, one function per command, each a value that a store can send.

A call is one round trip and one atomic script (or one plain command). Sending it again changes nothing.
"""

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

import msgspec

from barq.options import NO_LIMITS, Limits, Retention
from barq.protocol.scripts import Script, script
from barq.record import Described, decode_described, member, number
from barq.states import State

R = TypeVar("R")
Reply = Any

MOST_PER_CALL: Final = 250
"""Jobs in one call: 100 hold the server 0.4 to 0.9 ms, 1,000 hold it 5 to 8 ms."""

_YES, _NO = b"1", b"0"


class Call(msgspec.Struct, Generic[R], frozen=True):
    """A script with its arguments, or a plain command (script None), and how its reply is read."""

    script: Script | None
    prefix: bytes
    args: tuple[bytes, ...]
    decode: Callable[[Reply], R]

    def again(self) -> "Call[R]":
        """The same call as it is sent when the first answer was lost."""
        if self.script is None or not self.script.writes:
            return self
        return msgspec.structs.replace(self, args=(_YES, *self.args[1:]))


@dataclass(frozen=True, slots=True)
class Space:
    """What all calls of one queue share: the prefix of its keys, and how much of its past is kept."""

    queue: str
    events_keep: int = 10_000
    logs_keep: int = 1_000
    completed: Retention = Retention()
    failed: Retention = Retention()
    limits: Limits = NO_LIMITS
    events_bytes: int | None = None
    log_bytes: int | None = None
    partition: int = 0
    partitions: int = 1
    """Of a queue that is cut into several, each is a space of its own; ids are unique over all of them."""

    def part(self, number: int, parts: int) -> "Space":
        """Partition `number` of the queue, which keeps and takes its part of what the queue does."""
        return replace(
            self,
            queue=f"{self.queue}/{number}",
            events_keep=-(-self.events_keep // parts),
            events_bytes=None if self.events_bytes is None else -(-self.events_bytes // parts),
            completed=self.completed.part(parts),
            failed=self.failed.part(parts),
            limits=self.limits.part(parts),
            partition=number,
            partitions=parts,
        )

    @property
    def prefix(self) -> bytes:
        return b"barq:{%b}:" % self.queue.encode()

    def id_of(self, number: int) -> int:
        """The id of the job that is the `number`-th here. Its remainder by `partitions` says where it is.

        >>> Space("mail").id_of(7), Space("mail/3", partition=3, partitions=16).id_of(7)
        (7, 115)
        """
        return number * self.partitions + self.partition

    def id(self, member_of_line: bytes) -> int:
        """The id of a job that stands here as this member."""
        return self.id_of(number(member_of_line))

    def member(self, id: int) -> bytes:
        """A job as it stands here."""
        return member((id - self.partition) // self.partitions)

    def place(self, id: int) -> bytes:
        """Where an id stands among the members here; one of another partition between two of them."""
        return self.member(id) + (b"" if id % self.partitions == self.partition else b"~")


# ---- enqueue


NewJob = tuple[bytes, bytes, bytes, bytes, bytes]
"""(type, priority, due, record, extra) as the enqueue script takes it."""


def new_job(
    type: bytes,
    priority: bytes,
    due: bytes,
    record: bytes,
    token: str | None = None,
    watch: bool = False,
    terms: bytes = b"",
) -> NewJob:
    """One job of an enqueue. `watch` has its events put into the caller's inbox from the first on; `terms` find it."""
    if terms:
        return type, priority, due, record, b"%b%b\0%b" % (b"w" if watch else b"-", (token or "").encode(), terms)
    if token is not None:
        return type, priority, due, record, (b"w" if watch else b"-") + token.encode()
    return type, priority, due, record, b"w" if watch else b""


def enqueue(
    space: Space,
    jobs: Sequence[NewJob],
    *,
    now_ms: int,
    producer: bytes,
    batch: int,
    inbox: bytes = b"-",
    watch_ms: int = 0,
) -> Call[list[int]]:
    """Store jobs; returns their ids in order, or for one that was refused TYPE_FULL or MEMORY_FULL.

    `producer` and `batch` name the call, so that a repeat stores nothing.
    """
    args = [_NO, b"%d" % now_ms, b"%d" % space.events_keep, producer, b"%d" % batch, inbox, b"%d" % watch_ms]
    args.append(_limits(space.limits, jobs) if space.limits is not NO_LIMITS else b"")
    for job in jobs:
        args += job
    count = len(jobs)

    def ids(reply: int | list[int]) -> list[int]:
        first, step = space.id_of(reply if isinstance(reply, int) else reply[0]), space.partitions
        fresh = range(first, first + count * step, step)
        if isinstance(reply, int) or len(reply) == 1:
            return list(fresh)
        known = {at: space.id_of(id) if id > 0 else id for at, id in zip(reply[1::2], reply[2::2], strict=True)}
        in_order = iter(fresh)
        return [known[at] if at in known else next(in_order) for at in range(1, count + 1)]

    return Call(script("enqueue"), space.prefix, tuple(args), ids)


TYPE_FULL: Final = -1
MEMORY_FULL: Final = -2


def _limits(limits: Limits, jobs: Sequence[NewJob]) -> bytes:
    """Those that concern the jobs, as the enqueue script takes them."""
    told: dict[str, Any] = {} if limits.memory is None else {"memory": limits.memory}
    types = {job[0].decode() for job in jobs}
    if waiting := {type_: most for type_ in types if (most := limits.waiting_of(type_)) is not None}:
        told["waiting"] = waiting
    return msgspec.json.encode(told) if told else b""


# ---- claim, settle and what a holder says in between

Settlement = tuple[bytes, bytes, bytes, bytes, bytes, bytes]
"""(type, id, token, kind, retry_ms, body): how one attempt ended."""

Handed = tuple[bytes, bytes, list[tuple[bytes, bytes]]]
"""(type, token, (id, record) of each job): what a claim hands out under one token."""


class Claim(msgspec.Struct, frozen=True):
    """What a claim brought, or when the next job is due: at once (0), also beside jobs, when it met more that is due than
    it may move on the way."""

    handed: list[Handed]
    due_in_ms: int | None


def claim(
    space: Space,
    types: Iterable[tuple[str, int]],
    *,
    now_ms: int,
    worker: str,
    nonce: str,
    lease_ms: int,
    poison: int,
    most: int,
    chores: bool = True,
) -> Call[Claim]:
    """Take up to `most` jobs of `types` (with the most of each) under a lease.

    With `chores` what is due is promoted, what lost its lease rescued, and the markers of types that have more are set.
    """
    args = [_NO, b"%d" % now_ms, b"%d" % space.events_keep, _holder(nonce, worker), b"%d" % lease_ms, b"%d" % poison]
    args += (b"%d" % most, _YES if chores else _NO, *_pairs(types))
    return Call(script("claim"), space.prefix, tuple(args), _claimed)


def turn(
    space: Space,
    settlements: Iterable[Settlement],
    types: Sequence[tuple[str, int]],
    *,
    now_ms: int,
    worker: str,
    nonce: str,
    lease_ms: int,
    most: int,
) -> Call[tuple[list[bytes], Claim]]:
    """Settle and claim in one call, without chores and retention; returns what each would."""
    counts, settled = _grouped(settlements)
    args = [_NO, b"%d" % now_ms, b"%d" % space.events_keep, _holder(nonce, worker), b"%d" % lease_ms, b"%d" % most]
    args += (b"%d" % len(types), *counts, *_pairs(types), *settled)
    return Call(script("turn"), space.prefix, tuple(args), lambda reply: (reply[1] or [], _claimed(reply)))


def _holder(nonce: str, worker: str) -> bytes:
    return f"{nonce} {worker}".encode()


def _pairs(types: Iterable[tuple[str, int]]) -> Iterable[bytes]:
    for type_, most_of_type in types:
        yield type_.encode()
        yield b"%d" % most_of_type


def _claimed(reply: list[Any]) -> Claim:
    handed: list[Handed] = []
    at, end = 2, len(reply)
    while at < end:
        type_, groups = reply[at], reply[at + 1]
        lists = at + 2 + 2 * groups
        jobs = zip(reply[lists], reply[lists + 1], strict=True)
        handed += [(type_, reply[one], list(islice(jobs, reply[one + 1]))) for one in range(at + 2, lists, 2)]
        at = lists + 2
    return Claim(handed, reply[0])


def settle(space: Space, settlements: Iterable[Settlement], *, now_ms: int, prunes: bool = True) -> Call[list[bytes]]:
    """Say how attempts ended; returns the ids (as members) that this holder had lost.

    With `prunes` the retention of finished jobs is applied on the way.
    """
    counts, settled = _grouped(settlements)
    args = [_NO, b"%d" % now_ms, b"%d" % space.events_keep, *_retention(space), _YES if prunes else _NO]
    args += (*counts, *settled)
    return Call(script("settle"), space.prefix, tuple(args), _same)


_SHARED_BY_GROUP: Final = itemgetter(0, 2, 3, 4)


def _grouped(settlements: Iterable[Settlement]) -> tuple[tuple[bytes, bytes], list[bytes]]:
    """How many groups and ids follow, and these: (type, token, kind, retry_ms, size, bodies) of settlements in a row that
    share the first four, then all ids, then of each group its bodies, or one that all of it share."""
    groups: list[bytes] = []
    ids: list[bytes] = []
    bodies: list[bytes] = []
    count = 0
    for shared, of_group in groupby(settlements, _SHARED_BY_GROUP):
        some = list(of_group)
        told = [one[5] for one in some]
        if told.count(told[0]) == len(told):
            del told[1:]
        groups += (*shared, b"%d" % len(some), b"%d" % len(told))
        ids += [one[1] for one in some]
        bodies += told
        count += 1
    return (b"%d" % count, b"%d" % len(ids)), [*groups, *ids, *bodies]


Holding = tuple[bytes, bytes, bytes]
"""(type, id, token) of a job that a worker holds."""


def extend(space: Space, holdings: Iterable[Holding], *, now_ms: int, lease_ms: int) -> Call[list[bytes]]:
    """Prolong leases; returns the ids (as members) that are no longer held."""
    args = [_NO, b"%d" % now_ms, b"%d" % lease_ms]
    for holding in holdings:
        args += holding
    return Call(script("extend"), space.prefix, tuple(args), _same)


Word = tuple[bytes, bytes, bytes, bytes, bytes]
"""(type, id, token, kind, body): a progress or a log line of a running attempt."""


def report(space: Space, words: Iterable[Word], *, now_ms: int) -> Call[list[bytes]]:
    """Store progress and log lines in order; returns the ids (as members) that are no longer held."""
    args = [_NO, b"%d" % now_ms, b"%d" % space.events_keep, b"%d" % space.logs_keep]
    args += (b"" if space.log_bytes is None else b"%d" % space.log_bytes, _name())
    for word in words:
        args += word
    return Call(script("report"), space.prefix, tuple(args), _same)


def recall(space: Space, id: bytes, token: bytes, name: str) -> Call[tuple[bool, bytes | None]]:
    """What is kept of a step; False when this holder no longer holds the job (a member)."""
    return Call(script("recall"), space.prefix, (id, token, name.encode()), _held_and_kept)


def keep(
    space: Space, id: bytes, token: bytes, name: str, body: bytes, *, now_ms: int
) -> Call[tuple[bool, bytes | None]]:
    """Keep the result of a step unless one is kept; returns as recall does."""
    return Call(script("keep"), space.prefix, (_NO, b"%d" % now_ms, id, token, name.encode(), body), _held_and_kept)


def _held_and_kept(reply: list[Any]) -> tuple[bool, bytes | None]:
    return bool(reply[0]), reply[1]


# ---- acts on jobs by id


def act(space: Space, verb: str, ids: Sequence[int], *, now_ms: int, by: str = "") -> Call[list[str]]:
    """cancel, retry, promote or remove; for each id '' when done, 'missing', or the state that does not allow it.

    `by`: who it is that acts, for the log of acts; '' is not written down.
    """
    args = (_NO, b"%d" % now_ms, b"%d" % space.events_keep, _name(), by.encode(), *map(space.member, ids))
    return Call(script(verb), space.prefix, args, lambda reply: [word.decode() for word in reply])


def pause(space: Space, type: str, *, now_ms: int, by: str, reason: str, lasts_ms: int | None = None) -> Call[bool]:
    """Pause a type, or with '' the queue, so long or (None) until it is resumed; True when it was not paused before."""
    lasts = b"" if lasts_ms is None else b"%d" % lasts_ms
    args = (_NO, b"%d" % now_ms, _name(), type.encode(), by.encode(), reason.encode(), lasts)
    return Call(script("pause"), space.prefix, args, bool)


def resume(space: Space, type: str, *, now_ms: int, by: str = "") -> Call[bool]:
    """End the pause of a type, or with '' of the queue; True when it was paused."""
    args = (_NO, b"%d" % now_ms, _name(), by.encode(), type.encode())
    return Call(script("resume"), space.prefix, args, bool)


def partitions(space: Space, wanted: int) -> Call[int]:
    """Into how many the queue is cut: `wanted`, unless it is there already with another number."""
    return Call(script("partitions"), space.prefix, (_NO, b"0", b"%d" % wanted), int)


def prune(space: Space, type: str, *, now_ms: int) -> Call[int]:
    """Forget finished jobs of a type beyond its retention, at most MOST_PER_CALL of a state; returns how many."""
    args = (_NO, b"%d" % now_ms, b"%d" % space.events_keep, *_retention(space), type.encode())
    return Call(script("prune"), space.prefix, args, int)


def partitions_there(space: Space) -> Call[int | None]:
    """Into how many the queue was cut, without a word that would cut it: who may only read asks that as well."""
    return Call(None, space.prefix, (b"GET", space.prefix + b"partitions"), lambda reply: int(reply) if reply else None)


class Measured(msgspec.Struct, frozen=True):
    """A slice of a line: how many bytes its jobs take, by the second at which they ended; and where the next one begins."""

    bytes_at: list[tuple[int, int]]
    next: tuple[bytes, bytes] | None


def measure(space: Space, type: str, state: State, after: tuple[bytes, bytes] | None) -> Call[Measured]:
    """What MOST_PER_CALL jobs of a line take, the oldest first."""
    args = (type.encode(), state.encode(), *(after or (b"", b"")), b"%d" % MOST_PER_CALL)

    def measured(reply: list[bytes]) -> Measured:
        score, last, *rest = reply
        found = [(int(second), int(size)) for second, size in zip(rest[::2], rest[1::2], strict=True)]
        return Measured(found, (score, last) if last else None)

    return Call(script("measure"), space.prefix, args, measured)


def evict(space: Space, type: str, state: State, *, until_ms: int, bytes: int, now_ms: int) -> Call[tuple[int, int]]:
    """Forget the oldest jobs of a line that ended until then; returns how many, and how many bytes that freed."""
    args = (_NO, b"%d" % now_ms, b"%d" % space.events_keep, _name(), type.encode(), state.encode())
    return Call(script("evict"), space.prefix, (*args, b"%d" % until_ms, b"%d" % bytes), _pair)


def _pair(reply: list[int]) -> tuple[int, int]:
    return reply[0], reply[1]


def trim(space: Space, bytes: int, *, now_ms: int) -> Call[int]:
    """Keep the stream of events below so many bytes; returns how many entries went."""
    return Call(script("trim"), space.prefix, (_NO, b"%d" % now_ms, b"%d" % bytes), int)


def first_within(space: Space, what: str, ms: int) -> Call[bool]:
    """True for one of all who ask within that time: a chore that one worker at a time is enough for."""
    args = (b"SET", space.prefix + what.encode() + b":once", b"1", b"NX", b"PX", b"%d" % ms)
    return Call(None, space.prefix, args, bool)


# ---- reads


def _described(space: Space) -> Callable[[Reply], list[Described]]:
    return functools.partial(decode_described, id_of=space.id)


def fetch(space: Space, ids: Iterable[int]) -> Call[list[Described]]:
    """All that is known of the jobs that are there."""
    return Call(script("fetch"), space.prefix, tuple(map(space.member, ids)), _described(space))


class TypeCounts(msgspec.Struct, frozen=True):
    """One type (or, as '', the queue itself): who paused it, and how many jobs it has in each state."""

    type: str
    paused: dict[str, Any] | None
    counts: dict[str, int]


def counts(
    space: Space, types: Iterable[str] = (), *, cursor: bytes = b"0", now_ms: int = 0
) -> Call[tuple[bytes, list[TypeCounts]]]:
    """Counts of the types named, or of a slice of all; returns (next cursor, counts). The cursor b"0" ends it."""
    args = (b"%d" % now_ms, cursor, *(type_.encode() for type_ in types))
    return Call(script("counts"), space.prefix, args, _type_counts)


def _type_counts(reply: list[Any]) -> tuple[bytes, list[TypeCounts]]:
    cursor, *rest = reply
    width = 2 + len(State)
    rows = []
    for at in range(0, len(rest), width):
        type_, settings, *numbers = rest[at : at + width]
        paused = msgspec.json.decode(settings).get("paused") if settings else None
        rows.append(TypeCounts(type_.decode(), paused, dict(zip(map(str, State), numbers, strict=True))))
    return cursor, rows


class Slice(msgspec.Struct, frozen=True):
    """A slice of a line, and whether there is more behind it."""

    jobs: list[Described]
    more: bool


def page(
    space: Space,
    type: str,
    state: State,
    *,
    newest_first: bool,
    after: tuple[float, int] | None,
    most: int,
    skip: int = 0,
) -> Call[Slice]:
    """A slice of one type's jobs in one state, behind the (score, id) `after` and as many more as to skip.

    The id may be one of another partition: then behind where it would stand.
    """
    score, last = after if after is not None else (0.0, None)
    args = (
        type.encode(),
        state.encode(),
        b"desc" if newest_first else b"asc",
        repr(score).encode(),
        b"" if last is None else space.place(last),
        b"%d" % skip,
        b"%d" % most,
    )
    described = _described(space)
    return Call(script("page"), space.prefix, args, lambda reply: Slice(described(reply[1:]), more=bool(reply[0])))


def logs(space: Space, id: int) -> Call[list[tuple[int, str]]]:
    """The kept log lines of a job as (time in ms, text)."""
    key = space.prefix + b"log:" + space.member(id)
    return Call(None, space.prefix, (b"LRANGE", key, b"0", b"-1"), lambda reply: [_log_line(line) for line in reply])


def _log_line(line: bytes) -> tuple[int, str]:
    time, _, text = line.partition(b"\t")
    return int(time), text.decode("utf-8", "replace")


# ---- events


class Happened(msgspec.Struct, frozen=True):
    """One event as it stands in a stream: its entry's position, the event, and of which job."""

    position: bytes
    at_ms: int
    event: str
    type: str
    id: int
    detail: bytes


def inbox_key(space: Space, inbox: str) -> bytes:
    return space.prefix + b"inbox:" + inbox.encode()


def events_key(space: Space) -> bytes:
    return space.prefix + b"events"


def watch(space: Space, ids: Iterable[int], *, now_ms: int, inbox: str, watch_ms: int) -> Call[list[Described]]:
    """Have the events of jobs put into an inbox from now on; returns how those that are there stand now."""
    args = (_NO, b"%d" % now_ms, inbox.encode(), b"%d" % watch_ms, *map(space.member, ids))
    return Call(script("watch"), space.prefix, args, _described(space))


def read(space: Space, key: bytes, after: bytes, *, block_ms: int | None, most: int = 100) -> Call[list[Happened]]:
    """What stands in a stream behind the position `after`; waits up to `block_ms` for it (None = not at all)."""
    block = () if block_ms is None else (b"BLOCK", b"%d" % max(1, block_ms))
    return Call(
        None,
        space.prefix,
        (b"XREAD", b"COUNT", b"%d" % most, *block, b"STREAMS", key, after),
        functools.partial(_happened_in_reply, space),
    )


def last_position(space: Space, key: bytes) -> Call[bytes]:
    """The position of the newest entry, b"0-0" in an empty stream."""
    return Call(
        None,
        space.prefix,
        (b"XREVRANGE", key, b"+", b"-", b"COUNT", b"1"),
        lambda reply: reply[0][0] if reply else b"0-0",
    )


def _happened_in_reply(space: Space, reply: Any) -> list[Happened]:
    return [
        event
        for _, entries in reply or ()
        for position, fields in entries
        for event in _expand(space, position, fields)
    ]


def _expand(space: Space, position: bytes, fields: list[bytes]) -> Iterable[Happened]:
    """An entry is t MS (event TYPE\\tIDS\\tDETAIL)*; it names all jobs that one call moved."""
    at_ms = int(fields[1])
    for name, told in zip(fields[2::2], fields[3::2], strict=True):
        type_, ids, detail = told.split(b"\t", 2)
        for id_ in ids.split(b" "):
            yield Happened(position, at_ms, name.decode(), type_.decode(), space.id(id_), detail)


# ---- workers


def beat(space: Space, worker: str, info: bytes, *, now_ms: int, lives_ms: int) -> Call[str]:
    """Say that a worker lives, for `lives_ms` from now; 0 = it leaves. Returns what it is told to do: drain, stop or ''."""
    args = (_NO, b"%d" % now_ms, worker.encode(), b"%d" % lives_ms, info)
    return Call(script("beat"), space.prefix, args, lambda reply: reply[0].decode() if reply else "")


def workers(space: Space, *, now_ms: int) -> Call[dict[str, bytes]]:
    """Who is alive: worker id -> what it says of itself, as JSON."""
    return Call(
        script("workers"),
        space.prefix,
        (b"%d" % now_ms,),
        lambda reply: {id_.decode(): info for id_, info in zip(reply[::2], reply[1::2], strict=True)},
    )


def wait_for_work(space: Space, types: Iterable[str], *, seconds: float) -> Call[bytes | None]:
    """Block until one of the types' markers says that something can be claimed, or the time is over."""
    wait = wait_on((wake_key(space, type_) for type_ in types), seconds=seconds)
    return msgspec.structs.replace(wait, prefix=space.prefix)


def wake_key(space: Space, type: str) -> bytes:
    return space.prefix + type.encode() + b":wake"


def wait_on(keys: Iterable[bytes], *, seconds: float) -> Call[bytes | None]:
    """The same for keys of several queues on one server; returns the key that said so."""
    return Call(None, b"", (b"BZPOPMIN", *keys, b"%.3f" % seconds), lambda reply: reply[0] if reply else None)


def unblock(space: Space, client_id: int) -> Call[object]:
    """End another connection's wait."""
    return Call(None, space.prefix, (b"CLIENT", b"UNBLOCK", b"%d" % client_id), lambda reply: reply)


def ping(space: Space) -> Call[bool]:
    return Call(None, space.prefix, (b"PING",), lambda reply: bool(reply == b"PONG"))


def _name() -> bytes:
    """Names a call, so that the server knows it when it is sent again."""
    return os.urandom(8).hex().encode()


def _retention(space: Space) -> tuple[bytes, bytes, bytes, bytes]:
    def numbers(retention: Retention) -> tuple[bytes, bytes]:
        age = -1 if retention.age is None else round(retention.age * 1000)
        return b"%d" % age, b"%d" % (-1 if retention.count is None else retention.count)

    return *numbers(space.completed), *numbers(space.failed)


def _same(reply: list[bytes]) -> list[bytes]:
    return reply
