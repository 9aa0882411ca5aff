"""View: jobs and events as the API shows them. The types here are the schemas of its answers."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from barq.backoff import Backoff
from barq.events import Event, Progress
from barq.http.mask import Mask
from barq.job import Job
from barq.outcome import ErrorInfo
from barq.states import State


class JobView(msgspec.Struct, rename={}, kw_only=True):
    """A job. Times are UTC, durations are seconds. `result` is what its handler returned, `error` that of its last run."""

    id: int
    type: str
    state: State
    title: str | None
    priority: int
    attempt: int
    """Number of the run that goes on or was the last; 0 before the first."""
    attempts: int
    failures: int
    timeout: float | None
    backoff: Backoff | None
    remove_on_complete: bool
    created_at: datetime | None
    due_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    worker: str | None
    progress: Progress | None
    error: ErrorInfo | None
    data: Any
    result: Any


def job_view(job: Job[Any], mask: Mask) -> JobView:
    options = job.options
    return JobView(
        id=job.id,
        type=job.type,
        state=job.state,
        title=job.title,
        priority=job.priority,
        attempt=job.attempt,
        attempts=job.attempts,
        failures=job.failures,
        timeout=None if options.timeout_ms is None else options.timeout_ms / 1000,
        backoff=options.backoff,
        remove_on_complete=options.remove_on_complete,
        created_at=job.created_at,
        due_at=job.due_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        worker=job.worker,
        progress=progress_view(readable(lambda: job.progressed), mask),
        error=job.error,
        data=mask.applied(readable(lambda: job.data)),
        result=mask.applied(readable(lambda: job.returned)),
    )


def readable(read: Callable[[], Any]) -> Any:
    """A value that the queue's codec reads, or words in its place: the application's codec may not be at hand here."""
    try:
        return read()
    except Exception as error:
        return f"<not readable: {type(error).__name__}>"


def progress_view(progress: Any, mask: Mask) -> Progress | None:
    return Progress(progress.percent, mask.applied(progress.data)) if isinstance(progress, Progress) else None


class EventView(msgspec.Struct):
    """What happened to a job. `position` is the event's id in the stream: Last-Event-ID goes on behind it."""

    event: str
    type: str
    id: int
    at: datetime
    data: Any
    position: str


def event_view(event: Event, mask: Mask) -> EventView:
    data = progress_view(event.data, mask) if isinstance(event.data, Progress) else mask.applied(event.data)
    return EventView(event.name, event.type, event.job_id, event.at, data, event.position)


def encode(value: Any) -> bytes:
    """JSON of any answer; what a codec gives that JSON has no word for is shown as text."""
    return _encoder.encode(value)


_encoder = msgspec.json.Encoder(enc_hook=repr)
