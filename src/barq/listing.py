"""Listing: reads of several calls, as generators that yield each call and are sent its reply. No I/O here."""

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from barq.errors import NoSuchPage, shown
from barq.protocol import reads
from barq.protocol.call import Call, Space
from barq.protocol.reads import TypeCounts
from barq.record import Described
from barq.states import State

if TYPE_CHECKING:
    from barq.job import Job

R = TypeVar("R")
Exchange = Generator[Call[Any], Any, R]


class Page(list["Job[Any]"]):
    """Jobs of one page. `next` is what to pass as `after` for the page behind it, None at the end."""

    def __init__(self, jobs: Sequence["Job[Any]"], next: str | None) -> None:
        super().__init__(jobs)
        self.next = next


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: in which line, and behind which score and job (None = at the line's beginning)."""

    type: str
    state: State
    after: tuple[float, int] | None


def parse(after: str, type: str | None = None) -> Place:
    """The place that a `next` names, of a listing of one type or (None) of all."""
    try:
        place = msgspec.json.decode(after, type=Place)
    except (msgspec.DecodeError, msgspec.ValidationError, TypeError, ValueError):
        place = None
    if place is None or (place.after is not None and not 1 <= place.after[1] <= 2**53):
        raise NoSuchPage(f"after must be the `next` of a page, got {shown(after)}")
    if type is not None and place.type != type:
        raise NoSuchPage("after is the `next` of a page with another type or state")
    return place


Line = tuple[str, State]
Counts = Mapping[str, Mapping[str, int]]
"""Type -> state -> how many jobs."""


def walk(
    space: Space,
    counts: Counts,
    states: Sequence[State],
    place: Place | None,
    *,
    limit: int,
    newest_first: bool,
    skip: int = 0,
) -> Exchange[tuple[list[Described], str | None]]:
    """Go through the lines of the types and states until `limit` jobs are found; returns them and where to go on.

    Lines that are empty by `counts` are not asked for. `skip` leaves out so many jobs of those at the beginning.
    """
    lines = [(type_, state) for type_ in sorted(counts) for state in states]
    if place is not None:
        if place.state not in states or (place.type not in counts and space.partitions == 1):
            raise NoSuchPage("after is the `next` of a page with another type or state")
        begin = place.type, states.index(place.state)  # a partition may have none of that type
        lines = [line for line in lines if (line[0], states.index(line[1])) >= begin]
    lines, skip = _behind([line for line in lines if counts[line[0]][line[1]]], counts, skip)
    found: list[Described] = []
    for type_, state in lines:
        here = place if place is not None and (type_, state) == (place.type, place.state) else None
        after = here.after if here else None
        most = limit - len(found)
        part = yield reads.page(space, type_, state, newest_first=newest_first, after=after, most=most, skip=skip)
        found += part.jobs
        skip = 0
        if part.more:
            last = part.jobs[-1]
            return found, _encoded(Place(type_, state, (last.status.score, last.id)))
        if len(found) == limit:
            rest = lines[lines.index((type_, state)) + 1 :]
            return found, _encoded(Place(*rest[0], None)) if rest else None
    return found, None


def _behind(lines: list[Line], counts: Counts, skip: int) -> tuple[list[Line], int]:
    """The lines that are left when so many jobs are skipped, and how many are to be skipped of the first of them."""
    for index, (type_, state) in enumerate(lines):
        if skip < counts[type_][state]:
            return lines[index:], skip
        skip -= counts[type_][state]
    return [], 0


def behind(job: "Job[Any]") -> str:
    """What to pass as `after` to go on behind a job of a page."""
    assert job._status is not None, "it was read"
    return _encoded(Place(job.type, job._status.state, (job._status.score, job.id)))


def _encoded(place: Place) -> str:
    return msgspec.json.encode(place).decode()


def all_types(space: Space, *, now_ms: int = 0) -> Exchange[dict[str, TypeCounts]]:
    """The counts of every type, a slice at a time."""
    cursor, found = b"0", {}
    while True:
        cursor, rows = yield reads.counts(space, cursor=cursor, now_ms=now_ms)
        found.update({row.type: row for row in rows if row.type})
        if cursor == b"0":
            return dict(sorted(found.items()))
