"""Pool: threads for plain handlers. Fed by one queue; their outcomes come back with one wake-up of the loop per batch."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from barq.outcome import Outcome
from barq.worker.attempt import Attempt

Run = Callable[[Attempt, asyncio.AbstractEventLoop], Outcome]


class ThreadPool:
    """Threads start as they are needed, at most `most`. They are daemons: a stuck handler does not keep the process."""

    def __init__(self, run: Run, ended: Callable[[Attempt, Outcome], None], *, most: int) -> None:
        self._run = run
        self._ended = ended
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._todo: SimpleQueue[Attempt | None] = SimpleQueue()
        self._done: deque[tuple[Attempt, Outcome]] = deque()
        self._woken = False
        self._threads = 0
        self._busy = 0

    def submit(self, attempt: Attempt) -> None:
        self._busy += 1
        if self._busy > self._threads and self._threads < self._most:
            self._threads += 1
            name = f"barq handler {self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        self._todo.put(attempt)

    def close(self) -> None:
        for _ in range(self._threads):
            self._todo.put(None)

    def _work(self) -> None:
        while (attempt := self._todo.get()) is not None:
            self._done.append((attempt, self._run(attempt, self._loop)))
            if not self._woken:
                self._woken = True
                try:
                    self._loop.call_soon_threadsafe(self._collect)
                except RuntimeError:  # the loop is closed: the worker has stopped and handed the job back
                    return

    def _collect(self) -> None:
        self._woken = False
        while self._done:
            attempt, outcome = self._done.popleft()
            self._busy -= 1
            self._ended(attempt, outcome)
