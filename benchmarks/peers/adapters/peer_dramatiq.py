"""dramatiq with its Redis broker.

packages: dramatiq[redis]==2.2.1 redis[hiredis]==8.1.0
handlers: plain
import: import dramatiq; from dramatiq.brokers.redis import RedisBroker
help: dramatiq --help
settings: one process with a thread per slot, default middleware and prefetch (two per thread); results not kept in
    the speed rows
guarantees: at least once; requeued when a worker's heartbeat stops for 60 s; acknowledged after the run; results off
"""

from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from harness import CONCURRENCY, JOB, KEEP, URL, become, record

broker = RedisBroker(url=URL)
if KEEP:
    from dramatiq.results import Results
    from dramatiq.results.backends import RedisBackend

    broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)


@dramatiq.actor(**({"store_results": True} if KEEP else {}))
def handle(data: Any) -> None:
    record(data)


def enqueue() -> None:
    handle.send(JOB)


def work() -> None:
    become("dramatiq", "peer_dramatiq", "--processes", 1, "--threads", CONCURRENCY)
