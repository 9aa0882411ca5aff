"""Looks: the calls of those who look on and steer: what is known of types over time, and of a job. Beside calls.py."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from barq.outcome import ErrorInfo, decode_error
from barq.protocol.calls import _NO, _YES, Call, Space, _name
from barq.protocol.scripts import script
from barq.record import Described, Ending, decode_described, decode_ending
from barq.sums import NOTHING, Sums, flat, of_flat, together

MINUTES: Final = 16
"""That `stats` reads: the one that goes on, and fifteen before it."""

_pack = msgspec.msgpack.Encoder().encode
_UNKNOWN: Final = b'{"type":"","message":""}'
_unpack = msgspec.msgpack.Decoder(list[int]).decode


def tally(space: Space, worker: str, sums: Mapping[str, Sums], *, now_ms: int, name: str) -> Call[None]:
    """Add what a worker has counted of each type. `name`: of these sums; they are added once."""
    args = [_NO, b"%d" % now_ms, worker.encode(), name.encode()]
    for type_, counted in (*sums.items(), ("", together(sums.values()))):
        args += (type_.encode(), _pack(flat(counted)))
    return Call(script("tally"), space.prefix, tuple(args), lambda _: None)


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


# ---- failures


class Failed(msgspec.Struct, frozen=True):
    """What a job failed with, without the traceback."""

    id: int
    ended_ms: int
    error: ErrorInfo


def failures(space: Space, type: str, *, skip: int, most: int) -> Call[list[Failed]]:
    """Some of a type's failed jobs, the newest first."""

    def decode(reply: list[bytes]) -> list[Failed]:
        rows = zip(reply[::3], reply[1::3], reply[2::3], strict=True)
        return [Failed(space.id(id_), int(float(ended)), decode_error(brief or _UNKNOWN)) for id_, ended, brief in rows]

    return Call(script("failures"), space.prefix, (type.encode(), b"%d" % skip, b"%d" % most), decode)


def _pause(settings: bytes, now_ms: int) -> dict[str, Any] | None:
    paused: dict[str, Any] | None = msgspec.json.decode(settings).get("paused") if settings else None
    return paused if paused and paused.get("until", now_ms + 1) > now_ms else None


# ---- steering


def edit(
    space: Space,
    id: int,
    *,
    now_ms: int,
    by: str,
    priority: int | None,
    data: bytes | None,
    retry: bool,
    terms: bytes = b"",
) -> Call[str]:
    """Change what was asked of a job (None = as it was), and run a finished one again; as `act` answers for one job.

    `terms` are those by which a job with the new data is found.
    """
    told = b"" if priority is None else b"%d" % priority
    args = (_NO, b"%d" % now_ms, b"%d" % space.events_keep, _name(), by.encode(), space.member(id), told)
    changed = (_NO if data is None else _YES, data or b"", terms, _YES if retry else _NO)
    return Call(script("edit"), space.prefix, (*args, *changed), lambda reply: str(reply.decode()))


Order = Literal["drain", "stop", "work"]


def order(space: Space, worker: str, what: Order, *, now_ms: int, by: str) -> Call[bool | None]:
    """Tell a worker with its next beat to claim no more, to stop, or to go on; None when no such worker lives."""
    args = (_NO, b"%d" % now_ms, _name(), by.encode(), worker.encode(), what.encode())
    return Call(script("order"), space.prefix, args, lambda reply: None if reply < 0 else bool(reply))


def write_down(space: Space, by: str, act: str, of: int, made: int, *, now_ms: int) -> Call[object]:
    """Write down that of one job another was made."""
    target, after = b"jobs " + space.member(of), b"%d" % made
    args = (_NO, b"%d" % now_ms, _name(), by.encode(), act.encode(), target, b"null", after, b"1")
    return Call(script("audit"), space.prefix, args, lambda reply: reply)


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


# ---- inside


def _sums(packed: bytes) -> Sums:
    return of_flat(_unpack(packed)) if packed else NOTHING


def _heads(reply: list[bytes]) -> list[tuple[bytes, int]]:
    return [(head, int(ended or 0)) for head, ended in zip(reply[::2], reply[1::2], strict=True)]
