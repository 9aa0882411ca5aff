"""huey with RedisHuey.

packages: huey==3.5.4 redis[hiredis]==8.1.0
handlers: plain
import: import huey; huey.RedisHuey
help: huey_consumer --help
settings: worker type thread with a thread per slot, blocking pop (default); results not stored in the speed rows
guarantees: at most once: popped from the list before the run, nothing to acknowledge; results off
"""

from typing import Any

from harness import CONCURRENCY, JOB, KEEP, URL, become, record
from huey import RedisHuey

huey = RedisHuey("peer", url=URL, results=KEEP, store_none=KEEP)


@huey.task()
def handle(data: Any) -> None:
    record(data)


def enqueue() -> None:
    handle(JOB)


def work() -> None:
    become("huey_consumer", "peer_huey.huey", "-w", CONCURRENCY, "-k", "thread", "-q")
