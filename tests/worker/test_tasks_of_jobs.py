"""Jobs that never wait share an asyncio task, which none of them may notice."""

import asyncio
from contextvars import ContextVar

import barq

JOBS = 20
left_behind: ContextVar[int] = ContextVar("left_behind", default=0)


async def run_all(queue: barq.Queue) -> dict[str, int]:
    await queue.enqueue_many("email", [None] * JOBS)
    await barq.Worker(queue, concurrency=JOBS, burst=True).run(signals=False)
    counts = await queue.counts("email")
    return {state: count for state, count in counts.items() if count}


async def test_context_of_one_job_is_not_seen_by_the_next(queue: barq.Queue) -> None:
    seen = []

    @queue.handler("email")
    async def handle(job: barq.Job) -> None:
        seen.append(left_behind.get())
        left_behind.set(job.id)

    assert await run_all(queue) == {"completed": JOBS}
    assert seen == [0] * JOBS


async def test_a_job_that_cancels_its_own_task_and_returns_harms_no_other(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def handle(job: barq.Job) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        if job.id % 3 == 0:
            task.cancel()

    assert await run_all(queue) == {"completed": JOBS}


async def test_jobs_that_wait_have_tasks_of_their_own(queue: barq.Queue) -> None:
    tasks = set()
    all_wait = asyncio.Event()

    @queue.handler("email")
    async def handle(job: barq.Job) -> None:
        tasks.add(asyncio.current_task())
        if len(tasks) == JOBS:
            all_wait.set()
        async with asyncio.timeout(10):
            await all_wait.wait()

    assert await run_all(queue) == {"completed": JOBS}


async def test_jobs_that_wait_among_some_that_do_not(queue: barq.Queue) -> None:
    order = []

    @queue.handler("email")
    async def handle(job: barq.Job) -> None:
        order.append(("began", job.id))
        if job.id % 4 == 0:
            await asyncio.sleep(0.05)
        elif job.id % 5 == 0:
            raise RuntimeError("no")
        order.append(("ended", job.id))

    failed = {5, 10, 15}
    assert await run_all(queue) == {"completed": JOBS - len(failed), "failed": len(failed)}
    assert {id_ for event, id_ in order if event == "ended"} == set(range(1, JOBS + 1)) - failed
