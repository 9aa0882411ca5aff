"""The states of a job and the one table of moves between them. Scripts, docs and names of events derive from it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a job is. Each state of each type is one sorted set in the server; its score is named here."""

    WAITING = "waiting"  # score: priority
    DELAYED = "delayed"  # score: due time, ms
    ACTIVE = "active"  # score: end of the lease, ms
    COMPLETED = "completed"  # score: end time, ms
    FAILED = "failed"  # score: end time, ms
    CANCELLED = "cancelled"  # score: end time, ms
    BLOCKED = "blocked"  # parked, with the reason; score: when, ms


FINISHED: Final = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})

_NEW = None
_GONE = None

Move = tuple[State | None, State | None]

EVENTS: Final[dict[Move, str]] = {
    (_NEW, State.WAITING): "enqueue",
    (_NEW, State.DELAYED): "enqueue",
    (State.DELAYED, State.WAITING): "promotion",
    (State.WAITING, State.ACTIVE): "start",
    (State.ACTIVE, State.COMPLETED): "complete",
    (State.ACTIVE, _GONE): "complete",  # remove_on_complete
    (State.ACTIVE, State.FAILED): "failed",
    (State.ACTIVE, State.DELAYED): "failed attempt",
    (State.ACTIVE, State.BLOCKED): "park",  # its data does not fit its handler: nothing burnt
    (State.ACTIVE, State.WAITING): "requeue",  # the lease ran out, or the worker stopped and handed it back
    (State.COMPLETED, State.WAITING): "retry",
    (State.FAILED, State.WAITING): "retry",
    (State.CANCELLED, State.WAITING): "retry",
    (State.BLOCKED, State.WAITING): "retry",
    (State.WAITING, State.CANCELLED): "cancel",
    (State.DELAYED, State.CANCELLED): "cancel",
    (State.ACTIVE, State.CANCELLED): "cancel",
    (State.BLOCKED, State.CANCELLED): "cancel",
    (State.WAITING, _GONE): "remove",
    (State.DELAYED, _GONE): "remove",
    (State.COMPLETED, _GONE): "remove",
    (State.FAILED, _GONE): "remove",
    (State.CANCELLED, _GONE): "remove",
    (State.BLOCKED, _GONE): "remove",
}
"""(from, to) -> event. None stands for "not there": before the enqueue, after the removal."""

SIGNALS: Final = ("progress", "log", "edit")
"""Events that move nothing: what a running attempt says, and that somebody changed a job's data or priority."""

EVENT_NAMES: Final = (*dict.fromkeys(EVENTS.values()), *SIGNALS)

ENDINGS: Final = frozenset({"complete", "failed", "cancel", "remove"})
"""After one of these events a job says nothing more (unless someone retries it)."""


def sources(event: str) -> frozenset[State]:
    """The states from which `event` may happen."""
    return frozenset(source for (source, _), name in EVENTS.items() if name == event and source is not None)


def rendered_for_lua(moves: Iterable[Move]) -> str:
    """The states as Lua constants, STATES in order, and the events of the moves given: EVENT['from>to'].

    Raises KeyError for a move that is not in the table.
    """
    names, values = ", ".join(state.name for state in State), ", ".join(f"'{state}'" for state in State)
    events = (f"['{source or ''}>{target or ''}'] = '{EVENTS[source, target]}'" for source, target in moves)
    return f"local NONE, {names} = '', {values}\nlocal STATES = {{{names}}}\nlocal EVENT = {{{', '.join(events)}}}\n"
