"""ardiq, whose worker loop is in Rust.

packages: ardiq==1.2.0 uvloop==0.23.0
python: 3.12
handlers: async, plain
import: import ardiq; ardiq.Ardiq
help: ardiq --help
settings: concurrency = slots; the defaults besides; uvloop
guarantees: at least once: consumer group of a stream, idle entries reclaimed; acknowledged after the run; results
    kept with a time to live
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ardiq import Ardiq
from harness import CONCURRENCY, JOB, PLAIN, URL, record, until_stopped

app = Ardiq(redis_url=URL, queue_name="peer", concurrency=CONCURRENCY)

if PLAIN:

    @app.task()
    def handle(data: Any) -> None:
        record(data)

else:

    @app.task()
    async def handle(data: Any) -> None:
        record(data)


async def enqueue() -> None:
    await handle.enqueue(JOB)


async def enqueue_bulk(count: int) -> None:
    await app.enqueue_many([handle.prepare(JOB) for _ in range(count)])


async def work() -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(CONCURRENCY))
    working = asyncio.create_task(app.run())
    await until_stopped()
    app.stop()
    await working
