"""Steer: what those who look on ask of jobs and workers, behind the methods of queue.py: explain, edit, clone, order, audit."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from barq.audit import Acts, acts_of
from barq.enqueue import Draft, Terms
from barq.errors import InvalidType, JobNotFound, WorkerNotFound, WrongState, shown
from barq.explain import Explanation, explained
from barq.failures import Attempt, Failures, attempts, failures
from barq.job import Job
from barq.options import (
    LONGEST_TEXT,
    LONGEST_TYPE,
    JobOptions,
    Priority,
    job_id,
    priority_number,
    seconds_to_ms,
    text,
    type_name,
    whole_number,
)
from barq.protocol import acts, reads
from barq.protocol.acts import Order
from barq.states import State, sources
from barq.words import asked_terms

if TYPE_CHECKING:
    from barq.queue import Queue

LONGEST_NAME: Final = 512


def actor(by: Any) -> str:
    """Who acts, as it is written down: '' is nobody, control characters become spaces."""
    if not isinstance(by, str):
        raise InvalidType(f"by must be a str, got {shown(by)}")
    clean = "".join(char if char.isprintable() else " " for char in by)
    return clean.encode("utf-8", "replace")[:LONGEST_NAME].decode("utf-8", "ignore")


# ---- look


async def explain(queue: "Queue", id: int) -> Explanation:
    call = reads.explain(queue.space, job_id(id), now_ms=queue.clock.server_ms())
    situation, alive = await asyncio.gather(queue._here().store.send(call), queue.workers())
    if situation is None:
        raise JobNotFound(f"job {id} is not there (any more)")
    return explained(situation, alive)


async def attempts_of(queue: "Queue", id: int) -> list[Attempt]:
    job, past = await asyncio.gather(queue.get(id), queue._here().store.send(reads.past(queue.space, job_id(id))))
    assert job._status is not None, "it was read"
    return attempts(past, job._status)


async def failures_of(queue: "Queue", type: str | None) -> Failures:
    rows = await queue._all_counts() if type is None else {type_name(type): await queue.counts(type)}
    failed = {name: counts[State.FAILED] for name, counts in rows.items() if counts[State.FAILED]}
    found: Failures = await queue._exchange(failures(queue.space, failed))
    return found


async def audit(queue: "Queue", limit: int, before: int | None) -> Acts:
    limit = whole_number("limit", limit, least=1, most=1000)
    before = None if before is None else whole_number("before", before, least=1, most=2**53)
    entries = await queue._here().store.send(reads.audit(queue.space, before=before, most=limit + 1))
    return acts_of(entries, queue.codec, limit=limit, id_of=queue.space.id)


# ---- act


async def edit(queue: "Queue", id: int, data: Any, *, priority: Priority | None, retry: bool, by: str) -> None:
    terms = b""
    if data is not UNSET:
        options = (await queue.get(id)).options
        terms = asked_terms(options.title, options.index, data)
    call = acts.edit(
        queue.space,
        job_id(id),
        now_ms=queue.clock.server_ms(),
        by=actor(by),
        priority=None if priority is None else priority_number(priority),
        data=None if data is UNSET else queue._encode(data),
        retry=retry,
        terms=terms,
    )
    if word := await queue._here().acts.send(call):
        raise refusal("retry" if retry else "edit", [(id, word)])


async def clone(queue: "Queue", id: int, data: Any, *, by: str) -> Job[Any]:
    job = await queue.get(id)
    payload = job._record.payload if data is UNSET else queue._encode(data)
    terms = Terms(job.type, {"priority": job.priority, **_asked(job.options)})
    found_by = terms.terms_of(job.data if data is UNSET else data) if terms.searchable else b""
    draft = Draft(terms, payload, found_by)
    made: Job[Any] = Job(queue, 0, draft)
    await queue._save(made, draft)
    if name := actor(by):
        call = acts.write_down(queue.space, name, "clone", id, made.id, now_ms=queue.clock.server_ms())
        await queue._here().acts.send(call)
    return made


def _asked(options: JobOptions) -> dict[str, Any]:
    """Options of a job as an enqueue takes them; its delay is over."""
    return {
        "attempts": options.attempts,
        "backoff": options.backoff,
        "timeout": None if options.timeout_ms is None else options.timeout_ms / 1000,
        "title": options.title,
        "remove_on_complete": options.remove_on_complete,
        "index": options.index,
    }


async def pause(queue: "Queue", type: str, *, by: str, reason: str, seconds: float | timedelta | None) -> bool:
    if reason != "":
        text("reason", reason, longest=LONGEST_TEXT)
    lasts_ms = None if seconds is None else seconds_to_ms("seconds", seconds, least_ms=1)
    now_ms = queue.clock.server_ms()
    call = acts.pause(queue.space, type, now_ms=now_ms, by=actor(by), reason=reason, lasts_ms=lasts_ms)
    return await queue._here().acts.send(call)


async def order(queue: "Queue", worker: str, what: Order, *, by: str) -> bool:
    name = text("id of a worker", worker, longest=LONGEST_TYPE)
    call = acts.order(queue.space, name, what, now_ms=queue.clock.server_ms(), by=actor(by))
    changed = await queue._here().acts.send(call)
    if changed is None:
        raise WorkerNotFound(f"no worker {worker} lives: `barq workers` tells which do")
    return changed


def refusal(verb: str, refused: list[tuple[int, str]]) -> JobNotFound | WrongState:
    """Why an act on jobs was refused, told of the first of them."""
    id, word = refused[0]
    others = f" (and {len(refused) - 1} others)" if len(refused) > 1 else ""
    if word == "missing":
        return JobNotFound(f"job {id}{others} is not there (any more)")
    if verb == "edit":
        return WrongState(f"job {id} is {word}: a job can be edited when it does not run; cancel it first")
    allowed = " or ".join(sorted({"promote": sources("promotion")}.get(verb, sources(verb))))
    return WrongState(f"job {id}{others} is {word}: only {allowed} jobs can be {_PAST[verb]}")


_PAST: Final = {"cancel": "cancelled", "retry": "retried", "promote": "promoted", "remove": "removed"}
