"""A worker or a producer of any release of barq, for tests of several on one queue: python -m … ROLE URL QUEUE [LETTER].

It is run with another release's barq on its path, so it uses what every release has, and nothing else.
"""

import asyncio
import os
import sys
from pathlib import Path

import barq


def with_handlers(queue: barq.Queue, by: str) -> barq.Queue:
    @queue.handler("email", backoff=barq.fixed(0.01))
    async def send(job: barq.Job) -> str:
        await job.progress(job.attempt, 2)
        await job.log(f"attempt {job.attempt} by {by}")
        step = await job.once("charge", lambda key: key)
        if job.attempt == 1 and job.data["fails"]:
            raise ValueError(f"no such address, says {by}")
        return f"{by} {step}"

    @queue.handler("gated")
    async def gated(job: barq.Job) -> str:
        await job.log(f"attempt {job.attempt} by {by}")
        while not Path(job.data).exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)
        return by

    @queue.handler("plain")
    def plain(job: "barq.sync.Job[str]") -> str:
        job.log(f"attempt {job.attempt} by {by}")
        return by

    return queue


async def produce(queue: barq.Queue) -> None:
    for n in range(60):
        priority = "high" if n % 2 else "low"
        await queue.enqueue("email", {"fails": n % 3 == 0}, attempts=3, priority=priority, delay=0.01 * (n % 5))
        await queue.enqueue("plain", n, token=f"plain {n}")  # the releases share their tokens
    found = await queue.jobs(limit=1000)
    assert all(job.type in ("email", "plain", "gated") for job in found)
    print(sum((await queue.counts()).values()), flush=True)
    await queue.close()


if __name__ == "__main__":
    role, url, name = sys.argv[1:4]
    queue = barq.Queue(name, url=url, keep_events=100_000)
    if role == "produce":
        asyncio.run(produce(queue))
    else:
        print(os.path.dirname(barq.__file__), flush=True)
        barq.Worker(with_handlers(queue, role), lease=2, grace=0.2, concurrency=8).run_blocking()
