"""Replay: lives the whole stream of events again, by the rules, and notes where the queue did not keep to them."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from barq.states import EVENTS, FINISHED, SIGNALS, State
from tests.faults.kept import Entry

_FROM: dict[str, set[State | None]] = defaultdict(set)
for (source, _target), _name in EVENTS.items():
    _FROM[_name].add(source)

_TO = {
    "promotion": State.WAITING,
    "start": State.ACTIVE,
    "complete": State.COMPLETED,
    "failed": State.FAILED,
    "failed attempt": State.DELAYED,
    "requeue": State.WAITING,
    "park": State.BLOCKED,
    "retry": State.WAITING,
    "cancel": State.CANCELLED,
    "remove": None,
}


@dataclass(slots=True)
class Attempt:
    """One run as the server saw it: from a start to what ended it."""

    started_ms: int
    ended_ms: int = 0
    ended_by: str = ""


@dataclass(slots=True)
class Life:
    """A job's life. `due_ms`: when it may wait, while it is delayed. `endings`: how it ended; that retention forgets it
    is none."""

    type: str
    priority: int
    enqueued_ms: int
    state: State | None
    due_ms: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    requeues: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """What the replay has to know of a job that events do not say."""

    priority: int = 0
    delay_ms: int = 0
    backoff_ms: int = 0
    discard: bool = False


@dataclass(repr=False)
class Replayed:
    lives: dict[int, Life] = field(default_factory=dict)
    holes: list[str] = field(default_factory=list)
    illegal: list[str] = field(default_factory=list)
    inversions: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    late: list[tuple[int, int, int]] = field(default_factory=list)
    """(id, when it was due, when it was promoted), of what was promoted more than a second late."""


LATE_MS = 1000


def replay(entries: Iterable[Entry], kind_of: Callable[[int], Kind]) -> Replayed:
    """`kind_of` says what was asked of a job."""
    return _Replay(kind_of).run(entries)


class _Replay:
    def __init__(self, kind_of: Callable[[int], Kind]) -> None:
        self._kind_of = kind_of
        self._waiting: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.found = Replayed()

    def run(self, entries: Iterable[Entry]) -> Replayed:
        last = 0
        for number, at_ms, told in entries:
            if number != last + 1:
                self.found.holes.append(f"entry {number} follows {last}")
            last = number
            self._live(at_ms, told)
        return self.found

    def _live(self, at_ms: int, told: list[tuple[str, str, int]]) -> None:
        """One call. What it starts of a type has to be the first of that line."""
        started: dict[str, list[int]] = {}
        for event, type_, job_id in told:
            if event == "start":
                started.setdefault(type_, []).append(job_id)
        for event, type_, job_id in told:
            if event == "start" and type_ in started:
                self._compare(type_, started.pop(type_))
            if event not in SIGNALS:
                self._move(at_ms, event, type_, job_id)

    def _move(self, at_ms: int, event: str, type_: str, job_id: int) -> None:
        life = self.found.lives.get(job_id)
        if event == "enqueue":
            if life is not None:
                self.found.illegal.append(f"job {job_id} is enqueued a second time")
                return
            self._enqueued(at_ms, type_, job_id)
            return
        if life is None or life.state not in _FROM[event]:
            self.found.illegal.append(f"{event} of job {job_id}, which is {life.state if life else 'unknown'}")
            return
        if event == "promotion" and at_ms < life.due_ms:
            self.found.early.append(f"job {job_id} was due at {life.due_ms} and is promoted at {at_ms}")
        if event == "promotion" and at_ms > life.due_ms + LATE_MS:
            self.found.late.append((job_id, life.due_ms, at_ms))
        if event == "start":
            life.attempts.append(Attempt(at_ms))
        elif life.state is State.ACTIVE:
            life.attempts[-1].ended_ms, life.attempts[-1].ended_by = at_ms, event
        self._enter(at_ms, event, life, job_id)

    def _enqueued(self, at_ms: int, type_: str, job_id: int) -> None:
        kind = self._kind_of(job_id)
        state = State.DELAYED if kind.delay_ms else State.WAITING
        life = Life(type_, kind.priority, at_ms, state, at_ms + kind.delay_ms)
        self.found.lives[job_id] = life
        if state is State.WAITING:
            heapq.heappush(self._waiting[type_], (life.priority, job_id))

    def _enter(self, at_ms: int, event: str, life: Life, job_id: int) -> None:
        finished = life.state in FINISHED
        life.state = _TO[event]
        match event:
            case "complete" | "failed" | "cancel" | "remove" if not finished:
                life.endings.append(event)
                if event == "complete" and self._kind_of(job_id).discard:
                    life.state = None
            case "requeue":
                life.requeues += 1
            case "failed attempt":
                life.failures += 1
                life.due_ms = at_ms + self._kind_of(job_id).backoff_ms
        if life.state is State.WAITING:
            heapq.heappush(self._waiting[life.type], (life.priority, job_id))

    def _compare(self, type_: str, started: list[int]) -> None:
        line = self._waiting[type_]
        first: list[int] = []
        while line and len(first) < len(started):
            _, job_id = heapq.heappop(line)
            if self.found.lives[job_id].state is State.WAITING and job_id not in first:
                first.append(job_id)
        if set(first) != set(started):
            self.found.inversions.append(f"{started} of {type_} were started, but first in line were {first}")
            for job_id in set(first) - set(started):
                heapq.heappush(line, (self.found.lives[job_id].priority, job_id))
