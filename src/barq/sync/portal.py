"""Portal: one event loop in a background thread, through which plain code uses what is written for asyncio.

So there is one engine, threads share group commit, and callbacks work: a second, blocking copy would have none of it.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

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
    future = asyncio.run_coroutine_threadsafe(coroutine, target)
    try:
        return future.result()
    except BaseException:
        future.cancel()  # Ctrl-C while waiting
        raise


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

    try:
        while True:
            more, item = call(following(), inside)
            if not more:
                return
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            call(close(), inside)


def _forget_after_fork() -> None:
    global _lock, _loop
    _lock, _loop = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_after_fork)
