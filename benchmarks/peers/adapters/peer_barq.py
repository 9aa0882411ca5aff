"""barq, as it is in this tree.

packages:
handlers: async, plain
import: import barq; barq.Queue, barq.Worker
help: barq --help
settings: the defaults; uvloop, which Worker.run_blocking takes where it is installed
guarantees: at least once; lease with heartbeat, fenced by a token; acknowledged with the outcome after the run;
    results and events kept
"""

from typing import Any

from harness import CONCURRENCY, JOB, PLAIN, URL, record

import barq

queue = barq.Queue(url=URL)

if PLAIN:

    @queue.handler("email")
    def handle(job: barq.Job[Any]) -> None:
        record(job.data)

else:

    @queue.handler("email")
    async def handle(job: barq.Job[Any]) -> None:
        record(job.data)


async def open() -> None:
    await queue.ping()


async def enqueue() -> None:
    await queue.enqueue("email", JOB)


async def enqueue_bulk(count: int) -> None:
    await queue.enqueue_many("email", [JOB] * count)


async def round_trips(budget: Any) -> None:
    """The yardstick of the first row: a script that does nothing, awaited again and again on the queue's own connection."""
    link = await queue._here().store._connected(None)
    sha = await link.call(b"SCRIPT", b"LOAD", b"return 1")
    while budget.take():
        await link.call(b"EVALSHA", sha, b"0")


def work() -> None:
    barq.Worker(queue, concurrency=CONCURRENCY, threads=32).run_blocking()
