"""arq.

packages: arq==0.28.0 redis[hiredis]==5.3.1 uvloop==0.23.0
handlers: async, plain
import: import arq; arq.create_pool
help: arq --help
settings: max_jobs = slots, poll_delay 0.01 s (default 0.5), queue_read_limit as by default; plain work by
    run_in_executor as its docs show; results not kept in the speed rows; uvloop
guarantees: at least once, by an in-progress key that expires after the job timeout + 10 s; acknowledged after the
    run; results off
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.worker import Worker, func
from harness import CONCURRENCY, JOB, KEEP, PLAIN, URL, record

SETTINGS = RedisSettings.from_dsn(URL)
pool: ArqRedis
threads = ThreadPoolExecutor(CONCURRENCY)

if PLAIN:

    async def handle(ctx: Any, data: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(threads, record, data)

else:

    async def handle(ctx: Any, data: Any) -> None:
        record(data)


async def open() -> None:
    global pool
    pool = await create_pool(SETTINGS)


async def enqueue() -> None:
    await pool.enqueue_job("handle", JOB)


async def work() -> None:
    worker = Worker(
        [func(handle, name="handle", keep_result=3600 if KEEP else 0)],
        redis_settings=SETTINGS,
        max_jobs=CONCURRENCY,
        poll_delay=0.01,
    )
    await worker.async_run()
