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


async def test_a_job_that_is_cancelled_before_its_task_goes_on_hears_of_it(queue: barq.Queue) -> None:
    """It begins where the claim's answer arrives; its task goes on a turn of the loop later."""
    heard: list[str] = []

    @queue.handler("email")
    async def handle(job: barq.Job) -> None:
        task = asyncio.current_task()
        assert task is not None
        kind = job.id % 8  # every other one does not wait, and leaves the next one its task
        if kind == 2:  # what it waits for is cancelled first
            asyncio.get_running_loop().call_soon(task.cancel)
            inner = asyncio.ensure_future(asyncio.sleep(10))
            try:
                await inner
            except asyncio.CancelledError:
                assert inner.done()
                heard.append("job")
                task.uncancel()
        elif kind == 4:  # before it first waits
            task.cancel()
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                heard.append("job")
                task.uncancel()
        elif kind == 6:  # while it waits for nothing but its next turn
            asyncio.get_running_loop().call_soon(task.cancel)
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                heard.append("job")
                task.uncancel()
        elif kind == 0:  # no time at all
            try:
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            except TimeoutError:
                heard.append("job")

    raised: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    for concurrency in (1, JOBS):
        await queue.enqueue_many("email", [None] * JOBS)
        await barq.Worker(queue, concurrency=concurrency, burst=True).run(signals=False)
    assert (await queue.counts("email"))["completed"] == 2 * JOBS
    assert heard.count("job") == JOBS
    assert raised == []


async def test_jobs_of_which_none_waits_leave_no_task(queue: barq.Queue) -> None:
    during: set[str] = set()

    @queue.handler("email")
    async def handle(job: barq.Job) -> None:
        during.update(task.get_name() for task in asyncio.all_tasks())

    assert await run_all(queue) == {"completed": JOBS}
    assert "barq job" in during
    await asyncio.sleep(0)
    assert "barq job" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_jobs_begin_at_once_whatever_task_runs(queue: barq.Queue) -> None:
    """Those that a wait for work brings begin within the listener's task, and have one of their own."""
    tasks: list[str] = []
    began = asyncio.Event()

    @queue.handler("email")
    async def handle(job: barq.Job) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task.get_name())
        began.set()

    worker = barq.Worker(queue, concurrency=4)
    working = asyncio.create_task(worker.run(signals=False))
    for _ in range(3):
        began.clear()
        job = await queue.enqueue("email")
        await began.wait()
        await job.result(10)
    worker.stop()
    await working
    assert tasks == ["barq job"] * 3
