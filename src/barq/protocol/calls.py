"""Calls: the way of a job, one function per command: enqueue, claim, settle, and what workers say in between.

Beside it: acts.py (what people do), reads.py, streams.py (events), finding.py (search), retention.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

import msgspec

from barq.options import NO_LIMITS, Limits
from barq.protocol.call import NO, YES, Call, Space, name_of_call, same
from barq.protocol.retention import retention_of
from barq.protocol.scripts import script
from barq.sums import Sums, flat, together

# ---- enqueue


Lot = tuple[bytes, bytes, bytes, bytes]
"""(type, priority, due, extra) as the enqueue script takes it."""

NewJob = tuple[Lot, bytes]
"""What is asked of a job, and its record."""


def lot_of(
    type: bytes, priority: bytes, due: bytes, *, token: str | None = None, watch: bool = False, terms: bytes = b""
) -> Lot:
    """What is asked of a job. `watch` has its events put into the caller's inbox from the first on; `terms` find it."""
    if terms:
        return type, priority, due, b"%b%b\0%b" % (b"w" if watch else b"-", (token or "").encode(), terms)
    if token is not None:
        return type, priority, due, (b"w" if watch else b"-") + token.encode()
    return type, priority, due, b"w" if watch else b""


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
    args = [NO, b"%d" % now_ms, b"%d" % space.events_keep, producer, b"%d" % batch, b"%d:%b" % (watch_ms, inbox)]
    args.append(_limits(space.limits, jobs) if space.limits is not NO_LIMITS else b"")
    args += _lots(jobs)
    args += [record for _, record in jobs]
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


def _lots(jobs: Sequence[NewJob]) -> list[bytes]:
    """Their number, and for each how many jobs in a row it is asked of."""
    sizes: list[int] = []
    lots: list[Lot] = []
    last: Lot | None = None
    for lot, _ in jobs:
        if lot == last:
            sizes[-1] += 1
        else:
            sizes.append(1)
            lots.append(lot)
            last = lot if len(lot[3]) <= 1 else None  # a token or terms are of one job
    args = [b"%d" % len(lots)]
    for size, lot in zip(sizes, lots, strict=True):
        args += (b"%d" % size, *lot)
    return args


TYPE_FULL: Final = -1


MEMORY_FULL: Final = -2


def _limits(limits: Limits, jobs: Sequence[NewJob]) -> bytes:
    """Those that concern the jobs, as the enqueue script takes them."""
    told: dict[str, Any] = {} if limits.memory is None else {"memory": limits.memory}
    types = {type.decode() for (type, *_), _ in jobs}
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
    it may move on the way. `ordered`: a claim with chores found that somebody has told the worker something."""

    handed: list[Handed]
    due_in_ms: int | None
    ordered: bool = False


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
    args = [NO, b"%d" % now_ms, b"%d" % space.events_keep, _holder(nonce, worker), b"%d" % lease_ms, b"%d" % poison]
    args += (b"%d" % most, YES if chores else NO, *_pairs(types))
    return Call(script("claim"), space.prefix, tuple(args), _claimed, is_batch=True)


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
    args = [NO, b"%d" % now_ms, b"%d" % space.events_keep, _holder(nonce, worker), b"%d" % lease_ms, b"%d" % most]
    args += (b"%d" % len(types), *counts, *_pairs(types), *settled)
    return Call(script("turn"), space.prefix, tuple(args), _settled_and_claimed, is_batch=True)


def _settled_and_claimed(reply: list[Any]) -> tuple[list[bytes], Claim]:
    return reply[1] or [], _claimed(reply)


def _holder(nonce: str, worker: str) -> bytes:
    return f"{nonce} {worker}".encode()


def _pairs(types: Iterable[tuple[str, int]]) -> list[bytes]:
    return [word for type_, most_of_type in types for word in (type_.encode(), b"%d" % most_of_type)]


def _claimed(reply: list[Any]) -> Claim:
    handed: list[Handed] = []
    at, end = 2, len(reply)
    while at < end:
        type_, groups = reply[at], reply[at + 1]
        lists = at + 2 + 2 * groups
        jobs = zip(reply[lists], reply[lists + 1], strict=True)
        handed += [(type_, reply[one], list(islice(jobs, reply[one + 1]))) for one in range(at + 2, lists, 2)]
        at = lists + 2
    return Claim(handed, reply[0], reply[1] == 1)


def settle(space: Space, settlements: Iterable[Settlement], *, now_ms: int, prunes: bool = True) -> Call[list[bytes]]:
    """Say how attempts ended; returns the ids (as members) that this holder had lost.

    With `prunes` the retention of finished jobs is applied on the way.
    """
    counts, settled = _grouped(settlements)
    args = [NO, b"%d" % now_ms, b"%d" % space.events_keep, *retention_of(space), YES if prunes else NO]
    args += (*counts, *settled)
    return Call(script("settle"), space.prefix, tuple(args), same, is_batch=True)


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
    args = [NO, b"%d" % now_ms, b"%d" % lease_ms]
    for holding in holdings:
        args += holding
    return Call(script("extend"), space.prefix, tuple(args), same)


Word = tuple[bytes, bytes, bytes, bytes, bytes]
"""(type, id, token, kind, body): a progress or a log line of a running attempt."""


def report(space: Space, words: Iterable[Word], *, now_ms: int) -> Call[list[bytes]]:
    """Store progress and log lines in order; returns the ids (as members) that are no longer held."""
    args = [NO, b"%d" % now_ms, b"%d" % space.events_keep, b"%d" % space.logs_keep]
    args += (b"" if space.log_bytes is None else b"%d" % space.log_bytes, name_of_call())
    for word in words:
        args += word
    return Call(script("report"), space.prefix, tuple(args), same)


def recall(space: Space, id: bytes, token: bytes, name: str) -> Call[tuple[bool, bytes | None]]:
    """What is kept of a step; False when this holder no longer holds the job (a member)."""
    return Call(script("recall"), space.prefix, (id, token, name.encode()), _held_and_kept)


def keep(
    space: Space, id: bytes, token: bytes, name: str, body: bytes, *, now_ms: int
) -> Call[tuple[bool, bytes | None]]:
    """Keep the result of a step unless one is kept; returns as recall does."""
    return Call(script("keep"), space.prefix, (NO, b"%d" % now_ms, id, token, name.encode(), body), _held_and_kept)


def _held_and_kept(reply: list[Any]) -> tuple[bool, bytes | None]:
    return bool(reply[0]), reply[1]


# ---- workers

_pack = msgspec.msgpack.Encoder().encode


def beat(space: Space, worker: str, info: bytes, *, now_ms: int, lives_ms: int) -> Call[str]:
    """Say that a worker lives, for `lives_ms` from now; 0 = it leaves. Returns what it is told to do: drain, stop or ''."""
    args = (NO, b"%d" % now_ms, worker.encode(), b"%d" % lives_ms, info)
    return Call(script("beat"), space.prefix, args, lambda reply: reply[0].decode() if reply else "")


def tally(space: Space, worker: str, sums: Mapping[str, Sums], *, now_ms: int, name: str) -> Call[None]:
    """Add what a worker has counted of each type. `name`: of these sums; they are added once."""
    args = [NO, b"%d" % now_ms, worker.encode(), name.encode()]
    for type_, counted in (*sums.items(), ("", together(sums.values()))):
        args += (type_.encode(), _pack(flat(counted)))
    return Call(script("tally"), space.prefix, tuple(args), lambda _: None)


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


def first_within(space: Space, what: str, ms: int) -> Call[bool]:
    """True for one of all who ask within that time: a chore that one worker at a time is enough for."""
    args = (b"SET", space.prefix + what.encode() + b":once", b"1", b"NX", b"PX", b"%d" % ms)
    return Call(None, space.prefix, args, bool)


# ---- the queue itself


def partitions(space: Space, wanted: int) -> Call[int]:
    """Into how many the queue is cut: `wanted`, unless it is there already with another number."""
    return Call(script("partitions"), space.prefix, (NO, b"0", b"%d" % wanted), int)


def partitions_there(space: Space) -> Call[int | None]:
    """Into how many the queue was cut, without a word that would cut it: who may only read asks that as well."""
    return Call(None, space.prefix, (b"GET", space.prefix + b"partitions"), lambda reply: int(reply) if reply else None)


def ping(space: Space) -> Call[bool]:
    return Call(None, space.prefix, (b"PING",), lambda reply: bool(reply == b"PONG"))
