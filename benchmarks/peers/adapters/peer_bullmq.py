"""bullmq for Python.

packages: bullmq==3.4.4 redis[hiredis]==8.1.0 uvloop==0.23.0
handlers: async
import: import bullmq; bullmq.Queue, bullmq.Worker
settings: concurrency = slots; completed jobs removed in the speed rows (removeOnComplete); uvloop
guarantees: at least once: lock per job with renewal (30 s), stalled jobs go back; acknowledged after the run; events
    kept, results off
"""

from typing import Any

from bullmq import Queue, Worker
from harness import CONCURRENCY, JOB, KEEP, URL, record, until_stopped

OPTIONS = {"removeOnComplete": not KEEP}
queue: Queue


async def open() -> None:
    global queue
    queue = Queue("peer", {"connection": URL})


async def enqueue() -> None:
    await queue.add("email", JOB, OPTIONS)


async def enqueue_bulk(count: int) -> None:
    await queue.addBulk([{"name": "email", "data": JOB, "opts": OPTIONS} for _ in range(count)])


async def handle(job: Any, token: str) -> None:
    record(job.data)


async def work() -> None:
    worker = Worker("peer", handle, {"connection": URL, "concurrency": CONCURRENCY})
    await until_stopped()
    await worker.close()
