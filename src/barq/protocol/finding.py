"""Finding: the calls of a search, as values. search.py knows which of them a query needs."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from barq.protocol.calls import Call, Space
from barq.protocol.scripts import script
from barq.query import Query, Span, Word
from barq.record import Described, decode_described
from barq.states import State

Wants = Literal["jobs", "ids", "count"]
MOST_BYTES: Final = 4 * 1024 * 1024
"""Records that one call reads at most: a few milliseconds of the server's time."""
_PLACE_FIELDS: Final = 8
_EVERY_ID: Final = 2**53


class Part(msgspec.Struct, frozen=True):
    """A part of all jobs, in an order of its own: a line, a range of the index, or jobs by id.

    `driver`: the number (from 1) of the query's word whose jobs it has, 0 when it is not there for a word.
    """

    source: Literal["line", "terms", "ids"]
    driver: int = 0
    type: str = ""
    state: State | None = None
    low: bytes = b"-inf"
    high: bytes = b"+inf"
    ids: tuple[int, ...] = ()


class Find(msgspec.Struct, frozen=True):
    """One call of a search: what it is looking for in which part, from where on and how far."""

    query: Query
    part: Part
    wants: Wants
    after: bytes
    most: int
    looks: int
    now_ms: int
    id_most: int | None = None


class Found(msgspec.Struct, frozen=True):
    """What one call found. `place`: behind what it goes on; `places`: those of the jobs."""

    more: bool
    looked: int
    count: int
    place: bytes
    ids: Sequence[int] = ()
    jobs: Sequence[Described] = ()
    places: Sequence[bytes] = ()


def range_of(word: Word) -> tuple[bytes, bytes]:
    """The bounds of a word's terms in the index."""
    if word.prefix:
        return b"[" + word.value, b"(" + word.value + b"\xff"
    begin = word.value + b"\0" + (word.field.encode() + b"\0" if word.field else b"")
    return b"[" + begin, b"(" + begin + b"\xff"


def gauge(space: Space, words: Iterable[Word]) -> Call[list[int]]:
    """How many terms of the index each word stands for."""
    args = tuple(bound for word in words for bound in range_of(word))
    return Call(script("gauge"), space.prefix, args, list)


def find(space: Space, one: Find) -> Call[Found]:
    """The jobs of a part that fit, newest first."""
    query, part = one.query, one.part
    spans = (query.priority, query.age, query.ended)
    args = [
        b"%d" % one.now_ms,
        part.source.encode(),
        part.type.encode(),
        (part.state or "").encode(),
        part.low,
        part.high,
    ]
    args += (
        one.after,
        b"%d" % part.driver,
        one.wants.encode(),
        b"%d" % one.most,
        b"%d" % one.looks,
        b"%d" % MOST_BYTES,
    )
    args += (f" {' '.join(query.states)} ".encode() if query.states else b"", _names(query))
    args += (bound for span in spans for bound in _bounds(span))
    args += (b"%d" % (_EVERY_ID if one.id_most is None else one.id_most), b"%d" % len(query.words))
    for word in query.words:
        args += (word.field.encode(), word.value, b"prefix" if word.prefix else b"exact")
    args += map(space.place, part.ids)  # another partition's is none here
    return Call(script("find"), space.prefix, tuple(args), _decoder(space, one.wants))


def last_id(space: Space) -> Call[int]:
    """The id of the job that was enqueued last."""
    return Call(None, space.prefix, (b"GET", space.prefix + b"seq"), lambda reply: int(reply or 0))


def _names(query: Query) -> bytes:
    return "".join(f"{'^' if name.prefix else '='}{name.text}\n" for name in query.types).encode()


def _bounds(span: Span) -> tuple[bytes, bytes]:
    return tuple(b"" if bound is None else b"%d" % bound for bound in (span.least, span.most))  # type: ignore[return-value]


def _decoder(space: Space, wants: Wants) -> Any:
    def decode(reply: list[Any]) -> Found:
        more, looked, count, place, *rest = reply
        match wants:
            case "ids":
                return Found(bool(more), looked, count, place, ids=[space.id(one) for one in rest])
            case "jobs":
                places = rest[::_PLACE_FIELDS]
                del rest[::_PLACE_FIELDS]
                return Found(
                    bool(more), looked, count, place, jobs=decode_described(rest, id_of=space.id), places=places
                )
            case _:
                return Found(bool(more), looked, count, place)

    return decode
