"""Portal: one event loop in a background thread, through which plain code uses what is written for asyncio.

So there is one engine, threads share group commit, and callbacks work: a second, blocking copy would have none of it.
"""

import asyncio
import functools
import inspect
import logging
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

from barq.errors import WrongState

log = logging.getLogger("barq.sync")

R = TypeVar("R")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_pid = 0


def loop() -> asyncio.AbstractEventLoop:
    """The loop of this process; a forked child gets its own."""
    global _loop, _pid
    with _lock:
        if _loop is None or _pid != os.getpid() or _loop.is_closed():
            _loop, _pid = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_loop.run_forever, name="barq portal", daemon=True).start()
        return _loop


def call(coroutine: Coroutine[Any, Any, R], inside: asyncio.AbstractEventLoop | None = None) -> R:
    """Run a coroutine in the portal's loop (or in `inside`) and wait for it."""
    target = inside or loop()
    if asyncio._get_running_loop() is target:
        coroutine.close()
        raise WrongState("this would wait for itself: inside the event loop use barq.Queue, or job.asyncio, with await")
    future = asyncio.run_coroutine_threadsafe(coroutine, target)
    try:
        return future.result()
    except BaseException:
        future.cancel()  # Ctrl-C while waiting
        raise


async def called(act: Callable[[], R]) -> R:
    """Do something inside the loop."""
    return act()


async def awaited(start: Callable[[], Awaitable[R]]) -> R:
    """Start something inside the loop and wait for it."""
    return await start()


def iterate(items: AsyncIterator[R], inside: asyncio.AbstractEventLoop | None = None) -> Iterator[R]:
    """An async iterator as a plain one."""

    async def following() -> tuple[bool, Any]:
        try:
            return True, await anext(items)
        except StopAsyncIteration:
            return False, None

    async def closing() -> None:
        close = getattr(items, "aclose", None)
        while close is not None:
            try:
                await close()
                return
            except RuntimeError:  # after Ctrl-C the step that was waited for is still ending
                await asyncio.sleep(0.01)

    try:
        while True:
            more, item = call(following(), inside)
            if not more:
                return
            yield item
    finally:
        call(closing(), inside)


_callbacks: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] | None = None


def aside(callback: Any) -> Any:
    """The callback as one that runs in a thread for callbacks, in order; there it may block and use the queue."""
    if not callable(callback):
        return callback  # who gets it says what is wrong with it

    def put(*arguments: Any) -> None:
        global _callbacks
        with _lock:
            if _callbacks is None:
                _callbacks = SimpleQueue()
                threading.Thread(target=_call_back, args=(_callbacks,), name="barq callbacks", daemon=True).start()
            _callbacks.put((callback, arguments))

    return put


def _call_back(todo: "SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]]") -> None:
    while True:
        callback, arguments = todo.get()
        try:
            answer = callback(*arguments)
            if inspect.isawaitable(answer):
                call(awaited(functools.partial(_same, answer)))
        except Exception:
            log.exception("a callback raised: %r", callback)


def _same(value: R) -> R:
    return value


def _forget_after_fork() -> None:
    global _lock, _loop, _callbacks
    _lock, _loop, _callbacks = threading.Lock(), None, None


os.register_at_fork(after_in_child=_forget_after_fork)
