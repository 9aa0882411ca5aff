"""Budgets: ended jobs and events in at most so many bytes, the oldest forgotten first. A chore of workers, beside retention.

Nothing is counted while jobs run: the lines are measured in slices, so that no sum can drift.
"""

from collections import defaultdict
from collections.abc import Sequence

from barq.listing import Exchange, all_types
from barq.protocol import retention
from barq.protocol.call import Space
from barq.states import State

Line = tuple[str, State]


def needed(space: Space) -> bool:
    return any(kept is not None for kept in (space.completed.bytes, space.failed.bytes, space.events_bytes))


def keep(space: Space, now_ms: int) -> Exchange[int]:
    """Keep all budgets; returns how many jobs were forgotten."""
    forgotten = 0
    if space.completed.bytes is not None:
        forgotten += yield from _keep(space, [State.COMPLETED], space.completed.bytes, now_ms)
    if space.failed.bytes is not None:
        forgotten += yield from _keep(space, [State.FAILED, State.CANCELLED], space.failed.bytes, now_ms)
    if space.events_bytes is not None:
        yield retention.trim(space, space.events_bytes, now_ms=now_ms)
    return forgotten


def _keep(space: Space, states: Sequence[State], budget: int, now_ms: int) -> Exchange[int]:
    """Forget what is too much of the jobs in these states, of all types, the oldest seconds first."""
    bytes_at: dict[int, int] = defaultdict(int)
    oldest: dict[Line, int] = {}
    for type, row in (yield from all_types(space)).items():
        for state in (state for state in states if row.counts[state]):
            after, begin = None, True
            while begin or after is not None:
                measured = yield retention.measure(space, type, state, after)
                after, begin = measured.next, False
                for second, size in measured.bytes_at:
                    bytes_at[second] += size
                    oldest[type, state] = min(oldest.get((type, state), second), second)
    too_much = sum(bytes_at.values()) - budget
    if too_much <= 0:
        return 0
    last, found = 0, 0
    for second in sorted(bytes_at):
        last, found = second, found + bytes_at[second]
        if found >= too_much:
            break
    forgotten = 0
    for line in sorted(oldest, key=lambda line: oldest[line]):
        more = oldest[line] <= last
        while more and too_much > 0:
            call = retention.evict(space, *line, until_ms=last * 1000 + 999, bytes=too_much, now_ms=now_ms)
            count, freed = yield call
            forgotten, too_much, more = forgotten + count, too_much - freed, count > 0
    return forgotten
