"""What the demo has seen so far: events in, numbers out."""

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from barq.events import Event, Progress

RATE_SECONDS: Final = 10
_CHART_SECONDS: Final = 120
_KEPT: Final = 100


@dataclass(slots=True)
class Run:
    """A job that runs now."""

    job_id: int
    started_at: datetime
    again: bool
    """It failed before."""
    percent: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: completed, failed, or retried."""

    job_id: int
    how: str
    words: str


class Tally:
    def __init__(self, places: int) -> None:
        self.began = time.monotonic()
        self.titles: dict[int, str] = {}
        self.waiting: dict[int, datetime] = {}
        self.retrying: set[int] = set()
        self.running: list[Run | None] = [None] * places
        """A run keeps its place, so that a reader finds it again."""
        self.recent: deque[Ending] = deque(maxlen=_KEPT)
        self.created = self.completed = self.failed = self.retried = 0
        self.waited: list[float] = []
        self.ran: list[float] = []
        self._completed_at: deque[float] = deque()
        self._seen: set[int] = set()

    def begin(self) -> None:
        """The first job runs: what came before was only the start."""
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def busy(self) -> int:
        return sum(run is not None for run in self.running)

    @property
    def per_second(self) -> float:
        """Jobs completed in the last ten seconds, per second."""
        now = time.monotonic()
        while self._completed_at and self._completed_at[0] < now - _CHART_SECONDS:
            self._completed_at.popleft()
        recent = sum(at >= now - RATE_SECONDS for at in self._completed_at)
        return recent / max(1.0, min(RATE_SECONDS, self.seconds))

    def each_second(self, seconds: int) -> list[int]:
        """How many jobs completed in each of the last seconds, the one that goes on left out."""
        counts = [0] * seconds
        now = int(self.seconds)
        for at in self._completed_at:
            ago = now - int(at - self.began)
            if 1 <= ago <= seconds:
                counts[-ago] += 1
        return counts[-max(1, min(seconds, now)) :]

    def take(self, event: Event) -> None:
        job_id = event.job_id
        match event.name, event.data:
            case "enqueue", _:
                self.created += 1
                self.waiting[job_id] = event.at
            case "start", _:
                self._start(event)
            case "progress", Progress(percent, _) if run := self._run(job_id):
                run.percent = percent
            case "complete", _:
                self.completed += 1
                self._completed_at.append(time.monotonic())
                self._end(event, "completed", f"in {self._leave(event):.1f} s")
            case "failed", error:
                self.failed += 1
                self._leave(event)
                self._end(event, "failed", str(error))
            case "failed attempt", error:
                self.retried += 1
                self._leave(event)
                self.retrying.add(job_id)
                self._end(event, "retried", str(error))
            case "promotion" | "requeue", _:
                if (place := self._place(job_id)) is not None:
                    self.running[place] = None
                self.retrying.discard(job_id)
                self.waiting[job_id] = event.at

    def _start(self, event: Event) -> None:
        job_id = event.job_id
        since = self.waiting.pop(job_id, event.at)
        self.retrying.discard(job_id)
        again = job_id in self._seen
        if not again:
            self._seen.add(job_id)
            self.waited.append((event.at - since).total_seconds())
        if None not in self.running:
            self.running.append(None)
        self.running[self.running.index(None)] = Run(job_id, event.at, again)

    def _leave(self, event: Event) -> float:
        """A run ends; returns its seconds."""
        place = self._place(event.job_id)
        if place is None:
            return 0.0
        run, self.running[place] = self.running[place], None
        assert run is not None
        seconds = (event.at - run.started_at).total_seconds()
        self.ran.append(seconds)
        return seconds

    def _end(self, event: Event, how: str, words: str) -> None:
        self.recent.appendleft(Ending(event.job_id, how, words))

    def _run(self, job_id: int) -> Run | None:
        place = self._place(job_id)
        return None if place is None else self.running[place]

    def _place(self, job_id: int) -> int | None:
        places = (at for at, run in enumerate(self.running) if run is not None and run.job_id == job_id)
        return next(places, None)

    def summary(self) -> str:
        left = self.created - self.completed - self.failed
        rows = [
            ("done", f"{self.completed}", f"{self.completed / max(self.seconds, 0.001):.1f} a second"),
            ("failed", f"{self.failed}", "for good" if self.failed else ""),
            ("retried", f"{self.retried}", "a failed attempt each" if self.retried else ""),
            ("left", f"{left}", "not ended when it stopped" if left else ""),
            ("waiting", "", spread(self.waited)),
            ("running", "", spread(self.ran)),
        ]
        lines = [f"  {name:<8}{number:>6}   {words}".rstrip() for name, number, words in rows if number != "0"]
        return "\n".join([f"barq demo: {self.created} jobs in {self.seconds:.1f} s", *lines])


def line(event: Event, tally: Tally) -> str | None:
    """An event in plain words."""
    match event.name, event.data:
        case "enqueue", _:
            words = "created"
        case "start", _:
            words = "started"
        case "progress", Progress(percent, _):
            words = f"{percent}%"
        case "complete", _:
            words = f"completed: {tally.titles.get(event.job_id, '')}"
        case "failed", error:
            words = f"failed: {error}"
        case "failed attempt", error:
            words = f"failed, will be tried again: {error}"
        case "requeue", _:
            words = "handed back"
        case _:
            return None
    return f"{tally.seconds:7.2f} s  job {event.job_id} {words}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed.

    >>> percentile([5, 1, 4, 2, 3], 0.5), percentile([1, 2], 0.95), percentile([], 0.5)
    (3, 2, 0.0)
    """
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0.0


def duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def spread(values: Sequence[float]) -> str:
    return f"p50 {duration(percentile(values, 0.5))}, p95 {duration(percentile(values, 0.95))}" if values else "-"
