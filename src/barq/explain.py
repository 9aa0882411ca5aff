"""Explain: why a job does not run, or is not done, in words: worked out from what the server and the workers say. No I/O."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from barq.outcome import decode_error
from barq.protocol.reads import Situation
from barq.record import Ending
from barq.states import FINISHED, State

if TYPE_CHECKING:
    from barq.workers import WorkerInfo

Code = Literal[
    "due-later",
    "due",
    "behind",
    "next",
    "type-paused",
    "queue-paused",
    "no-worker",
    "limit-reached",
    "slots-taken",
    "leased",
    "lease-over",
    "parked",
    "ended",
]


class Reason(msgspec.Struct, frozen=True):
    """One thing that decides when the job runs; `code` is for programs."""

    code: Code
    text: str


class Explanation(msgspec.Struct, frozen=True):
    """Why a job does not run, or that it runs or has ended; what matters most comes first."""

    id: int
    state: State
    reasons: list[Reason]


def explained(situation: Situation, alive: "Sequence[WorkerInfo]") -> Explanation:
    job = situation.job
    match job.status.state:
        case State.WAITING:
            reasons = [*_held_up(situation, alive), _place(situation)]
        case State.DELAYED:
            reasons = [_due(situation), *_held_up(situation, alive)]
        case State.ACTIVE:
            reasons = [_leased(situation, alive)]
        case State.BLOCKED:
            reasons = [_parked(job.status.ending)]
        case state:
            reasons = [_ended(state, job.status.ending)]
    return Explanation(job.id, job.status.state, reasons)


def _held_up(situation: Situation, alive: "Sequence[WorkerInfo]") -> list[Reason]:
    """What keeps all jobs of its type from being run."""
    type_ = situation.job.record.type
    found = []
    if situation.queue_paused is not None:
        found.append(Reason("queue-paused", f"the queue is paused {_pause(situation.queue_paused, situation.now_ms)}"))
    if situation.type_paused is not None:
        pause = _pause(situation.type_paused, situation.now_ms)
        found.append(Reason("type-paused", f"type {type_} is paused {pause}"))
    able = [worker for worker in alive if type_ in worker.types]
    ready = [worker for worker in able if not worker.stopping and not worker.draining]
    if not able:
        there_are = f"of {len(alive)} workers that live" if alive else "no worker lives"
        found.append(Reason("no-worker", f"no worker runs type {type_} ({there_are}): it waits until one does"))
    elif not ready:
        found.append(Reason("no-worker", f"the {_count(len(able), 'worker')} for type {type_} claim nothing more"))
    elif found_here := _full(situation, ready):
        found.append(found_here)
    return found


def _full(situation: Situation, ready: "Sequence[WorkerInfo]") -> Reason | None:
    type_, active = situation.job.record.type, situation.active
    limits = [worker.limits.get(type_) for worker in ready]
    most = sum(limit for limit in limits if limit is not None)
    if None not in limits and active >= most:
        return Reason("limit-reached", f"{active} jobs of type {type_} run, as many as its workers run at a time")
    if all(worker.running >= worker.concurrency for worker in ready):
        slots = sum(worker.concurrency for worker in ready)
        return Reason(
            "slots-taken", f"all {slots} slots of the {_count(len(ready), 'worker')} for type {type_} are taken"
        )
    return None


def _place(situation: Situation) -> Reason:
    if situation.before:
        return Reason(
            "behind", f"{_count(situation.before, 'job')} of its type run{'s' * (situation.before == 1)} before it"
        )
    return Reason("next", "it is the next of its type")


def _due(situation: Situation) -> Reason:
    status = situation.job.status
    due_ms, failures = int(status.score), status.run.failures
    after = f", after {_count(failures, 'failed attempt')}" if failures else ""
    if due_ms <= situation.now_ms:
        return Reason(
            "due", f"it has been due since {_when(due_ms, situation.now_ms)}: the next claim of its type moves it"
        )
    return Reason("due-later", f"it is due {_when(due_ms, situation.now_ms)}{after}")


def _leased(situation: Situation, alive: "Sequence[WorkerInfo]") -> Reason:
    status, now = situation.job.status, situation.now_ms
    holder = f"worker {status.run.worker}"
    process = next((f" ({one.host}, process {one.pid})" for one in alive if one.id == status.run.worker), "")
    since = "" if status.run.started_ms is None else f" since {_when(status.run.started_ms, now)}"
    if status.score < now:
        over = f"{holder}{process} has not prolonged its lease, which ended {_when(int(status.score), now)}"
        return Reason("lease-over", f"{over}: the next claim of its type puts it back")
    lost = "" if process else "; it says nothing any more: the job goes back when the lease has run out"
    return Reason(
        "leased", f"it runs: {holder}{process} holds it{since}, at the moment until {_clock(int(status.score))}{lost}"
    )


def _parked(ending: Ending | None) -> Reason:
    why = ""
    if ending is not None:
        why = f" at {_clock(ending.ended_ms)}, as its data does not fit: {decode_error(ending.body).message}"
    return Reason("parked", f"it was parked{why}; it waits until somebody mends code or data and retries it")


def _ended(state: State, ending: Ending | None) -> Reason:
    assert state in FINISHED
    if ending is None:
        return Reason("ended", f"it is {state}")
    at = f"at {_clock(ending.ended_ms)}"
    if state is not State.FAILED:
        return Reason("ended", f"it has completed {at}" if state is State.COMPLETED else f"it was cancelled {at}")
    error = decode_error(ending.body)
    return Reason("ended", f"it failed for good {at}, in run {ending.run.attempt}: {error.type}: {error.message}")


def _pause(paused: dict[str, Any], now_ms: int) -> str:
    by = f"by {paused['by']} " if paused.get("by") else ""
    until = f" until {_when(int(paused['until']), now_ms)}" if paused.get("until") else ""
    why = f": {paused['reason']}" if paused.get("reason") else ""
    return f"{by}since {_when(int(paused['at']), now_ms)}{until}{why}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))


def _when(ms: int, now_ms: int) -> str:
    """A time of the day, and how far from now."""
    away = abs(ms - now_ms)
    far = next((f"{round(away / size)} {unit}" for unit, size in _UNITS if away >= size), "less than a second")
    return f"{_clock(ms)} ({f'in {far}' if ms > now_ms else f'{far} ago'})"


def _clock(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
