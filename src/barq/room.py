"""Room: when a queue takes no more jobs, a typed error at once, or a wait until there is room. Beside enqueue.py."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from barq.errors import QueueFull
from barq.protocol.call import Space
from barq.protocol.calls import TYPE_FULL, NewJob

R = TypeVar("R")

_FIRST_WAIT: Final = 0.02
_WAIT_GROWS: Final = 1.5
_LONGEST_WAIT: Final = 0.5


class Patience:
    """Waits between tries, longer each time, and raises the error when no room was found for `seconds` (None = never)."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self.renew()

    def renew(self) -> None:
        """There was room for something: the time begins anew."""
        self._wait = _FIRST_WAIT
        self._deadline = None if self._seconds is None else self._loop.time() + self._seconds

    async def wait(self, error: QueueFull) -> None:
        left = _LONGEST_WAIT if self._deadline is None else self._deadline - self._loop.time()
        if left <= 0:
            raise error
        await asyncio.sleep(min(self._wait, left))
        self._wait = min(_LONGEST_WAIT, self._wait * _WAIT_GROWS)


async def when_there_is_room(store: Callable[[], Awaitable[R]], seconds: float | None) -> R:
    """What `store` returns, tried again as long as it raises QueueFull and the time is not over."""
    patience = Patience(seconds)
    while True:
        try:
            return await store()
        except QueueFull as error:
            await patience.wait(error)


def refusal(space: Space, job: NewJob, why: int) -> QueueFull:
    """The error for a job that the enqueue script refused."""
    (type_, *_), _ = job
    type = type_.decode()
    if why == TYPE_FULL:
        most = space.limits.waiting_of(type)
        return QueueFull(
            f"queue {space.queue} takes no more jobs of type {type!r}: {most} wait, as many as its max_waiting allows; "
            "try later, or give wait_for_room"
        )
    return QueueFull(
        f"queue {space.queue} takes no more jobs: its server uses more memory than its max_memory "
        f"({space.limits.memory} bytes) allows; try later, or give wait_for_room"
    )


def taken(ids: Sequence[int]) -> int:
    """How many of the jobs of one type were stored: the first ones."""
    return next((at for at, id in enumerate(ids) if id <= 0), len(ids))
