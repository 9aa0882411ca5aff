"""Retention: the calls that forget ended jobs and old events: by age and count, and by bytes. For upkeep and budgets.py."""

import msgspec

from barq.options import Retention
from barq.protocol.call import MOST_PER_CALL, NO, Call, Space, name_of_call
from barq.protocol.scripts import script
from barq.states import State


def prune(space: Space, type: str, *, now_ms: int) -> Call[int]:
    """Forget finished jobs of a type beyond its retention, at most MOST_PER_CALL of a state; returns how many."""
    args = (NO, b"%d" % now_ms, b"%d" % space.events_keep, *retention_of(space), type.encode())
    return Call(script("prune"), space.prefix, args, int)


class Measured(msgspec.Struct, frozen=True):
    """A slice of a line: how many bytes its jobs take, by the second at which they ended; and where the next one begins."""

    bytes_at: list[tuple[int, int]]
    next: tuple[bytes, bytes] | None


def measure(space: Space, type: str, state: State, after: tuple[bytes, bytes] | None) -> Call[Measured]:
    """What MOST_PER_CALL jobs of a line take, the oldest first."""
    args = (type.encode(), state.encode(), *(after or (b"", b"")), b"%d" % MOST_PER_CALL)

    def measured(reply: list[bytes]) -> Measured:
        score, last, *rest = reply
        found = [(int(second), int(size)) for second, size in zip(rest[::2], rest[1::2], strict=True)]
        return Measured(found, (score, last) if last else None)

    return Call(script("measure"), space.prefix, args, measured)


def evict(space: Space, type: str, state: State, *, until_ms: int, bytes: int, now_ms: int) -> Call[tuple[int, int]]:
    """Forget the oldest jobs of a line that ended until then; returns how many, and how many bytes that freed."""
    args = (NO, b"%d" % now_ms, b"%d" % space.events_keep, name_of_call(), type.encode(), state.encode())
    return Call(script("evict"), space.prefix, (*args, b"%d" % until_ms, b"%d" % bytes), _pair)


def _pair(reply: list[int]) -> tuple[int, int]:
    return reply[0], reply[1]


def trim(space: Space, bytes: int, *, now_ms: int) -> Call[int]:
    """Keep the stream of events below so many bytes; returns how many entries went."""
    return Call(script("trim"), space.prefix, (NO, b"%d" % now_ms, b"%d" % bytes), int)


def retention_of(space: Space) -> tuple[bytes, bytes, bytes, bytes]:
    def numbers(retention: Retention) -> tuple[bytes, bytes]:
        age = -1 if retention.age is None else round(retention.age * 1000)
        return b"%d" % age, b"%d" % (-1 if retention.count is None else retention.count)

    return *numbers(space.completed), *numbers(space.failed)
