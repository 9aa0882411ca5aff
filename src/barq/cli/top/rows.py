"""Rows: types, running jobs, failures, workers and jobs as rows of panels."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from barq.cli import text
from barq.cli.top.draw import STATE_STYLES, age, bar, number, one_line, rate, seconds, sparkline
from barq.cli.top.panel import Column, Row
from barq.failures import FailureGroup
from barq.job import Job
from barq.query import where
from barq.states import FINISHED, State
from barq.stats import TypeStats
from barq.workers import WorkerInfo

_BAR: Final = 20

# ---- types

TYPE_COLUMNS: Final = (
    Column("TYPE", flex=True),
    Column("WAIT", right=True),
    Column("DELAYED", right=True, drop=5),
    Column("RUN", right=True),
    Column("FAILED", right=True),
    Column("DONE", right=True, drop=6),
    Column("A SECOND", right=True),
    Column("OLDEST", right=True),
    Column("WAITED 50/95%", right=True, drop=3),
    Column("RAN 50/95%", right=True, drop=2),
    Column("15 MINUTES", drop=4),
    Column("PAUSED", flex=True, drop=1),
)


def type_rows(types: dict[str, TypeStats], now: datetime) -> list[Row]:
    return [Row(name, _type_cells(row, now)) for name, row in sorted(types.items())]


def of_type(type: str) -> str:
    """The query for its jobs."""
    return where(type=type)


def _type_cells(row: TypeStats, now: datetime) -> list[Text | str]:
    counts, paused = row.counts, row.paused
    return [
        one_line(row.type),
        _count(counts, State.WAITING),
        _count(counts, State.DELAYED),
        _count(counts, State.ACTIVE),
        _count(counts, State.FAILED),
        _count(counts, State.COMPLETED),
        rate(row.rate),
        age(row.oldest_waiting_at, now),
        _spread(row.waiting),
        _spread(row.running),
        Text(sparkline(row.spark) if any(row.spark) else "", "green"),
        Text(pause_text(paused, now), "bold yellow") if paused else "",
    ]


def _count(counts: dict[str, int], state: State) -> Text:
    return Text(number(counts[state]), STATE_STYLES[state] if counts[state] else "dim")


def _spread(spread: Any) -> str:
    return "" if spread is None else f"{seconds(spread.p50)} / {seconds(spread.p95)}"


def pause_text(paused: dict[str, Any], now: datetime) -> str:
    """By whom, for how long and why."""
    since = age(datetime.fromtimestamp(paused.get("at", 0) / 1000, UTC), now)
    until = paused.get("until")
    left = f", {seconds(max(0, until / 1000 - now.timestamp()))} left" if until else ""
    by = f"by {paused['by']}, " if paused.get("by") else ""
    why = f": {paused['reason']}" if paused.get("reason") else ""
    return one_line(f"{by}{since}{left}{why}")


# ---- what runs

RUNNING_COLUMNS: Final = (
    Column("ID", right=True),
    Column("TYPE", flex=True),
    Column("PROGRESS"),
    Column("SINCE", right=True),
    Column("TRY", right=True, drop=3),
    Column("TITLE", flex=True, drop=1),
    Column("WORKER", drop=2),
)


def running_rows(jobs: Sequence[Job[Any]], now: datetime) -> list[Row]:
    return [
        Row(
            job.id,
            [
                str(job.id),
                one_line(job.type),
                bar(job.progressed.percent, _BAR) if job.progressed else Text("─" * _BAR, "dim"),
                age(job.started_at, now),
                f"{job.attempt}/{job.attempts}",
                one_line(job.title or ""),
                one_line(job.worker or ""),
            ],
        )
        for job in jobs
    ]


# ---- failures

FAILURE_COLUMNS: Final = (
    Column("JOBS", right=True),
    Column("TYPE", flex=True),
    Column("ERROR"),
    Column("LAST", right=True),
    Column("FIRST", right=True, drop=3),
    Column("PLACE", drop=2),
    Column("MESSAGE", flex=True, drop=1),
)


def failure_rows(groups: Sequence[FailureGroup], now: datetime) -> list[Row]:
    return [
        Row(
            (group.type, group.error, group.place),
            [
                Text(number(group.count), "red"),
                one_line(group.type),
                Text(one_line(group.error), "red"),
                age(group.last_at, now),
                age(group.first_at, now),
                Text(one_line(group.place), "dim"),
                one_line(group.message),
            ],
        )
        for group in groups
    ]


def group_of(groups: Sequence[FailureGroup], key: object) -> FailureGroup | None:
    return next((group for group in groups if (group.type, group.error, group.place) == key), None)


# ---- workers

WORKER_COLUMNS: Final = (
    Column("WORKER", flex=True),
    Column("BUSY", right=True),
    Column("STATE"),
    Column("UP", right=True),
    Column("MEMORY", right=True, drop=2),
    Column("PROCESS", drop=3),
    Column("VERSION", drop=4),
    Column("TYPES", flex=True, drop=1),
)


def worker_rows(workers: Sequence[WorkerInfo], now: datetime) -> list[Row]:
    return [
        Row(
            worker.id,
            [
                one_line(worker.id),
                f"{worker.running}/{worker.concurrency}",
                worker_state(worker),
                age(datetime.fromtimestamp(worker.started_ms / 1000, UTC), now),
                f"{worker.memory_bytes / 2**20:.0f} MB" if worker.memory_bytes else "",
                one_line(f"{worker.host}:{worker.pid}"),
                one_line(worker.version),
                one_line(", ".join(worker.types)),
            ],
        )
        for worker in workers
    ]


def worker_state(worker: WorkerInfo) -> Text:
    if worker.stopping:
        return Text("stopping", "yellow")
    return Text("draining", "yellow") if worker.draining else Text("working", "green")


# ---- jobs

JOB_COLUMNS: Final = (
    Column("ID", right=True),
    Column("TYPE", flex=True),
    Column("STATE"),
    Column("WHEN", right=True),
    Column("TRY", right=True, drop=2),
    Column("PRIORITY", right=True, drop=3),
    Column("ABOUT", flex=True, drop=1),
)


def job_rows(jobs: Sequence[Job[Any]], now: datetime) -> list[Row]:
    return [
        Row(
            job.id,
            [
                str(job.id),
                one_line(job.type),
                Text(job.state, STATE_STYLES[job.state]),
                text.when(_when(job), now),
                f"{job.attempt}/{job.attempts}",
                str(job.priority) if job.priority else "",
                _about(job),
            ],
        )
        for job in jobs
    ]


def _when(job: Job[Any]) -> datetime | None:
    if job.due_at is not None:
        return job.due_at
    if job.state is State.ACTIVE:
        return job.started_at
    return (job.ended_at if job.state in FINISHED else None) or job.created_at


def _about(job: Job[Any]) -> Text:
    if job.error is not None:
        return Text(one_line(f"{job.error.type}: {job.error.message}")[:200], "red")
    return Text(one_line(job.title or text.as_json(job.data))[:200])
