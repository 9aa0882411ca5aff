"""streaq.

packages: streaq==7.2.0 uvloop==0.23.0
handlers: async, plain
import: import streaq; streaq.Worker
help: streaq --help
settings: concurrency = slots, prefetch as many (default), sync tasks in as many threads, silent tasks (no log line
    each); results not kept in the speed rows (ttl 0); uvloop
guarantees: at least once: consumer group of a stream, idle entries reclaimed after 60 s; acknowledged after the run;
    results off
"""

from typing import Any

from harness import CONCURRENCY, JOB, KEEP, PLAIN, URL, record
from streaq import Worker

worker: Worker[None] = Worker(redis_url=URL, concurrency=CONCURRENCY)
TTL = 300 if KEEP else 0

if PLAIN:

    @worker.task(silent=True, ttl=TTL)
    def handle(data: Any) -> None:
        record(data)

else:

    @worker.task(silent=True, ttl=TTL)
    async def handle(data: Any) -> None:
        record(data)


async def open() -> None:
    await worker.__aenter__()


async def enqueue() -> None:
    await handle.enqueue(JOB)


async def enqueue_bulk(count: int) -> None:
    await worker.enqueue_many([handle.enqueue(JOB) for _ in range(count)])


async def work() -> None:
    await worker.run_async()
