"""Drive: run one side of a measurement with an adapter, in the peer's environment.

    drive.py produce ADAPTER    obey the runner's commands: JSON lines on stdin, answers on the descriptor PEER_ANSWERS
    drive.py work ADAPTER       be a worker until SIGTERM

The adapter decides whether jobs are enqueued by coroutines (`async def enqueue`) or by threads.
"""

import asyncio
import importlib
import inspect
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

CHUNK = 10_000
"""Jobs of one bulk call."""
CALLERS = 100
"""Coroutines or threads that enqueue at a time."""


class Budget:
    """So many jobs, but none after so many seconds. Each `take` is one job."""

    def __init__(self, count: int, seconds: float) -> None:
        self.taken = 0
        self._count = count
        self._end = time.perf_counter() + seconds

    def take(self, most: int = 1) -> int:
        if time.perf_counter() > self._end:
            return 0
        given = min(most, self._count - self.taken)
        self.taken += given
        return given


class Coroutines:
    """Producer for adapters whose `enqueue` is a coroutine."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter

    async def one_by_one(self, budget: Budget) -> None:
        enqueue = self._adapter.enqueue
        while budget.take():
            await enqueue()

    async def by_many(self, budget: Budget) -> None:
        await asyncio.gather(*(self.one_by_one(budget) for _ in range(CALLERS)))

    async def in_bulk(self, budget: Budget) -> None:
        while count := budget.take(CHUNK):
            await self._adapter.enqueue_bulk(count)

    async def round_trips(self, budget: Budget) -> None:
        await self._adapter.round_trips(budget)


class Threads:
    """Producer for adapters whose `enqueue` blocks."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter
        self._lock = threading.Lock()

    async def one_by_one(self, budget: Budget) -> None:
        self._produce(budget)

    async def by_many(self, budget: Budget) -> None:
        threads = [threading.Thread(target=self._produce, args=(budget,)) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def in_bulk(self, budget: Budget) -> None:
        while count := budget.take(CHUNK):
            self._adapter.enqueue_bulk(count)

    def _produce(self, budget: Budget) -> None:
        enqueue = self._adapter.enqueue
        while True:
            with self._lock:
                if not budget.take():
                    return
            enqueue()


async def produce(adapter: Any) -> None:
    loop = asyncio.get_running_loop()
    with os.fdopen(int(os.environ["PEER_ANSWERS"]), "w", buffering=1) as answers:

        def answer(**words: Any) -> None:
            answers.write(json.dumps(words) + "\n")

        if hasattr(adapter, "open"):
            await adapter.open()
        producer = Coroutines(adapter) if inspect.iscoroutinefunction(adapter.enqueue) else Threads(adapter)
        answer(bulk=hasattr(adapter, "enqueue_bulk"))
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            command = json.loads(line)
            if command["do"] == "pick_up":
                answer(sent=await pick_up(producer, **command["how"]))
                continue
            budget = Budget(command["count"], command["seconds"])
            wall, own = time.perf_counter(), time.process_time()
            await getattr(producer, command["do"])(budget)
            answer(jobs=budget.taken, wall=time.perf_counter() - wall, own=time.process_time() - own)


async def pick_up(producer: Any, *, samples: int, seconds: float, gap: float, patience: float) -> list[int]:
    """Enqueue single jobs, each after the one before has run and the worker has waited `gap`; when each was sent.

    Returns nanoseconds of the clock that `record` writes.
    """
    records, sent = os.environ["PEER_RECORDS"], []
    ran = os.stat(records).st_size
    end = time.monotonic() + seconds
    while len(sent) < samples and time.monotonic() < end:
        await asyncio.sleep(gap * random.uniform(0.7, 1.3))  # no beat with what the worker does at intervals
        sent.append(time.monotonic_ns())
        await producer.one_by_one(Budget(1, 60))
        ran += 16
        lost = time.monotonic() + patience
        while os.stat(records).st_size < ran:
            if time.monotonic() > lost:
                return sent
            await asyncio.sleep(0.002)
    return sent


def run(main: Coroutine[Any, Any, Any]) -> None:
    """In uvloop where the adapter's packages name it."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def main() -> None:
    role, name = sys.argv[1:]
    adapter = importlib.import_module(name)
    if role == "produce":
        run(produce(adapter))
        os._exit(0)  # the connections of all peers end with the process, none waits for another
    work: Callable[[], Coroutine[Any, Any, None] | None] = adapter.work
    if inspect.iscoroutinefunction(work):
        run(work())
    else:
        work()


if __name__ == "__main__":
    main()
