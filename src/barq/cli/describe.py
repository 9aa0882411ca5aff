"""Describe: jobs, types and events as plain values for --json, and as text for people."""

from datetime import datetime
from typing import Any

import msgspec

from barq.cli import text
from barq.cli.exits import clean
from barq.events import Event, Progress
from barq.job import Job
from barq.outcome import ErrorInfo
from barq.states import State

Logs = list[tuple[datetime, str]]


def job_values(job: Job[Any]) -> dict[str, Any]:
    options = job.options
    return {
        "id": job.id,
        "type": job.type,
        "state": str(job.state),
        "title": job.title,
        "priority": job.priority,
        "attempt": job.attempt,
        "attempts": job.attempts,
        "failures": job.failures,
        "timeout": None if options.timeout_ms is None else options.timeout_ms / 1000,
        "backoff": options.backoff,
        "remove_on_complete": options.remove_on_complete,
        "created_at": job.created_at,
        "due_at": job.due_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "worker": job.worker,
        "progress": _plain(job.progressed),
        "error": job.error,
        "data": job.data,
    }


def job_text(job: Job[Any], *, result: Any, logs: Logs) -> str:
    """All that is known of a job."""
    options = job.options
    timeout = None if options.timeout_ms is None else f"{options.timeout_ms / 1000:g} s"
    facts = {
        "title": job.title,
        "priority": job.priority,
        "attempt": f"{job.attempt} of {job.attempts}" + (f", {job.failures} failed" if job.failures else ""),
        "backoff": text.as_json(options.backoff) if options.backoff else None,
        "timeout": timeout,
        "created": text.exact(job.created_at),
        "due": text.exact(job.due_at),
        "started": text.exact(job.started_at),
        "ended": text.exact(job.ended_at),
        "worker": job.worker,
        "progress": _progress_text(job.progressed) if job.progressed else None,
    }
    known = {name: text.one_line(fact) for name, fact in facts.items() if fact not in (None, "")}
    parts = [f"job {job.id}  {text.one_line(job.type)}  {job.state}"]
    parts += [f"  {name:<9} {fact}" for name, fact in known.items()]
    parts += ["data", text.indented(_pretty(job.data))]
    if job.state is State.COMPLETED:
        parts += ["result", text.indented(_pretty(result))]
    if job.error is not None:
        parts.append("parked, because" if job.state is State.BLOCKED else "error")
        parts.append(text.indented(job.error.traceback or f"{job.error.type}: {job.error.message}"))
    if logs:
        parts += ["log", *(text.indented(f"{text.clock_time(at)}  {line}") for at, line in logs)]
    return "\n".join(parts)


def jobs_table(jobs: list[Job[Any]]) -> str:
    rows = [
        [
            job.id,
            job.type,
            job.state,
            job.priority,
            f"{job.attempt}/{job.attempts}",
            text.when(job.due_at or _last_time(job)),
            _about(job),
        ]
        for job in jobs
    ]
    return text.table(["ID", "TYPE", "STATE", "PRIORITY", "ATTEMPT", "WHEN", "ABOUT"], rows, right="ID PRIORITY")


def _last_time(job: Job[Any]) -> datetime | None:
    match job.state:
        case State.ACTIVE:
            return job.started_at
        case State.WAITING | State.DELAYED:
            return job.created_at
        case _:
            return job.ended_at or job.created_at


def _about(job: Job[Any]) -> str:
    """The one thing that is worth a line: why it failed, how far it is, or else what it is."""
    name = job.title or text.as_json(job.data)
    if job.error is not None:
        return f"{job.error.type}: {job.error.message}"
    if job.state is State.ACTIVE and job.progressed is not None:
        return f"{job.progressed.percent}%  {name}"
    return name


def event_values(event: Event) -> dict[str, Any]:
    return {
        "event": event.name,
        "type": event.type,
        "id": event.job_id,
        "at": event.at,
        "data": _plain(event.data),
        "position": event.position,
    }


def event_text(event: Event) -> str:
    if event.name == "gap":
        return f"{text.clock_time(event.at)}  gap: {event.data or 'some'} entries were gone before they were read"
    match event.data:
        case None:
            more = ""
        case Progress():
            more = _progress_text(event.data)
        case ErrorInfo(type=type, message=message):
            more = f"{type}: {message}"
        case str():
            more = event.data
        case _:
            more = text.as_json(event.data)
    line = f"{text.clock_time(event.at)}  {event.job_id:>6}  {event.name:<14}  {event.type}  {more}"
    return text.cut(clean(line.replace("\n", " ")).rstrip())


def _plain(value: Any) -> Any:
    return {"percent": value.percent, "data": value.data} if isinstance(value, Progress) else value


def _progress_text(progress: Progress) -> str:
    return f"{progress.percent}%" + ("" if progress.data is None else f" {text.as_json(progress.data)}")


def _pretty(value: Any) -> str:
    encoded = msgspec.json.encode(value)
    return (encoded if len(encoded) < 80 else msgspec.json.format(encoded, indent=2)).decode()
