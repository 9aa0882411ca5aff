"""Causes: which attempts were taken from their holders, and whether a fault on record can have cost them their leases."""

from dataclasses import dataclass
from typing import Final

from tests.faults.records import Started
from tests.faults.story import Process, Run, Story


@dataclass(frozen=True, slots=True)
class Loss:
    """An attempt that somebody lost: whoever ran it, if anybody did, and why it could be lost ('': no reason)."""

    run: Run
    started_ms: int
    ended_ms: int
    start: tuple[Process, Started] | None
    cause: str


def losses(story: Story) -> list[Loss]:
    """All attempts that were taken from their holders."""
    released = {run for run, settles in story.settles.items() if any(kind == "release" for _, _, kind, _ in settles)}
    found = []
    for job_id, life in story.replayed.lives.items():
        for number, attempt in enumerate(life.attempts, 1):
            poisoned = attempt.ended_by == "failed" and number == len(life.attempts) and _was_poison(story, job_id)
            if (attempt.ended_by == "requeue" or poisoned) and (job_id, number) not in released:
                start = story.starts.get((job_id, number), [None])[0]
                times = attempt.started_ms, attempt.ended_ms
                cause = _cause(story, *start, *times) if start else _cause_unheard(story, *times)
                found.append(Loss((job_id, number), *times, start, cause))
    return found


def _was_poison(story: Story, job_id: int) -> bool:
    """Failed by a rescue, not by its holder."""
    run = (job_id, len(story.replayed.lives[job_id].attempts))
    return story.kept.end.get(job_id, "").split()[-1:] == [str(story.terms.poison)] and not any(
        kind == "fail" and counts for _, _, kind, counts in story.settles.get(run, ())
    )


def stopping(story: Story, at_ms: int) -> bool:
    """Somebody was being stopped, and may have handed the job back without anybody's hearing of it."""
    return any(s.fault == "stop" and s.at <= at_ms * 1000 <= s.until + 1_000_000 for s in story.struck)


SLACK_MS: Final = 700
"""How late a heartbeat may be on a busy machine."""


def _cause(story: Story, process: Process, record: Started, started_ms: int, ended_ms: int) -> str:
    """Why the holder may have lost an attempt: for the time of a lease no heartbeat can have arrived, or nearly so."""
    begin, end = (ended_ms - story.terms.lease_ms) * 1000, ended_ms * 1000
    needed = (story.terms.lease_ms - story.terms.beat_ms - SLACK_MS) * 1000
    if process.died_at is not None and process.died_at + needed <= end:
        return "its worker was killed"
    if story.silences.of(process, begin, end, beats=True) >= needed:
        return "no heartbeat came through"
    late = record.at - started_ms * 1000
    if late > 1_000_000 and story.silences.of(process, started_ms * 1000, record.at, beats=False) >= late - 1_000_000:
        return "its claim was answered late"
    if stopping(story, ended_ms) and process.died_at is not None and process.died_at <= end + 500_000:
        return "its worker was stopped"
    return ""


def _cause_unheard(story: Story, started_ms: int, ended_ms: int) -> str:
    """The same for a claim that nobody heard the answer of."""
    begin, end = (started_ms - 500) * 1000, ended_ms * 1000
    if story.silences.anywhere(begin, end):
        return "the answer to its claim was lost"
    died = any(process.died_at is not None and begin <= process.died_at <= end for process in story.processes)
    return "its worker was killed" if died else ""
