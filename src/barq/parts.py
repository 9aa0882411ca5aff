"""Parts: which of all jobs a query has to go through, and where a page of them ended. Below search.py; no I/O.

A query is answered from the smallest part of all jobs that must hold what it asks for: single ids, a word's jobs in the
index, the ids between which the jobs of an age are, or the lines of its states and types.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from barq.errors import NoSuchPage, shown
from barq.listing import Exchange, all_types
from barq.protocol import finding, reads
from barq.protocol.call import Space
from barq.protocol.finding import Line, Part, Window
from barq.protocol.reads import TypeCounts
from barq.query import Query, Word
from barq.states import FINISHED, State

FEW: Final = 1_000
"""A word with so few jobs is taken without asking how many jobs the lines have."""
MOST_MERGED: Final = 100
"""More lines than that come one after the other, not as one."""
_LOOK_UP: Final = 4
"""So many jobs of a line cost what one costs whose state has to be looked up."""

Counts = dict[str, dict[str, int]]
"""Type -> state -> how many jobs."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: for which query, in which part, behind what."""

    query: int
    driver: int
    source: str
    type: str
    state: str
    at: str


def parts(
    space: Space, query: Query, window: Window, place: Place | None, *, merges: bool
) -> Exchange[tuple[int, list[Part]]]:
    """The parts to go through, and the number of the word that they are there for (0 = none, -1 = ids).

    `merges`: lines of several types come as one. Who only counts has no use for it.
    """
    if query.ids:
        return -1, [Part("ids", ids=query.ids)]
    driver = place.driver if place is not None else None
    if driver is not None and not 0 <= driver <= len(query.words):
        raise NoSuchPage("after is the `next` of a page with another query")
    counted: Counts | None = None
    if driver is None:
        driver, counted = yield from _choice(space, query)
    if driver and query.words[driver - 1].field:
        return driver, [_in_index(query.words[driver - 1], driver, window)]
    if counted is None:
        counted = yield from counts(space, query)
    if not driver and _by_ids(query, window, counted, place):
        return 0, [Part("span")]
    if merges and place is not None and place.source in ("merged", "line"):
        merged: bool | None = place.source == "merged"
    else:
        merged = None if merges else False
    found = _with_lines(query, driver, window, counted, merged=merged)
    return driver, [part for part in found if place is None or _order(part) >= _order(place)]


def _choice(space: Space, query: Query) -> Exchange[tuple[int, Counts | None]]:
    """The word with the fewest jobs, or 0 when the lines have fewer."""
    if not query.words:
        return 0, None
    sizes = yield finding.gauge(space, query.words)
    best = min((size, number) for number, size in enumerate(sizes, 1))
    if query.words[best[1] - 1].field and best[0] <= FEW:
        return best[1], None
    counted = yield from counts(space, query)
    costs = [(_size(query, counted), 0)]
    for number, (word, size) in enumerate(zip(query.words, sizes, strict=True), 1):
        named = {type_: row for type_, row in counted.items() if not word.field and _names(word, type_)}
        costs.append((size + _size(query, named), number))
    return min(costs)[1], counted


def _size(query: Query, counted: Counts) -> int:
    return sum(row[state] for row in counted.values() for state in states(query))


def _by_ids(query: Query, window: Window, counted: Counts, place: Place | None) -> bool:
    """Whether there are fewer ids of that age than jobs in the lines."""
    if place is not None:
        return place.source == "span"
    return bool(query.age) and len(window) * _LOOK_UP < _size(query, counted)


def _in_index(word: Word, driver: int, window: Window) -> Part:
    low, high = finding.range_of(word, window)
    return Part("terms", driver, low=low, high=high)


def _with_lines(query: Query, driver: int, window: Window, counted: Counts, *, merged: bool | None) -> Iterator[Part]:
    """Lines of the states and types; those of a word alone come behind the job with that id and its jobs in the index.

    `merged` None: as one when they are not too many.
    """
    word = query.words[driver - 1] if driver else None
    if word is not None:
        if word.value.isdigit() and len(word.value) <= 16 and 1 <= int(word.value) <= 2**53:
            yield Part("ids", driver, ids=(int(word.value),))
        yield _in_index(word, driver, window)
    lines = [
        (type_, state)
        for type_ in sorted(counted)
        if word is None or _names(word, type_)
        for state in states(query)
        if counted[type_][state]
    ]
    if len(lines) <= MOST_MERGED if merged is None else merged:
        yield from _merged(driver, lines)
    else:
        yield from (Part("line", driver, (line,)) for line in lines)


def _merged(driver: int, lines: list[Line]) -> Iterator[Part]:
    """Lines with one kind of score as one: by priority, by due time, by the end of the lease, by the time of the end."""
    for group in _GROUPS:
        of_group = tuple(line for line in lines if line[1] in group)
        if of_group:
            yield Part("merged", driver, of_group)


def counts(space: Space, query: Query) -> Exchange[Counts]:
    """Type -> state -> how many jobs, of the types that the query allows."""
    if query.types and not any(name.prefix for name in query.types):
        _, rows = yield reads.counts(space, [name.text for name in query.types])
        found: Iterable[TypeCounts] = rows
    else:
        every = yield from all_types(space)
        found = (row for row in every.values() if not query.types or any(name.fits(row.type) for name in query.types))
    return {row.type: dict(row.counts) for row in found}


def _names(word: Word, type: str) -> bool:
    """As find.lua has it."""
    name = type.encode().lower()
    return name == word.value or (word.prefix and name.startswith(word.value))


def states(query: Query) -> Sequence[State]:
    return query.states or tuple(State)


# ---- places


def behind(query: Query, driver: int, part: Part, at: bytes) -> str:
    """What goes on behind `at` in the part."""
    place = Place(_check(query), driver, part.source, part.type, _group(part), at.decode("latin-1"))
    return msgspec.json.encode(place).decode()


def place(after: Any, query: Query) -> Place:
    """The place that a `next` names."""
    try:
        place = msgspec.json.decode(after, type=Place)
        place.at.encode("latin-1")
    except (msgspec.DecodeError, msgspec.ValidationError, TypeError, ValueError):
        raise NoSuchPage(f"after must be the `next` of a page, got {shown(after)}") from None
    if place.query != _check(query):
        raise NoSuchPage("after is the `next` of a page with another query")
    return place


def begin(part: Part, place: Place | None) -> bytes:
    """Behind what a part goes on; nothing when it is not the place's."""
    return place.at.encode("latin-1") if place is not None and _order(place) == _order(part) else b""


def _check(query: Query) -> int:
    return zlib.crc32(repr(msgspec.structs.replace(query, text="")).encode())


_GROUPS: Final = (
    *((state,) for state in (State.WAITING, State.DELAYED, State.ACTIVE)),
    tuple(state for state in State if state in FINISHED),
    (State.BLOCKED,),
)
_SOURCES: Final = ("ids", "terms", "span", "merged", "line")
_ORDER_OF_STATES: Final = {"": -1, **{str(state): at for at, state in enumerate(State)}}


def _group(part: Part) -> str:
    """The state by which a part is ordered: of merged ones the first of their group, whichever are there today."""
    if part.source != "merged":
        return str(part.state)
    (first,) = (group[0] for group in _GROUPS if part.state in group)
    return str(first)


def _order(one: Part | Place) -> tuple[int, str, int]:
    """Parts come in this order, so that a page goes on behind a part that is not there any more."""
    state = _group(one) if isinstance(one, Part) else one.state
    if one.source not in _SOURCES or state not in _ORDER_OF_STATES:
        raise NoSuchPage("after must be the `next` of a page")
    return _SOURCES.index(one.source), one.type, _ORDER_OF_STATES[state]
