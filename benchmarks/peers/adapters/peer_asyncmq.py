"""asyncmq with its Redis backend.

packages: asyncmq==0.10.1 redis[hiredis]==8.1.0 uvloop==0.23.0
handlers: async, plain
import: import asyncmq.queues; asyncmq.queues.Queue
help: asyncmq --help
settings: concurrency = slots; the defaults besides (its worker polls, from 0.05 s growing to 2 s when idle; add_bulk
    adds one by one); uvloop
guarantees: stalled check off by default: a job whose worker dies stays active; acknowledged after the run; results
    and job records kept
"""

from typing import Any

import anyio.to_thread
from asyncmq.backends.redis import RedisBackend
from asyncmq.queues import Queue
from asyncmq.runners import run_worker
from asyncmq.tasks import task
from harness import CONCURRENCY, JOB, PLAIN, URL, record

backend = RedisBackend(URL, max_connections=200)
queue = Queue("peer", backend=backend)

if PLAIN:

    @task(queue="peer")
    def handle(data: Any) -> None:
        record(data)

else:

    @task(queue="peer")
    async def handle(data: Any) -> None:
        record(data)


TASK = "peer_asyncmq.handle"


async def enqueue() -> None:
    await queue.add(TASK, [JOB])


async def enqueue_bulk(count: int) -> None:
    await queue.add_bulk([{"task_id": TASK, "args": [JOB]} for _ in range(count)])


async def work() -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = CONCURRENCY
    await run_worker("peer", backend, concurrency=CONCURRENCY)
