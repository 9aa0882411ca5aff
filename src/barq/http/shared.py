"""Shared: what is worked out once for all who ask within some seconds. Beside site.py."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, TypeVar

T = TypeVar("T")

_MOST_KEPT: Final = 50


class Shared:
    """Answers by key. Those who ask while one is worked out wait for it."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[float, asyncio.Task[Any]]] = OrderedDict()

    async def __call__(self, key: Hashable, work_out: Callable[[], Awaitable[T]], *, seconds: float) -> T:
        """The answer to a key, at most so old. An error is told to those who waited for it, and not kept."""
        loop = asyncio.get_running_loop()
        until, task = self._known.get(key, (0.0, None))
        if task is None or task.get_loop() is not loop or (task.done() and (loop.time() >= until or _failed(task))):
            task = loop.create_task(_await(work_out()), name="barq http shared")
            self._known[key] = loop.time() + seconds, task
            self._known.move_to_end(key)
            while len(self._known) > _MOST_KEPT:
                self._known.popitem(last=False)
        answer: T = await asyncio.shield(task)
        return answer


def _failed(task: "asyncio.Task[Any]") -> bool:
    return task.cancelled() or task.exception() is not None


async def _await(work: Awaitable[T]) -> T:
    return await work
