"""Shape: a job as Kue writes it in JSON: times as texts of milliseconds, what is not there left out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from barq.job import Job
from barq.kue.words import NAMES
from barq.states import State

Mask = Callable[[Any], Any]


def job_json(job: Job[Any], mask: Mask, *, id: int | str) -> dict[str, Any]:
    """`id`: Kue tells it as text where it was asked for by id, and as a number in lists."""
    created = _ms(job.created_at) or 0
    ended, started = _ms(job.ended_at), _ms(job.started_at)
    due = _ms(job.due_at)
    failed = job.error is not None or job.state is State.CANCELLED
    completed = job.state is State.COMPLETED
    found = {
        "id": id,
        "type": job.type,
        "data": mask(_read(lambda: job.data)),
        "result": mask(_read(lambda: job.returned)),
        "priority": job.priority,
        **_progress(job, mask),
        "state": NAMES[job.state],
        "error": _error(job),
        "created_at": str(created),
        "promote_at": str(due or created),
        "updated_at": str(max(created, started or 0, ended or 0)),
        "failed_at": str(ended) if failed and ended else None,
        "started_at": str(started) if started else None,
        "duration": str(ended - started) if completed and ended and started else None,
        "delay": str(due - (ended or created)) if due else None,
        "workerId": job.worker,
        "ttl": str(job.options.timeout_ms) if job.options.timeout_ms else None,
    }
    return {name: value for name, value in found.items() if value is not None} | {"attempts": _attempts(job)}


def _attempts(job: Job[Any]) -> dict[str, int]:
    """Kue counts an attempt when it has ended, barq when it is followed by another."""
    made = job.failures + (job.state in (State.COMPLETED, State.FAILED))
    return {"made": made, "remaining": job.attempts - made, "max": job.attempts}


def _progress(job: Job[Any], mask: Mask) -> dict[str, Any]:
    told = _read(lambda: job.progressed)
    percent = getattr(told, "percent", None)
    if job.state is State.COMPLETED:
        percent = 100
    # as in Kue: a number before the first progress, a text from then on
    return {"progress": 0 if percent is None else str(percent), "progress_data": mask(getattr(told, "data", None))}


def _error(job: Job[Any]) -> str | None:
    if job.error is None:
        return "cancelled" if job.state is State.CANCELLED else None
    first = f"{job.error.type}: {job.error.message}"
    return f"{first}\n{job.error.traceback}" if job.error.traceback else first


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # the application's codec may not be at hand here
        return f"<not readable: {type(error).__name__}>"


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)
