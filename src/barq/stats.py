"""Stats: rates, ages and times of types, and how they were over time, worked out from what workers counted (sums.py)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

import msgspec

from barq.errors import InvalidValue, shown
from barq.listing import Exchange, all_types
from barq.protocol import reads
from barq.protocol.call import Space
from barq.protocol.reads import Recent, TypeCounts
from barq.record import ready_ms
from barq.sums import COMPLETED, FAILED, RETRIED, RUNNING, WAITING, Sums, together

MINUTE: Final = 60
SPARKS: Final = 15
_TYPES_AT_A_TIME: Final = 100


class Spread(msgspec.Struct, frozen=True):
    """Seconds within which half of the jobs, and 95 of 100, waited or ran."""

    p50: float
    p95: float


class TypeStats(msgspec.Struct, frozen=True):
    """How a type is. What is said of time is of the last quarter of an hour unless it says otherwise.

    `rate`, `failed_rate`: jobs a second that completed, and attempts that failed, over the last minute. `oldest_waiting_at`:
    since when the job that waits longest could have run. `waiting`, `running`: how long jobs waited for their first run,
    and ran. `spark`: completed jobs in each of the last minutes, the last one going on. `backlog_seconds`: how long what
    waits will take at the rate at which attempts end; None when none does. `paused`: by whom, why, when and until when.
    """

    type: str
    counts: dict[str, int]
    paused: dict[str, Any] | None
    rate: float
    failed_rate: float
    oldest_waiting_at: datetime | None
    waiting: Spread | None
    running: Spread | None
    spark: list[int]
    backlog_seconds: float | None


def all_stats(space: Space, *, now_ms: int) -> Exchange[dict[str, TypeStats]]:
    """Of every type, a slice at a time."""
    return (yield from of_types(space, (yield from all_types(space, now_ms=now_ms)), now_ms=now_ms))


def of_types(space: Space, types: Mapping[str, TypeCounts], *, now_ms: int) -> Exchange[dict[str, TypeStats]]:
    rows, found = list(types.values()), {}
    for at in range(0, len(rows), _TYPES_AT_A_TIME):
        part = rows[at : at + _TYPES_AT_A_TIME]
        now, known = yield reads.stats(space, [row.type for row in part], now_ms=now_ms)
        found.update({row.type: _stats(row, recent, now) for row, recent in zip(part, known, strict=True)})
    return found


def _stats(row: TypeCounts, recent: Recent, now_ms: int) -> TypeStats:
    minutes, lately = recent.minutes, together(recent.minutes)
    waits = row.counts["waiting"]
    return TypeStats(
        type=row.type,
        counts=row.counts,
        paused=row.paused,
        rate=_rate([sums.counts[COMPLETED] for sums in minutes], now_ms),
        failed_rate=_rate([sums.counts[FAILED] + sums.counts[RETRIED] for sums in minutes], now_ms),
        oldest_waiting_at=_oldest(recent.heads) if waits else None,
        waiting=_spread(lately, WAITING),
        running=_spread(lately, RUNNING),
        spark=[sums.counts[COMPLETED] for sums in minutes[-SPARKS:]],
        backlog_seconds=_backlog(waits, [sums.ended for sums in minutes], now_ms),
    )


def _rate(minutes: Sequence[int], now_ms: int) -> float:
    """A second, over the last minute: of the minute that goes on all, of the one before the part that is not yet over."""
    over = now_ms / 1000 % MINUTE / MINUTE
    return round((minutes[-1] + minutes[-2] * (1 - over)) / MINUTE, 3)


def _backlog(waits: int, ended: Sequence[int], now_ms: int) -> float | None:
    """Where nothing ended in the last minute, at the rate of the last quarter of an hour."""
    if not waits:
        return 0.0
    rate = _rate(ended, now_ms) or sum(ended[-SPARKS:]) / (SPARKS * MINUTE)
    return round(waits / rate, 3) if rate else None


def _oldest(heads: Sequence[tuple[bytes, int]]) -> datetime | None:
    ready = [max(ready_ms(head), ended_ms) for head, ended_ms in heads]
    return _time(min(ready)) if ready else None


def _spread(sums: Sums, histogram: int) -> Spread | None:
    p50, p95 = sums.percentile(histogram, 0.5), sums.percentile(histogram, 0.95)
    return None if p50 is None or p95 is None else Spread(p50, p95)


# ---- over time

Span = Literal["15m", "1h", "24h", "7d"]
_SPANS: Final = {
    "15m": ("minute", 60, 15, 1),
    "1h": ("minute", 60, 60, 1),
    "24h": ("quarter", 900, 96, 1),
    "7d": ("quarter", 900, 672, 4),
}
"""Span -> what is kept, its seconds, how many of it, and how many make a point."""


class Point(msgspec.Struct, frozen=True):
    """What ended from `at` on: jobs that completed and that failed for good, attempts that failed and are tried again,
    and how many seconds half of the jobs, and 95 of 100, waited and ran; None where there were none."""

    at: datetime
    completed: int
    failed: int
    retried: int
    waiting_p50: float | None
    waiting_p95: float | None
    running_p50: float | None
    running_p95: float | None


class History(msgspec.Struct, frozen=True):
    """A point for each step of a span, the oldest first; the last step goes on."""

    span: Span
    step_seconds: int
    points: list[Point]


def history(space: Space, span: str, type: str, *, now_ms: int) -> Exchange[History]:
    """How a type was, or with '' all of them. Raises InvalidValue."""
    if span not in _SPANS:
        raise InvalidValue(f"span must be one of {', '.join(get_args(Span))}, got {shown(span)}")
    kept, seconds, count, together_ = _SPANS[span]
    now, sums = yield reads.history(space, type, span=kept, seconds=seconds, count=count, now_ms=now_ms)
    first = now // 1000 // seconds - count + 1
    steps: dict[int, list[Sums]] = {}
    for at, one in enumerate(sums, first):
        steps.setdefault(at // together_, []).append(one)
    step_seconds = seconds * together_
    points = [_point(step * step_seconds * 1000, together(parts)) for step, parts in steps.items()]
    return History(span, step_seconds, points[-(count // together_) :])  # type: ignore[arg-type]


def _point(at_ms: int, sums: Sums) -> Point:
    times = [sums.percentile(histogram, part) for histogram in (WAITING, RUNNING) for part in (0.5, 0.95)]
    return Point(_time(at_ms), *sums.counts, *times)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
