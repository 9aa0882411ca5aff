"""Reads: the calls that change nothing: jobs, counts, pages, and what is known of types, failures and workers over time."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from barq.outcome import ErrorInfo, decode_error
from barq.protocol.call import Call, Space, described
from barq.protocol.scripts import script
from barq.record import Described, Ending, decode_described, decode_ending
from barq.states import State
from barq.sums import NOTHING, Sums, of_flat

# ---- jobs


def fetch(space: Space, ids: Iterable[int]) -> Call[list[Described]]:
    """All that is known of the jobs that are there."""
    return Call(script("fetch"), space.prefix, tuple(map(space.member, ids)), described(space))


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
    decode = described(space)
    return Call(script("page"), space.prefix, args, lambda reply: Slice(decode(reply[1:]), more=bool(reply[0])))


def logs(space: Space, id: int) -> Call[list[tuple[int, str]]]:
    """The kept log lines of a job as (time in ms, text)."""
    key = space.prefix + b"log:" + space.member(id)
    return Call(None, space.prefix, (b"LRANGE", key, b"0", b"-1"), lambda reply: [_log_line(line) for line in reply])


def _log_line(line: bytes) -> tuple[int, str]:
    time, _, text = line.partition(b"\t")
    return int(time), text.decode("utf-8", "replace")


# ---- one job


class Situation(msgspec.Struct, frozen=True):
    """What decides when a job runs. Its record has no payload here."""

    now_ms: int
    before: int
    """Jobs that run before it, -1 when it does not wait."""
    type_paused: dict[str, Any] | None
    queue_paused: dict[str, Any] | None
    active: int
    """Jobs of its type that run."""
    job: Described


def explain(space: Space, id: int, *, now_ms: int) -> Call[Situation | None]:
    """None when the job is not there."""

    def decode(reply: list[Any]) -> Situation | None:
        if not reply:
            return None
        now, before, of_type, of_queue, active, *described = reply
        (job,) = decode_described(described, id_of=space.id)
        return Situation(now, before, _pause(of_type, now), _pause(of_queue, now), active, job)

    return Call(script("explain"), space.prefix, (b"%d" % now_ms, space.member(id)), decode)


def past(space: Space, id: int) -> Call[list[Ending]]:
    """How the failed attempts of a job before its last one ended, as far as they are kept."""

    def decode(reply: bytes | None) -> list[Ending]:
        return [ending for text in _parts(reply or b"") if (ending := decode_ending(text)) is not None]

    return Call(None, space.prefix, (b"HGET", space.prefix + b"past", space.member(id)), decode)


def _parts(text: bytes) -> Iterator[bytes]:
    """Texts with the length of each in front: LENGTH:TEXT."""
    while text:
        length, _, rest = text.partition(b":")
        yield rest[: int(length)]
        text = rest[int(length) :]


def _pause(settings: bytes, now_ms: int) -> dict[str, Any] | None:
    paused: dict[str, Any] | None = msgspec.json.decode(settings).get("paused") if settings else None
    return paused if paused and paused.get("until", now_ms + 1) > now_ms else None


# ---- what was counted


MINUTES: Final = 16
"""That `stats` reads: the one that goes on, and fifteen before it."""


class Recent(msgspec.Struct, frozen=True):
    """One type: what ended in each of the last minutes, and since when what waits could have run, by priority."""

    minutes: list[Sums]
    heads: list[tuple[bytes, int]]
    """(head of a record, when it ended before or 0) of the first job of each of the most urgent priorities."""


def stats(space: Space, types: Sequence[str], *, now_ms: int) -> Call[tuple[int, list[Recent]]]:
    """Returns the time in ms, and what is known of each type. At most a hundred types."""
    args = (b"%d" % now_ms, b"%d" % MINUTES, *(type_.encode() for type_ in types))

    def decode(reply: list[Any]) -> tuple[int, list[Recent]]:
        now, *rest = reply
        rows = [rest[at : at + MINUTES + 1] for at in range(0, len(rest), MINUTES + 1)]
        return now, [Recent([_sums(packed) for packed in row[:-1]], _heads(row[-1])) for row in rows]

    return Call(script("stats"), space.prefix, args, decode)


def history(
    space: Space, type: str, *, span: str, seconds: int, count: int, now_ms: int
) -> Call[tuple[int, list[Sums]]]:
    """Returns the time in ms, and what ended in each `minute` or `quarter`, the oldest first; with type '' of all."""
    args = (b"%d" % now_ms, span.encode(), b"%d" % seconds, b"%d" % count, type.encode())
    return Call(
        script("history"), space.prefix, args, lambda reply: (reply[0], [_sums(packed) for packed in reply[1:]])
    )


def ever(space: Space) -> Call[dict[str, Sums]]:
    """What ended since the queue is there, by type; '' is all together."""

    def decode(reply: list[bytes]) -> dict[str, Sums]:
        return {type_.decode(): _sums(packed) for type_, packed in zip(reply[::2], reply[1::2], strict=True)}

    return Call(None, space.prefix, (b"HGETALL", space.prefix + b"ever"), decode)


_unpack = msgspec.msgpack.Decoder(list[int]).decode


def _sums(packed: bytes) -> Sums:
    return of_flat(_unpack(packed)) if packed else NOTHING


def _heads(reply: list[bytes]) -> list[tuple[bytes, int]]:
    return [(head, int(ended or 0)) for head, ended in zip(reply[::2], reply[1::2], strict=True)]


# ---- failures, acts, workers


class Failed(msgspec.Struct, frozen=True):
    """What a job failed with, without the traceback."""

    id: int
    ended_ms: int
    error: ErrorInfo


_UNKNOWN: Final = b'{"type":"","message":""}'


def failures(space: Space, type: str, *, skip: int, most: int) -> Call[list[Failed]]:
    """Some of a type's failed jobs, the newest first."""

    def decode(reply: list[bytes]) -> list[Failed]:
        rows = zip(reply[::3], reply[1::3], reply[2::3], strict=True)
        return [Failed(space.id(id_), int(float(ended)), decode_error(brief or _UNKNOWN)) for id_, ended, brief in rows]

    return Call(script("failures"), space.prefix, (type.encode(), b"%d" % skip, b"%d" % most), decode)


WrittenDown = tuple[int, dict[str, bytes]]
"""Number and fields of an entry in the log of acts."""


def audit(space: Space, *, before: int | None, most: int) -> Call[list[WrittenDown]]:
    """What people did, the newest first, before an entry of the log."""
    end = b"+" if before is None else b"%d-0" % max(0, before - 1)
    args = (b"XREVRANGE", space.prefix + b"audit", end, b"-", b"COUNT", b"%d" % most)

    def decode(reply: list[Any]) -> list[WrittenDown]:
        return [
            (int(position.partition(b"-")[0]), {k.decode(): v for k, v in zip(flat[::2], flat[1::2], strict=True)})
            for position, flat in reply
        ]

    return Call(None, space.prefix, args, decode)


def workers(space: Space, *, now_ms: int) -> Call[dict[str, bytes]]:
    """Who is alive: worker id -> what it says of itself, as JSON."""
    return Call(
        script("workers"),
        space.prefix,
        (b"%d" % now_ms,),
        lambda reply: {id_.decode(): info for id_, info in zip(reply[::2], reply[1::2], strict=True)},
    )
