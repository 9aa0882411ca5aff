"""rq.

packages: rq==3.0.0 redis[hiredis]==8.1.0
handlers: plain
import: import rq; rq.Queue, rq.Worker
help: rq --help
settings: worker-pool of SimpleWorker (no fork per job), 2 processes whatever the row (more were slower on one core);
    results not kept in the speed rows
guarantees: a job whose worker died is found in the started registry after its timeout and fails, or runs again if it
    has retries; acknowledged after the run; results off
"""

from typing import Any

import redis
from harness import CONCURRENCY, JOB, KEEP, URL, become, record
from rq import Queue

queue = Queue("peer", connection=redis.Redis.from_url(URL))
RESULT_TTL = 500 if KEEP else 0


def handle(data: Any) -> None:
    record(data)


def enqueue() -> None:
    queue.enqueue("peer_rq.handle", JOB, result_ttl=RESULT_TTL)


def enqueue_bulk(count: int) -> None:
    data = [Queue.prepare_data("peer_rq.handle", (JOB,), result_ttl=RESULT_TTL) for _ in range(count)]
    queue.enqueue_many(data)


def work() -> None:
    become("rq", "worker-pool", "peer", "-n", min(CONCURRENCY, 2), "-w", "rq.SimpleWorker", "-u", URL, "-q")
