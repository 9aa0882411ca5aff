"""Events: what happened to jobs, as values, and the queue's own stream of them. The last step of the way."""

import re
from collections import Counter, deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import msgspec

from barq.codec import Codec
from barq.errors import InvalidValue, shown
from barq.outcome import decode_error
from barq.protocol import streams
from barq.protocol.call import Space
from barq.protocol.streams import Happened
from barq.record import Status
from barq.states import FINISHED, State
from barq.store.store import Store

GAP = "gap"
"""Name of the marker in place of events that were trimmed before they were read; `data` is how many entries."""

CLOSED = "closed"
"""Name of what a listener to one job gets when the queue is closed before the job has ended."""

_BLOCK_SECONDS = 5.0
_REMEMBERED = 500
_NUMBER = re.compile(r"[0-9]{1,16}")


class Progress(msgspec.Struct, frozen=True):
    """How far a running job is, in percent, and what its handler says of it."""

    percent: int
    data: Any = None


class Event(msgspec.Struct, frozen=True):
    """One thing that happened to a job.

    `name` is one of enqueue, promotion, start, progress, log, failed attempt, failed, complete, requeue, park, retry,
    cancel, remove (or gap). `data` is a Progress, the text of a log line, the error of a failure or why a job is parked
    (barq.ErrorInfo), or the result
    for who waits for this job (the queue's stream leaves results out). `position` is where to go on after this event.
    """

    name: str
    type: str
    job_id: int
    at: datetime
    data: Any = None
    position: str = ""


def event_of(happened: Happened, codec: Codec, position: str = "") -> Event:
    at = datetime.fromtimestamp(happened.at_ms / 1000, UTC)
    return Event(happened.event, happened.type, happened.id, at, _data(happened, codec), position)


def ending_of(status: Status, codec: Codec, *, type: str, job_id: int) -> Event | None:
    """The event that a job ended with, worked out from how it stands; None for one that has not ended."""
    if status.state not in FINISHED:
        return None
    body = status.ending.body if status.ending else b""
    at = datetime.fromtimestamp(status.score / 1000, UTC)
    match status.state:
        case State.COMPLETED:
            return Event("complete", type, job_id, at, codec.decode(body))
        case State.FAILED:
            return Event("failed", type, job_id, at, decode_error(body))
        case _:
            return Event("cancel", type, job_id, at)


def _data(happened: Happened, codec: Codec) -> Any:
    if not happened.detail:
        return None
    match happened.event:
        case "progress":
            return decode_progress(happened.detail, codec)
        case "log":
            return happened.detail.decode("utf-8", "replace")
        case "failed" | "failed attempt" | "park":
            return decode_error(happened.detail)
        case _:
            return codec.decode(happened.detail)


def encode_progress(progress: Progress, codec: Codec) -> bytes:
    data = b"" if progress.data is None else codec.encode(progress.data)
    return msgspec.json.encode(progress.percent) + b" " + data


def decode_progress(note: bytes, codec: Codec) -> Progress:
    percent, _, data = note.partition(b" ")
    return Progress(int(percent), codec.decode(data) if data else None)


async def newest_position(store: Store, space: Space, *, timeout: float | None = -1) -> str:
    """The position behind all that has happened so far."""
    last = await store.send(streams.last_position(space, streams.events_key(space)), timeout=timeout)
    return str(_entry_number(last))


async def follow(
    store: Store, space: Space, codec: Codec, *, after: str | None, wait: bool = True
) -> AsyncIterator[Event]:
    """The queue's events in order, from now on, or behind the position `after` ("0" = all that is kept).

    Without `wait` it ends with what has happened so far.
    """
    key = streams.events_key(space)
    timeout = None if wait else -1  # who waits for events waits for the server as well
    block_ms, may_block = (round(_BLOCK_SECONDS * 1000), _BLOCK_SECONDS) if wait else (None, 0.0)

    async def newest() -> int:
        return int(await newest_position(store, space, timeout=timeout))

    entry, skip = (await newest(), 0) if after is None else parse_position(after)
    told, connections = _Told(), store.connections

    async def stretch(first: int) -> list[Happened]:
        return await store.send(
            streams.read(space, key, b"%d" % max(0, first - 1), block_ms=None, most=_REMEMBERED), timeout=timeout
        )

    while True:
        call = streams.read(space, key, b"%d" % entry, block_ms=block_ms)
        found = await store.send(call, may_block=may_block, timeout=timeout)
        # after a restart or a failover the newest entries may be gone, and others have their numbers
        lost = not found and await newest() < entry + bool(skip)
        if lost or store.connections != connections:
            connections = store.connections
            true = told.still_true(await stretch(told.first), entry) if told.first else 0 if lost else entry
            if lost or true < entry:
                entry, skip = true, 0
                yield _gap(None, at_ms=0, entry=entry)
                continue
        if not found and not wait:
            return
        for number, happened in groupby(found, key=lambda one: _entry_number(one.position)):
            told_now = list(happened)
            if number > entry + 1:
                yield _gap(number - entry - 1, at_ms=told_now[0].at_ms, entry=number - 1)
                skip = 0
            for index, one in enumerate(told_now[skip:], skip):
                yield event_of(one, codec, f"{number}.{index}")
            told.add(number, told_now)
            entry, skip = number, 0


class _Told:
    """The entries told last, to see where a server that lost some goes another way."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)

    @property
    def first(self) -> int:
        return self._entries[0][0] if self._entries else 0

    def add(self, number: int, happened: list[Happened]) -> None:
        self._entries.append((number, hash(tuple(happened))))

    def still_true(self, stretch: list[Happened], entry: int) -> int:
        """The last entry that stands in the stream as it was told; `entry` where what follows it was only trimmed."""
        there = {
            number: hash(tuple(happened))
            for number, happened in groupby(stretch, lambda one: _entry_number(one.position))
        }
        if there and min(there) > entry:
            return entry
        true = [number for number, told in self._entries if there.get(number) == told]
        while self._entries and self._entries[-1][0] > (true[-1] if true else 0):
            self._entries.pop()
        return true[-1] if true else 0


class PastLogs:
    """Log lines that were read after one had begun to listen: some of them come again as the first events that are heard."""

    def __init__(self, type: str, job_id: int, lines: list[tuple[datetime, str]]) -> None:
        self.events = [Event("log", type, job_id, at, line) for at, line in lines]
        self._read = Counter(lines)

    def told(self, event: Event) -> bool:
        """Whether this log line was among those that were read."""
        if event.name != "log" or not self._read[event.at, event.data]:
            return False
        self._read[event.at, event.data] -= 1
        return True


def _gap(missed: int | None, *, at_ms: int, entry: int) -> Event:
    return Event(GAP, "", 0, datetime.fromtimestamp(at_ms / 1000, UTC), missed, f"{entry}")


def _entry_number(position: bytes) -> int:
    return int(position.split(b"-")[0])


def parse_position(position: str) -> tuple[int, int]:
    """The last entry that was read whole, and how many events of the next one were read.

    >>> parse_position("120.3"), parse_position("0")
    ((119, 4), (0, 0))
    """
    entry, _, index = position.partition(".") if isinstance(position, str) else ("", "", "")
    if not _NUMBER.fullmatch(entry) or (index and not (_NUMBER.fullmatch(index) and int(entry))):
        raise InvalidValue(f"after must be the position of an event such as '120.3', or '0', got {shown(position)}")
    return (int(entry) - 1, int(index) + 1) if index else (int(entry), 0)
