"""celery with its Redis transport.

packages: celery[redis]==5.7.0 redis[hiredis]==8.1.0
handlers: plain
import: import celery; celery.Celery
help: celery --help
settings: --pool threads with a thread per slot (as fast here as gevent, faster than prefork), prefetch multiplier 64
    (optimizing guide, short tasks), no gossip, mingle or heartbeat, no result backend in the speed rows
guarantees: at most once by default: acknowledged before the run, a prefetched task is redelivered after the
    visibility timeout (1 h); results off
"""

from typing import Any

from celery import Celery
from harness import CONCURRENCY, JOB, KEEP, URL, become, record

app = Celery("peer_celery", broker=URL, backend=URL if KEEP else None)
app.conf.task_ignore_result = not KEEP
app.conf.worker_prefetch_multiplier = 64
app.conf.broker_pool_limit = 100  # one connection for each of the callers that enqueue at a time


@app.task
def handle(data: Any) -> None:
    record(data)


def enqueue() -> None:
    handle.delay(JOB)


def work() -> None:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    become("celery", "-A", "peer_celery", "worker", "--pool", "threads", "-c", CONCURRENCY, *quiet)
