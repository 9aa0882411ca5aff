"""Carrier: a task that runs jobs of async handlers. Part of run.py.

A task costs as much as a short job does, and its first step a turn of the loop. Most handlers of short jobs never wait: so
the carrier of those before runs the next ones as well, at once, where they arrive. A job that waits keeps its carrier for
itself.
"""

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task  # for who runs something as a task; see asyncio's "Extending"
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final

import msgspec

from barq.outcome import Outcome, Release
from barq.worker.attempt import Attempt

_EAGERLY: Final[dict[str, Any]] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
"""The first step needs no turn of the loop of its own."""

Ended = list[tuple[Attempt, Outcome]]
Waits = tuple[Coroutine[Any, Any, Any], Any]
"""What is left of a job that waits, and what it waits for."""


class Begun(msgspec.Struct):
    """How far some jobs came: those that ended, the one that waits with what it waits for, and those behind it."""

    ended: Ended
    left: list[Attempt]
    waiting: tuple[Attempt, Waits] | None = None
    clean: bool = True
    """Nothing was left behind that the next job could notice."""


class Carriers:
    """`begin` runs a job until it ends or waits, `go_on` to its end, and when it waited for an error, from there.

    `ended` hears the outcomes.
    """

    def __init__(
        self,
        begin: Callable[[Attempt], Outcome | Waits],
        go_on: Callable[[Attempt, Waits, BaseException | None], Coroutine[Any, Any, Outcome]],
        ended: Callable[[Ended], None],
    ) -> None:
        self._begin = begin
        self._ended = ended
        self.go_on = go_on
        self._idle: Carrier | None = None
        self.context = copy_context()

    def start(self, attempts: list[Attempt]) -> None:
        """Run jobs of one handler: at once, if the last one did not wait."""
        if attempts[0].lane.waits:
            for attempt in attempts:
                Carrier(self, [attempt], **_EAGERLY)
        elif self._idle is not None and self._idle.free:
            idle, self._idle = self._idle, None
            idle.start(attempts)
        else:
            Carrier(self, attempts)

    def close(self) -> None:
        if self._idle is not None:
            self._idle.task.cancel()

    def begin(self, attempts: list[Attempt], task: "asyncio.Task[None]") -> Begun:
        """In a carrier's task: run jobs one after the other until one waits."""
        ended: Ended = []
        for at, attempt in enumerate(attempts, 1):
            if attempt.ended or attempt.handed_back:  # before it began
                ended.append((attempt, Release()))
                continue
            attempt.task = task
            came = self._begin(attempt)
            if isinstance(came, tuple):
                attempt.lane.waits = True
                return Begun(ended, attempts[at:], (attempt, came), clean=False)
            ended.append((attempt, came))
            attempt.task = None
            attempt.lane.waits = False
            if task.cancelling() or copy_context() != self.context:
                return Begun(ended, attempts[at:], clean=False)
        return Begun(ended, [])

    def came(self, carrier: "Carrier", begun: Begun) -> bool:
        """Go on with what came of its jobs; True if it is kept, to run others."""
        if begun.ended:
            self._ended(begun.ended)
        if begun.left:
            self.start(begun.left)
        kept = begun.clean and (self._idle is None or not self._idle.free)
        if kept:
            self._idle = carrier
        return kept

    def ended(self, attempt: Attempt, outcome: Outcome) -> None:
        self._ended([(attempt, outcome)])


class Carrier:
    """A task: of one job that waits, or of those that do not, one lot of them after the other."""

    __slots__ = ("_begun", "_carriers", "_context", "_loop", "_more", "task")

    def __init__(self, carriers: Carriers, attempts: list[Attempt], **how: Any) -> None:
        self._carriers = carriers
        self._context = carriers.context.copy()
        self._loop = asyncio.get_running_loop()
        self._more: asyncio.Future[None] | None = None
        self._begun: Begun | None = None
        work = self._work(attempts)
        self.task = asyncio.Task(work, loop=self._loop, name="barq job", context=self._context, **how)

    @property
    def free(self) -> bool:
        """It waits for jobs."""
        return self._more is not None and not self._more.done()

    def start(self, attempts: list[Attempt]) -> None:
        """Run jobs now, as its task."""
        assert self._more is not None
        outer = asyncio.current_task()
        if outer is not None:
            _leave_task(self._loop, outer)
        _enter_task(self._loop, self.task)
        try:
            begun = self._context.run(self._carriers.begin, attempts, self.task)
        finally:
            _leave_task(self._loop, self.task)
            if outer is not None:
                _enter_task(self._loop, outer)
        if not self._carriers.came(self, begun):
            self._begun = begun
            if not self._more.done():  # a job may have cancelled its task
                self._more.set_result(None)

    async def _work(self, attempts: list[Attempt]) -> None:
        task = asyncio.current_task()
        assert task is not None
        begun, cancelled = self._carriers.begin(attempts, task), None
        if self._carriers.came(self, begun):
            self._more = self._loop.create_future()
            try:
                await self._more
            except asyncio.CancelledError as error:
                cancelled = error
            begun = self._begun or begun
        if begun.waiting is None:
            return
        attempt, waits = begun.waiting
        if cancelled is not None and waits[1] is not None and waits[1].cancel():
            cancelled = None  # it hears of it from what it waits for
        self._carriers.ended(attempt, await self._carriers.go_on(attempt, waits, cancelled))
