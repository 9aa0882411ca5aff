"""Streams: the calls that read events, of the queue or of an inbox, and have them put into one. Behind events.py and watch.py."""

import functools
from collections.abc import Iterable
from typing import Any

import msgspec

from barq.protocol.call import NO, Call, Space, described
from barq.protocol.scripts import script
from barq.record import Described


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
    args = (NO, b"%d" % now_ms, inbox.encode(), b"%d" % watch_ms, *map(space.member, ids))
    return Call(script("watch"), space.prefix, args, described(space))


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
        event for _, entries in reply or () for position, fields in entries for event in expand(space, position, fields)
    ]


def expand(space: Space, position: bytes, fields: list[bytes]) -> Iterable[Happened]:
    """An entry is t MS (event TYPE\\tIDS\\tDETAIL)*; it names all jobs that one call moved."""
    at_ms = int(fields[1])
    for name, told in zip(fields[2::2], fields[3::2], strict=True):
        type_, ids, detail = told.split(b"\t", 2)
        for id_ in ids.split(b" "):
            yield Happened(position, at_ms, name.decode(), type_.decode(), space.id(id_), detail)
