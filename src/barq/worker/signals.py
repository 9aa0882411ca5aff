"""Signals: SIGINT and SIGTERM for a worker, as long as it runs."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def taken(handle: Callable[[int], None]) -> Iterator[None]:
    """Call `handle` in the running loop for both; afterwards they mean what they meant before."""
    loop, before = asyncio.get_running_loop(), {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            try:
                loop.add_signal_handler(number, handle, number)
            except (ValueError, RuntimeError, NotImplementedError):  # not in the main thread
                break
            before[number] = handler
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
