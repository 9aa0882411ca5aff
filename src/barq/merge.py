"""Merge: what the partitions of a queue answer, put together. For partitioned.py."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from barq.aio import cancelled
from barq.audit import Acts
from barq.events import Event
from barq.failures import FailureGroup, Failures
from barq.protocol.reads import Recent, TypeCounts
from barq.sums import Sums, together
from barq.workers import WorkerInfo

_MOST_EVENTS_AHEAD: Final = 1_000


def counts(parts: Sequence[dict[str, int]]) -> dict[str, int]:
    return {state: sum(one[state] for one in parts) for state in parts[0]}


def types(parts: Iterable[dict[str, TypeCounts]]) -> dict[str, TypeCounts]:
    found: dict[str, TypeCounts] = {}
    for part in parts:
        for name, row in part.items():
            before = found.get(name)
            if before is not None:
                row = TypeCounts(name, before.paused or row.paused, counts([before.counts, row.counts]))
            found[name] = row
    return dict(sorted(found.items()))


def workers(parts: Iterable[list[WorkerInfo]]) -> list[WorkerInfo]:
    """Each is known in all partitions, and says in each what it runs of that one."""
    found: dict[str, WorkerInfo] = {}
    for part in parts:
        for one in part:
            before = found.get(one.id)
            if before is not None:
                told = {"running": before.running + one.running, "draining": before.draining or one.draining}
                one = msgspec.structs.replace(before, **told)
            found[one.id] = one
    return list(found.values())


def failures(parts: Iterable[Failures]) -> Failures:
    found: dict[tuple[str, str, str], FailureGroup] = {}
    looked_at = total = 0
    for part in parts:
        looked_at, total = looked_at + part.looked_at, total + part.total
        for group in part.groups:
            way = group.type, group.error, group.place
            other = found.get(way, group)
            newest = max(group, other, key=lambda one: one.last_at)
            found[way] = msgspec.structs.replace(
                newest,
                count=group.count + (other.count if other is not group else 0),
                first_at=min(group.first_at, other.first_at),
            )
    groups = sorted(found.values(), key=lambda group: (-group.count, group.type, group.error, group.place))
    return Failures(groups, looked_at, total)


def acts(parts: Iterable[Acts], *, limit: int) -> Acts:
    """The newest acts of all; each partition numbers its own, so there is no going on behind them."""
    found = sorted((act for part in parts for act in part.acts), key=lambda act: act.at, reverse=True)
    return Acts(found[:limit], None)


def sums(parts: Iterable[dict[str, Sums]]) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for part in parts:
        for name, one in part.items():
            found[name] = together([found[name], one]) if name in found else one
    return found


def over_time(replies: Sequence[tuple[int, list[Any]]]) -> tuple[int, list[Any]]:
    """What `stats` or `history` of protocol/reads.py answered in each partition, as one answer."""
    return replies[0][0], [_added(row) for row in zip(*(rows for _, rows in replies), strict=True)]


def _added(row: Sequence[Any]) -> Any:
    if not isinstance(row[0], Recent):
        return together(row)
    minutes = [together(minute) for minute in zip(*(one.minutes for one in row), strict=True)]
    return Recent(minutes, [head for one in row for head in one.heads])


# ---- events

Numbered = tuple[int, Event]
"""An event and the number of its partition."""


async def as_they_come(streams: Sequence[Callable[[], AsyncIterator[Event]]]) -> AsyncIterator[Numbered]:
    arrived: asyncio.Queue[tuple[int, Event | Exception]] = asyncio.Queue(_MOST_EVENTS_AHEAD)

    async def read(number: int, stream: Callable[[], AsyncIterator[Event]]) -> None:
        try:
            async with aclosing(stream()) as events:  # type: ignore[type-var]
                async for event in events:
                    await arrived.put((number, event))
        except Exception as error:
            await arrived.put((number, error))

    readers = [
        asyncio.create_task(read(number, stream), name="barq partition events") for number, stream in enumerate(streams)
    ]
    try:
        while True:
            number, event = await arrived.get()
            if isinstance(event, Exception):
                raise event
            yield number, event
    finally:
        await cancelled(readers)


async def by_time(streams: Sequence[AsyncIterator[Event]]) -> AsyncIterator[Numbered]:
    """What has happened so far."""
    try:
        heads = list(await asyncio.gather(*(anext(stream, None) for stream in streams)))
        while there := [(event.at, number) for number, event in enumerate(heads) if event is not None]:
            _, number = min(there)
            event = heads[number]
            assert event is not None
            yield number, event
            heads[number] = await anext(streams[number], None)
    finally:
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
