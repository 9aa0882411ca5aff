"""saq.

packages: saq[redis,hiredis]==0.26.4 typing_extensions==4.16.0 uvloop==0.23.0
handlers: async, plain
import: import saq; saq.Queue, saq.Worker
help: saq --help
settings: concurrency = slots, max_concurrent_ops 100, a thread pool of as many threads for plain functions; job
    records dropped at once in the speed rows (ttl -1); uvloop
guarantees: at least once: moved to an active list, swept back after its timeout (10 s); acknowledged after the run;
    results off
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness import CONCURRENCY, JOB, KEEP, PLAIN, URL, record
from saq import Queue, Worker

queue = Queue.from_url(URL, max_concurrent_ops=100)
TTL = 600 if KEEP else -1

if PLAIN:

    def handle(ctx: Any, *, data: Any) -> None:
        record(data)

else:

    async def handle(ctx: Any, *, data: Any) -> None:
        record(data)


async def open() -> None:
    await queue.connect()


async def enqueue() -> None:
    await queue.enqueue("handle", data=JOB, ttl=TTL)


async def work() -> None:
    worker = Worker(queue, [handle], concurrency=CONCURRENCY)
    worker.pool = ThreadPoolExecutor(CONCURRENCY)
    await queue.connect()
    await worker.start()
