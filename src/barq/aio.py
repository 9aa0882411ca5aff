"""Aio: what asyncio lacks: to start a coroutine at once, and to cancel tasks for sure."""

import asyncio
import sys
from collections.abc import Coroutine, Generator, Iterable
from types import coroutine as awaitable
from typing import Any

if sys.version_info >= (3, 12):

    def start(coroutine: Coroutine[Any, Any, None], *, name: str) -> "asyncio.Task[None] | None":
        """Run a coroutine at once, and what is left when it first waits as a task; None when nothing is left.

        It saves a turn of the loop.
        """
        task = asyncio.Task(coroutine, loop=asyncio.get_running_loop(), name=name, eager_start=True)
        return None if task.done() and not task.cancelled() and task.exception() is None else task

else:

    def start(coroutine: Coroutine[Any, Any, None], *, name: str) -> "asyncio.Task[None] | None":
        """Run a coroutine at once, and what is left when it first waits as a task; None when nothing is left.

        It saves a turn of the loop. Until it waits it is no task: it must not ask for the current one, as
        asyncio.timeout does.
        """
        try:
            waits_for = coroutine.send(None)
        except StopIteration:
            return None
        return asyncio.get_running_loop().create_task(rest(coroutine, waits_for), name=name)


@awaitable
def rest(coroutine: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """What is left of a coroutine whose first step was to wait for something."""
    while True:
        try:
            try:
                answer = yield waits_for
            except BaseException as error:
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(answer)
        except StopIteration:
            return


async def cancelled(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Cancel tasks until they have ended: one cancel is not always enough on Python 3.11."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
