"""Finding: the calls of a search, as values. search.py knows which of them a query needs."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from barq.protocol.call import Call, Space
from barq.protocol.scripts import script
from barq.query import Query, Span, Word
from barq.record import Described, decode_described, member
from barq.states import State

Wants = Literal["jobs", "ids", "count"]
MOST_BYTES: Final = 4 * 1024 * 1024
"""Records that one call reads at most: a few milliseconds of the server's time."""
_PLACE_FIELDS: Final = 8
_EVERY_ID: Final = 2**53
_CLOCKS_DIFFER_MS: Final = 10_000
"""The clock of a server may have been set back, or another server have taken over whose clock is behind."""


Line = tuple[str, State]


class Part(msgspec.Struct, frozen=True):
    """A part of all jobs, in an order of its own: lines, a range of the index, jobs by id, or all between two ids.

    `merged`: several lines as one, by their scores. `line`: one of lines that are too many for that.
    `driver`: the number (from 1) of the query's word whose jobs it has, 0 when it is not there for a word.
    """

    source: Literal["merged", "line", "terms", "ids", "span"]
    driver: int = 0
    lines: tuple[Line, ...] = ()
    low: bytes = b"-"
    high: bytes = b"+"
    ids: tuple[int, ...] = ()

    @property
    def type(self) -> str:
        return self.lines[0][0] if self.source == "line" else ""

    @property
    def state(self) -> State | str:
        return self.lines[0][1] if self.lines else ""


class Window(msgspec.Struct, frozen=True):
    """Ids of jobs that can be of an age, and of those that surely are."""

    least: int = 0
    most: int = _EVERY_ID
    sure_least: int = 0
    sure_most: int = _EVERY_ID

    def until(self, id_most: int | None) -> "Window":
        return self if id_most is None else msgspec.structs.replace(self, most=min(self.most, id_most))

    def __len__(self) -> int:
        return max(0, self.most - self.least + 1)


class Find(msgspec.Struct, frozen=True):
    """One call of a search: what it is looking for in which part, from where on and how far."""

    query: Query
    part: Part
    wants: Wants
    after: bytes
    most: int
    looks: int
    now_ms: int
    window: Window


class Found(msgspec.Struct, frozen=True):
    """What one call found. `place`: behind what it goes on; `places`: those of the jobs."""

    more: bool
    looked: int
    count: int
    place: bytes
    ids: Sequence[int] = ()
    jobs: Sequence[Described] = ()
    places: Sequence[bytes] = ()


def range_of(word: Word, window: Window = Window()) -> tuple[bytes, bytes]:  # noqa: B008 a frozen value
    """The bounds of a word's terms in the index; in those of one word and field the ids are in order."""
    if word.prefix:
        return b"[" + word.value, b"(" + word.value + b"\xff"
    if not word.field:
        return b"[" + word.value + b"\0", b"(" + word.value + b"\0\xff"
    begin = b"[" + word.value + b"\0" + word.field.encode() + b"\0"
    return begin + member(window.least), begin + member(window.most)


def gauge(space: Space, words: Iterable[Word]) -> Call[list[int]]:
    """How many terms of the index each word stands for."""
    args = tuple(bound for word in words for bound in range_of(word))
    return Call(script("gauge"), space.prefix, args, list)


def window(space: Space, age: Span, *, now_ms: int) -> Call[Window]:
    """Between which ids the jobs of an age are. In the second line those around them that clocks leave open."""
    agos = [] if age.most is None else [age.most + _CLOCKS_DIFFER_MS, age.most - _CLOCKS_DIFFER_MS]
    agos += [] if age.least is None else [age.least - 1 - _CLOCKS_DIFFER_MS, age.least - 1 + _CLOCKS_DIFFER_MS]

    def decode(reply: list[int]) -> Window:
        last, *found = reply
        found = [0, 0, 0, 0, *found] if age.most is None else found
        found = [*found, 0, last + 1, last, last + 1] if age.least is None else found
        return Window(found[0] + 1, found[5] - 1, found[3], found[6])

    return Call(script("dated"), space.prefix, (b"%d" % now_ms, *(b"%d" % ago for ago in agos)), decode)


def find(space: Space, one: Find) -> Call[Found]:
    """The jobs of a part that fit, newest first."""
    query, part, window = one.query, one.part, one.window
    spans = (query.priority, query.age, query.ended)
    source = b"lines" if part.lines else part.source.encode()
    args = [b"%d" % one.now_ms, source, part.low, part.high]
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
    args += (b"%d" % bound for bound in (window.least, window.most, window.sure_least, window.sure_most))
    args += (b"%d" % len(query.words), b"%d" % len(part.lines))
    for word in query.words:
        args += (word.field.encode(), word.value, b"prefix" if word.prefix else b"exact")
    for type_, state in part.lines:
        args += (type_.encode(), state.encode())
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
