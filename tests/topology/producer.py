"""A producer process, for a host of its own: writes the id of each job that was acknowledged, a line each."""

import asyncio
import sys

import barq


async def produce(url: str, name: str, level: str) -> None:
    async with barq.Queue(name, url=url, durability=level, timeout=1) as queue:
        while True:
            try:
                job = await queue.enqueue("email", level)
            except (barq.ServerUnreachable, barq.NotConfirmed):
                print("refused", flush=True)
            else:
                print(job.id, flush=True)
                await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(produce(*sys.argv[1:]))
