"""Ranges: Kue lists jobs by their places `from..to`, counted from 0, negative ones from the end."""

from typing import Any, Final

from barq.job import Job
from barq.kue.words import STATES, Refusal, parse_int
from barq.queue import Queue
from barq.states import State

MOST: Final = 1_000
"""Jobs in one range."""

_PER_CALL: Final = 250


async def jobs_between(
    queue: Queue, first: str, last: str, *, state: str | None = None, type: str | None = None
) -> list[Job[Any]]:
    """The jobs from the place `first` to `last`: by priority, then id; of more than MOST type by type. Raises Refusal."""
    begin, end = parse_int(first), parse_int(last)
    if begin is None or end is None:
        raise Refusal(200, "ERR value is not an integer or out of range")
    counts = await queue.counts(type)
    lines: list[tuple[State | None, int]]
    lines = [(None, sum(counts.values()))] if state is None else [(one, counts[one]) for one in STATES.get(state, ())]
    total = sum(length for _, length in lines)
    begin = max(0, begin + total if begin < 0 else begin)
    end = min(total - 1, end + total if end < 0 else end)
    if end < begin:
        return []
    if total <= MOST:
        jobs = await _read(queue, lines, type, 0, total - 1)
        return sorted(jobs, key=lambda job: (job.priority, job.id))[begin : end + 1]
    if end - begin >= MOST:
        raise Refusal(
            400, f"a range gives at most {MOST} jobs, got {end - begin + 1}: ask for {begin}..{begin + MOST - 1}"
        )
    return await _read(queue, lines, type, begin, end)


async def _read(
    queue: Queue, lines: list[tuple[State | None, int]], type: str | None, begin: int, end: int
) -> list[Job[Any]]:
    found: list[Job[Any]] = []
    for state, length in lines:
        found += await _part(queue, state, type, begin, min(end, length - 1))
        begin, end = max(0, begin - length), end - length
    return found


async def _part(queue: Queue, state: State | None, type: str | None, begin: int, end: int) -> list[Job[Any]]:
    found: list[Job[Any]] = []
    after: str | None = None
    while (most := min(_PER_CALL, end - begin + 1 - len(found))) > 0:
        page = await queue.jobs(state, type, limit=most, skip=0 if found else begin, after=after)
        found += page
        after = page.next
        if after is None:
            break
    return found
