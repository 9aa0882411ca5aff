"""A producer process of a run: python -m tests.faults.producer FOLDER URL SLOT TERMS. It asks for jobs as long as it may.

It reads on stdin how many it may ask for until it hears more ("credit 500"), which keeps the load bounded, and when to
end ("end"). Each job is written down before it is asked for, and again when it was acknowledged.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import random
import sys
from pathlib import Path
from typing import Any

import msgspec

import barq
from tests.faults.jobs import Wish, wish
from tests.faults.processes import Terms, process_main
from tests.faults.records import Acked, Born, Cancelling, Ledger, Record, Unsure, Waited, now

AT_A_TIME = 100
"""Enqueues on their way at once."""

WAIT_SECONDS = 60.0
_BULK = 20


class Credit:
    """How many jobs may be asked for until the driver has looked again."""

    def __init__(self) -> None:
        self._left = 0
        self._more = asyncio.Event()
        self.over = False

    def grant(self, count: int) -> None:
        self._left = count
        self._more.set()

    def end(self) -> None:
        self.over = True
        self._more.set()

    async def take(self) -> bool:
        """False: no more."""
        while self._left <= 0 and not self.over:
            self._more.clear()
            await self._more.wait()
        self._left -= 1
        return not self.over


class Producer:
    def __init__(self, queue: barq.Queue, ledger: Ledger, slot: str, seed: int) -> None:
        self.credit = Credit()
        self._queue = queue
        self._ledger = ledger
        self._slot = slot
        self._random = random.Random(seed)
        self._numbers = itertools.count(1)
        self._aftermath: set[asyncio.Task[None]] = set()
        self._lines: list[Record] = []

    async def run(self) -> None:
        await asyncio.gather(*(self._ask_on() for _ in range(AT_A_TIME)))
        if self._aftermath:
            await asyncio.wait(self._aftermath)

    async def _ask_on(self) -> None:
        while await self.credit.take():
            await self._ask(wish(self._random, f"{self._slot}.{os.getpid()}.{next(self._numbers)}"))

    async def _ask(self, wish: Wish) -> None:
        self._write(wish.asked())
        await self._written()
        options: dict[str, Any] = dict(wish.options)
        if wish.token:
            options["token"] = wish.data.key
        while True:
            try:
                job = await self._queue.enqueue(wish.type, msgspec.to_builtins(wish.data), **options)
            except barq.errors.BarqError as error:
                self._ledger.write(Unsure(now(), wish.data.key, type(error).__name__))
                if wish.token and not self.credit.over:
                    continue  # the token makes that safe
                return
            break
        self._write(Acked(now(), wish.data.key, job.id))
        if wish.cancel_ms is not None:
            self._later(self._cancel(job, wish.cancel_ms / 1000))
        if wish.waits:
            self._later(self._wait(job))

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._aftermath.add(task)
        task.add_done_callback(self._aftermath.discard)

    async def _cancel(self, job: barq.Job[Any], seconds: float) -> None:
        await asyncio.sleep(seconds)
        answer = ""
        try:
            await job.cancel()
        except barq.errors.BarqError as error:
            answer = type(error).__name__
        self._ledger.write(Cancelling(now(), job.id, answer))

    async def _wait(self, job: barq.Job[Any]) -> None:
        since, value = now(), ""
        try:
            value, answer = str(await job.result(WAIT_SECONDS)), "complete"
        except barq.errors.BarqError as error:
            answer = type(error).__name__
        self._ledger.write(Waited(now(), since, job.id, answer, value))

    # what is said in one turn of the loop is written in one go

    def _write(self, record: Record) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(record)

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._ledger.write(*lines)

    async def _written(self) -> None:
        await asyncio.sleep(0)
        self._flush()


async def obey(credit: Credit) -> None:
    """Follow the words on stdin; the end of the driver is the end."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        match line.split():
            case [b"credit", count]:
                credit.grant(int(count))
            case [b"end"]:
                credit.end()
    os._exit(3)


async def produce(folder: Path, url: str, slot: str, terms: Terms) -> None:
    ledger = Ledger(folder / f"{slot}.{os.getpid()}.ledger")
    ledger.write(Born(now(), slot, slot, os.getpid(), {}))
    async with barq.Queue(terms.queue, url=url, keep_events=terms.keep_events, durability="fsync") as queue:
        producer = Producer(queue, ledger, slot, terms.seed)
        obeying = asyncio.create_task(obey(producer.credit))
        await producer.run()
        obeying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await obeying


def main(folder: Path, url: str, slot: str, terms: Terms) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(produce(folder, url, slot, terms))


if __name__ == "__main__":
    process_main(main, sys.argv)
