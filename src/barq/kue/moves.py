"""Moves: what Kue's clients do to a job that is there: another state, remove."""

from typing import Final

from barq.errors import WrongState
from barq.kue.words import NAMES, STATES, Refusal
from barq.queue import Queue
from barq.states import FINISHED, State

_BY_WORKERS: Final = ("active", "complete")


async def move(queue: Queue, id: int, name: str, *, by: str) -> None:
    """Bring a job into the state that Kue calls `name`. Kue writes any word at all; here only real moves are made.

    Raises Refusal, JobNotFound, or WrongState when the job has moved meanwhile.
    """
    if name not in STATES:
        raise Refusal(400, f"state must be one of {', '.join(STATES)}, got {name!r:.80}")
    job = await queue.get(id)
    if NAMES[job.state] == name:
        return
    if name == "inactive" and job.state in (*FINISHED, State.BLOCKED):
        await queue.retry(id, by=by)
    elif name == "inactive" and job.state is State.DELAYED:
        await queue.promote(id, by=by)
    elif name == "failed" and job.state not in FINISHED:
        await queue.cancel(id, by=by)
    else:
        why = "only a worker makes it so" if name in _BY_WORKERS else "no such move"
        raise Refusal(409, f'job "{id}" is {NAMES[job.state]} and can\'t become {name}: {why}')


async def remove(queue: Queue, id: int, *, by: str) -> None:
    """Forget a job, also one that runs, as Kue does: its handler is cancelled. Raises JobNotFound."""
    try:
        await queue.remove(id, by=by)
    except WrongState:
        try:
            await queue.cancel(id, by=by)
        except WrongState:
            pass  # it has ended meanwhile
        await queue.remove(id, by=by)
