"""Fair: who is slow, or asks for much, does not hold up others. Counted, never timed."""

import asyncio
import logging

import pytest

import barq
from tests.support import until
from tests.worker.running import working


@pytest.mark.parametrize("concurrency", [2, 10])
async def test_a_slow_handler_never_delays_the_settling_of_others(queue: barq.Queue, concurrency: int) -> None:
    go = asyncio.Event()

    @queue.handler("slow")
    async def slow(job: barq.Job) -> None:
        await go.wait()

    @queue.handler("quick")
    async def quick(job: barq.Job) -> None: ...

    async def quick_ones_completed() -> bool:
        return (await queue.counts("quick"))["completed"] == 300

    await queue.enqueue("slow")
    await queue.enqueue_many("quick", [None] * 300)
    async with working(queue, concurrency=concurrency):
        await until(quick_ones_completed, "all others are completed")
        assert (await queue.counts("slow"))["active"] == 1
        go.set()


async def test_one_types_long_line_does_not_delay_another_type(queue: barq.Queue) -> None:
    ran: list[str] = []
    late = asyncio.Event()

    @queue.handler("big")
    async def big(job: barq.Job) -> None:
        ran.append("big")
        if len(ran) == 100:
            await queue.enqueue("small")

    @queue.handler("small")
    async def small(job: barq.Job) -> None:
        ran.append("small")
        late.set()

    await queue.enqueue_many("big", [None] * 5000)
    async with working(queue, concurrency=10):
        await asyncio.wait_for(late.wait(), 30)
    assert ran.index("small") < 200, "what the slots hold and claims in flight bring runs before it, not the line"


async def test_of_very_many_types_that_nobody_handles_few_are_reported(
    queue: barq.Queue, caplog: pytest.LogCaptureFixture
) -> None:
    """And the counts of all of them are not read each time."""

    @queue.handler("email")
    async def email(job: barq.Job) -> None: ...

    await asyncio.gather(*(queue.enqueue(f"type {number}") for number in range(3000)))

    async def reported() -> int:
        return sum("no living worker handles" in record.getMessage() for record in caplog.records)

    async def enough() -> bool:
        return await reported() >= 100

    with caplog.at_level(logging.WARNING, "barq.worker"):
        async with working(queue):
            await until(enough, "some are reported")
            job = await queue.enqueue("email")
            await job.result(timeout=20)
        assert await reported() == 100
