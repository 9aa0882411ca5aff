"""What those who look on cost: `python -m benchmarks.viewers [VIEWERS]`: the processor's time of `barq dashboard`.

Beside a queue with types, running jobs and failures, so many streams of the overview are read for some seconds. The figure
is processor time over wall time of the one process that serves them, in per cent of a core; at most 5 for 100 viewers.
"""

import asyncio
import json
import re
import subprocess
import sys
from urllib.parse import urlsplit

import psutil

import barq
from benchmarks.rig import rig

SECONDS = 15
TYPES = 12
RUNNING = 40
FAILED = 300


async def fill(queue: barq.Queue, running: asyncio.Event) -> None:
    """Types with waiting, failed and running jobs, which run until this program ends."""
    begun = 0

    for number in range(TYPES):

        @queue.handler(f"fails-{number}")
        async def fail(job: barq.Job, number: int = number) -> None:
            raise ValueError(f"kind {number}")

        for _ in range(FAILED // TYPES):
            await queue.enqueue(f"fails-{number}", {"to": "ann@example.org"}, title="an email of some length")
        await queue.enqueue_many(f"waits-{number}", [{}] * 50)

    @queue.handler("runs")
    async def run(job: barq.Job) -> None:
        nonlocal begun
        begun += 1
        if begun == RUNNING:
            running.set()
        for percent in range(10_000):
            job.progress(percent % 100)
            await asyncio.sleep(1)

    await queue.enqueue_many("runs", [{}] * RUNNING)


async def read(host: str, port: int, sizes: list[int]) -> None:
    """One viewer: reads what comes, and counts its bytes."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /overview/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    try:
        while part := await reader.read(1 << 18):
            sizes.append(len(part))
    finally:
        writer.close()


async def cost(url: str, process: psutil.Process, viewers: int) -> tuple[float, float]:
    """Per cent of a core while so many look on, and bytes that each gets in a second."""
    place = urlsplit(url)
    sizes: list[int] = []
    reading = [asyncio.create_task(read(place.hostname or "", place.port or 0, sizes)) for _ in range(viewers)]
    await asyncio.sleep(2)
    sizes.clear()
    before, began = process.cpu_times(), asyncio.get_running_loop().time()
    await asyncio.sleep(SECONDS)
    after, took = process.cpu_times(), asyncio.get_running_loop().time() - began
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    used = after.user + after.system - before.user - before.system
    return 100 * used / took, sum(sizes) / took / max(1, viewers)


async def main(viewers: int) -> None:
    with rig() as server:
        url = server.url
        async with barq.Queue("viewers", url=url) as queue:
            running = asyncio.Event()
            await fill(queue, running)
            worker = barq.Worker(queue, concurrency=RUNNING + 20)
            working = asyncio.create_task(worker.run(signals=False))
            await running.wait()
            command = [sys.executable, "-m", "barq", "dashboard", "--port", "0", "--queue", "viewers", "--url", url]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as served:
                assert served.stderr is not None
                found = re.search(r"http://[\d.:]+", served.stderr.readline())
                assert found
                for number in (1, viewers):
                    share, size = await cost(found[0], psutil.Process(served.pid), number)
                    print(json.dumps({"viewers": number, "core_%": round(share, 2), "bytes_each_s": round(size)}))
                served.terminate()
            worker.stop(now=True)
            await working


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
