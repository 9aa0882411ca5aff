"""Acts: the calls of those who steer jobs, types and workers. Beside calls.py; the checks before them are steer.py's."""

from collections.abc import Sequence
from typing import Literal

from barq.protocol.call import NO, YES, Call, Space, name_of_call
from barq.protocol.scripts import script


def act(space: Space, verb: str, ids: Sequence[int], *, now_ms: int, by: str = "") -> Call[list[str]]:
    """cancel, retry, promote or remove; for each id '' when done, 'missing', or the state that does not allow it.

    `by`: who it is that acts, for the log of acts; '' is not written down.
    """
    args = (NO, b"%d" % now_ms, b"%d" % space.events_keep, name_of_call(), by.encode(), *map(space.member, ids))
    return Call(script(verb), space.prefix, args, lambda reply: [word.decode() for word in reply])


def pause(space: Space, type: str, *, now_ms: int, by: str, reason: str, lasts_ms: int | None = None) -> Call[bool]:
    """Pause a type, or with '' the queue, so long or (None) until it is resumed; True when it was not paused before."""
    lasts = b"" if lasts_ms is None else b"%d" % lasts_ms
    args = (NO, b"%d" % now_ms, name_of_call(), type.encode(), by.encode(), reason.encode(), lasts)
    return Call(script("pause"), space.prefix, args, bool)


def resume(space: Space, type: str, *, now_ms: int, by: str = "") -> Call[bool]:
    """End the pause of a type, or with '' of the queue; True when it was paused."""
    args = (NO, b"%d" % now_ms, name_of_call(), by.encode(), type.encode())
    return Call(script("resume"), space.prefix, args, bool)


def edit(
    space: Space,
    id: int,
    *,
    now_ms: int,
    by: str,
    priority: int | None,
    data: bytes | None,
    retry: bool,
    terms: bytes = b"",
) -> Call[str]:
    """Change what was asked of a job (None = as it was), and run a finished one again; as `act` answers for one job.

    `terms` are those by which a job with the new data is found.
    """
    told = b"" if priority is None else b"%d" % priority
    args = (NO, b"%d" % now_ms, b"%d" % space.events_keep, name_of_call(), by.encode(), space.member(id), told)
    changed = (NO if data is None else YES, data or b"", terms, YES if retry else NO)
    return Call(script("edit"), space.prefix, (*args, *changed), lambda reply: str(reply.decode()))


Order = Literal["drain", "stop", "work"]


def order(space: Space, worker: str, what: Order, *, now_ms: int, by: str) -> Call[bool | None]:
    """Tell a worker with its next beat to claim no more, to stop, or to go on; None when no such worker lives."""
    args = (NO, b"%d" % now_ms, name_of_call(), by.encode(), worker.encode(), what.encode())
    return Call(script("order"), space.prefix, args, lambda reply: None if reply < 0 else bool(reply))


def write_down(space: Space, by: str, act: str, of: int, made: int, *, now_ms: int) -> Call[object]:
    """Write down that of one job another was made."""
    target, after = b"jobs " + space.member(of), b"%d" % made
    args = (NO, b"%d" % now_ms, name_of_call(), by.encode(), act.encode(), target, b"null", after, b"1")
    return Call(script("audit"), space.prefix, args, lambda reply: reply)
