"""Due: what is due comes into its line slice by slice, whatever else a worker does. Counted, never timed."""

import asyncio

import barq
from barq.clock import Clock
from barq.worker.turn import rest
from tests.support import Server, until
from tests.worker.running import working

JOBS = 3000


class Ahead(Clock):
    """An hour ahead of the producers' clock: what they delay by minutes is due."""

    def server_ms(self) -> int:
        return self.wall_ms() + 3_600_000


async def due_at_once(name: str, url: str) -> None:
    async with barq.Queue(name, url=url) as producer:
        await producer.enqueue_many("later", [None] * JOBS, delay=60)


async def test_an_idle_worker_promotes_all_of_a_paused_type(server: Server, name: str) -> None:
    await due_at_once(name, server.url)
    async with barq.Queue(name, url=server.url, clock=Ahead()) as queue:
        await queue.pause("later")

        @queue.handler("later")
        async def later(job: barq.Job) -> None: ...

        async def promoted() -> bool:
            return (await queue.counts("later"))["waiting"] == JOBS

        async with working(queue):
            await until(promoted, "all of them wait")


async def test_a_busy_worker_runs_urgent_jobs_while_more_is_due_than_it_promotes(server: Server, name: str) -> None:
    await due_at_once(name, server.url)
    async with barq.Queue(name, url=server.url, clock=Ahead()) as queue:
        order: list[str] = []
        ran_when_it_was_stored = 0
        all_ran = asyncio.Event()

        @queue.handler("later")
        async def later(job: barq.Job) -> None:
            nonlocal ran_when_it_was_stored
            order.append(job.data or "due")
            if len(order) == 1:
                await queue.enqueue("later", "urgent", priority="critical")
                ran_when_it_was_stored = len(order)
            if len(order) == JOBS + 1:
                all_ran.set()

        async with working(queue, concurrency=10):
            await asyncio.wait_for(all_ran.wait(), 30)
    # at most what the slots hold, and what a claim in flight brings, runs before it
    assert order.index("urgent") <= ran_when_it_was_stored + 40


def test_the_longer_a_slice_takes_the_longer_the_next_is_left_alone() -> None:
    assert [rest(took, least=0.01) for took in (-1.0, 0.001, 0.005, 0.02, 9.0)] == [0.01, 0.01, 0.02, 0.08, 0.1]
