"""Failures: failed jobs in groups, by type, error and place in the code; and the attempts of one job. No I/O."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from barq.listing import Exchange
from barq.outcome import ErrorInfo, decode_error
from barq.protocol import reads
from barq.protocol.call import Space
from barq.query import where
from barq.record import Ending, Run, Status
from barq.states import State

MOST_LOOKED_AT: Final = 10_000
"""Failed jobs; the newest of each type, and of each type as many as its share of all is."""
_SLICE: Final = 500
_LEAST_OF_A_TYPE: Final = 20


class FailureGroup(msgspec.Struct, frozen=True):
    """Jobs that failed for good in the same way. `message` and `sample_id` are of the newest; `where` finds all of them."""

    type: str
    error: str
    place: str
    message: str
    count: int
    first_at: datetime
    last_at: datetime
    sample_id: int
    where: str


class Failures(msgspec.Struct, frozen=True):
    """The largest group first. So many failed jobs were looked at, of so many that there are."""

    groups: list[FailureGroup]
    looked_at: int
    total: int


class _Group(msgspec.Struct):
    message: str
    sample_id: int
    last_ms: int
    first_ms: int
    count: int = 0


_Way = tuple[str, str, str]


def failures(space: Space, failed: Mapping[str, int]) -> Exchange[Failures]:
    """Group the failed jobs of these types, of each of which there are so many."""
    total = sum(failed.values())
    groups: dict[_Way, _Group] = {}
    looked_at = 0
    for type_, number in failed.items():
        most = min(number, max(_LEAST_OF_A_TYPE, MOST_LOOKED_AT * number // total), MOST_LOOKED_AT - looked_at)
        looked_at += yield from _look(space, type_, most, groups)
    found = [_shown(way, group) for way, group in groups.items()]
    found.sort(key=lambda group: (-group.count, group.type, group.error, group.place))
    return Failures(found, looked_at, total)


def _look(space: Space, type: str, most: int, groups: dict[_Way, _Group]) -> Exchange[int]:
    """Adds what the newest failed jobs of a type failed with; returns how many there were."""
    seen: set[int] = set()  # what fails meanwhile moves the others on
    for at in range(0, most, _SLICE):
        part = yield reads.failures(space, type, skip=at, most=min(_SLICE, most - at))
        for one in part:
            if one.id not in seen:
                seen.add(one.id)
                _add(groups, type, one)
        if len(part) < min(_SLICE, most - at):
            break
    return len(seen)


def _add(groups: dict[_Way, _Group], type: str, one: reads.Failed) -> None:
    error = one.error
    group = groups.get((type, error.type, error.place))
    if group is None:
        group = groups[type, error.type, error.place] = _Group(error.message, one.id, one.ended_ms, one.ended_ms)
    group.count += 1
    group.first_ms = min(group.first_ms, one.ended_ms)


def _shown(way: _Way, group: _Group) -> FailureGroup:
    type_, error, place = way
    return FailureGroup(
        type=type_,
        error=error,
        place=place,
        message=group.message,
        count=group.count,
        first_at=_time(group.first_ms),
        last_at=_time(group.last_ms),
        sample_id=group.sample_id,
        where=where(state=State.FAILED, type=type_, error=error or None, place=place or None),
    )


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


# ---- the attempts of one job


class Attempt(msgspec.Struct, frozen=True):
    """An attempt that has ended, or goes on (then without an end): by which worker, from when to when, with what error."""

    attempt: int
    started_at: datetime | None
    ended_at: datetime | None
    worker: str | None
    error: ErrorInfo | None


def attempts(past: Sequence[Ending], status: Status) -> list[Attempt]:
    """What is kept of a job's attempts, in order: the failed ones before the last, the last, and one that goes on."""
    endings = list(past)
    last = status.ending
    if last is not None and (not endings or last.run.attempt > endings[-1].run.attempt):
        endings.append(last)
    found = [_attempt(ending.run, _time(ending.ended_ms), error_of(ending)) for ending in endings]
    if status.state is State.ACTIVE:
        found.append(_attempt(status.run, None, None))
    return found


def error_of(ending: Ending) -> ErrorInfo | None:
    """The error that an attempt ended with; None where it is a result: only errors have a second line."""
    is_error = ending.body.startswith(b'{"type":') and b"\n" in ending.body
    return decode_error(ending.body) if is_error else None


def _attempt(run: Run, ended_at: datetime | None, error: ErrorInfo | None) -> Attempt:
    started_at = None if run.started_ms is None else _time(run.started_ms)
    return Attempt(run.attempt, started_at, ended_at, run.worker, error)
