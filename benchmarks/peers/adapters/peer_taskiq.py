"""taskiq with taskiq-redis.

packages: taskiq==0.13.0 taskiq-redis==1.2.4 redis[hiredis]==8.1.0 uvloop==0.23.0
handlers: async, plain
import: import taskiq_redis; taskiq_redis.RedisStreamBroker
help: taskiq --help
settings: RedisStreamBroker, the one its README begins with; one worker process, max-async-tasks and
    max-threadpool-threads = slots, no result backend in the speed rows; uvloop (taken by its worker where installed)
guarantees: at least once: consumer group of a stream, idle entries claimed after 10 min; acknowledged when the run
    has ended; results off
"""

from typing import Any

from harness import CONCURRENCY, JOB, KEEP, PLAIN, URL, become, record
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

broker = RedisStreamBroker(URL, consumer_id="0")
if KEEP:
    broker = broker.with_result_backend(RedisAsyncResultBackend(URL))

if PLAIN:

    @broker.task
    def handle(data: Any) -> None:
        record(data)

else:

    @broker.task
    async def handle(data: Any) -> None:
        record(data)


async def open() -> None:
    await broker.startup()


async def enqueue() -> None:
    await handle.kiq(JOB)


def work() -> None:
    sizes = ("--max-async-tasks", CONCURRENCY, "--max-threadpool-threads", CONCURRENCY)
    become("taskiq", "worker", "peer_taskiq:broker", "--workers", 1, "--log-level", "WARNING", *sizes)
