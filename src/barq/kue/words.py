"""Words: Kue's names of the states, and JavaScript's ways of reading numbers, which Kue's clients rely on."""

import math
import re
from typing import Any, Final

from barq.states import State

STATES: Final[dict[str, tuple[State, ...]]] = {
    "inactive": (State.WAITING,),
    "active": (State.ACTIVE,),
    "complete": (State.COMPLETED,),
    "failed": (State.FAILED, State.CANCELLED, State.BLOCKED),
    "delayed": (State.DELAYED,),
}
"""Kue knows five states; what it has no word for stands under the one that means the same to its clients."""

NAMES: Final = {state: name for name, states in STATES.items() for state in states}

_INTEGER: Final = re.compile(r"\s*([+-]?[0-9]{1,15})")


class Refusal(Exception):
    """What Kue answers when it does not do as asked: a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def gone(id: str) -> Refusal:
    return Refusal(200, f'job "{id}" doesnt exist')


def parse_int(value: Any) -> int | None:
    """JavaScript's parseInt: the number that a text begins with.

    >>> parse_int("7.9x"), parse_int(2.7), parse_int("high")
    (7, 2, None)
    """
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    found = _INTEGER.match(str(value))
    return int(found[1]) if found and not isinstance(value, bool) else None


def number(value: Any) -> float | None:
    """A number, also one that is written as text; None for what JavaScript would not compare as one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
