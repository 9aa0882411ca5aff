"""What a queue tells of its jobs: get, pages, counts, types, logs, workers."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

import pytest

import barq
from tests.support import until
from tests.worker.running import work_off, working


async def everything(queue: barq.Queue, *, limit: int = 3, newest_first: bool = False, **which: str) -> list[int]:
    """The ids of all pages."""
    ids: list[int] = []
    after = None
    while True:
        page = await queue.jobs(**which, limit=limit, after=after, newest_first=newest_first)  # type: ignore[arg-type]
        assert len(page) <= limit
        ids += [job.id for job in page]
        if page.next is None:
            return ids
        after = page.next


async def test_a_job_that_is_not_there_is_not_found(queue: barq.Queue) -> None:
    with pytest.raises(barq.JobNotFound, match="job 7"):
        await queue.get(7)
    assert isinstance(barq.JobNotFound("…"), LookupError)


async def test_pages_follow_each_other_over_types_and_states(queue: barq.Queue) -> None:
    for n in range(4):
        await queue.enqueue("push", n)
        await queue.enqueue("email", n)
        await queue.enqueue("email", n, delay=60 + n)
    expected = [2, 5, 8, 11, 3, 6, 9, 12, 1, 4, 7, 10]  # types by name, waiting before delayed
    for limit in (1, 2, 3, 4, 5, 12, 50):
        assert await everything(queue, limit=limit) == expected
    assert await everything(queue, state="delayed") == [3, 6, 9, 12]
    assert await everything(queue, type="push") == [1, 4, 7, 10]
    assert await everything(queue, state="waiting", type="email") == [2, 5, 8, 11]
    assert await everything(queue, state="waiting", type="email", newest_first=True) == [11, 8, 5, 2]
    assert await everything(queue, state="failed") == []
    assert await everything(queue, type="never seen") == []


async def test_pages_go_on_where_they_ended_while_jobs_move(queue: barq.Queue) -> None:
    jobs = await queue.enqueue_many("email", range(10))
    page = await queue.jobs("waiting", limit=4)
    assert [job.id for job in page] == [1, 2, 3, 4]
    await queue.remove(jobs[0].id, jobs[1].id)
    await queue.enqueue("email", priority="critical")
    behind = await queue.jobs("waiting", limit=3, after=page.next)
    assert [job.id for job in behind] == [5, 6, 7]
    last = await queue.jobs("waiting", limit=50, after=behind.next)
    assert [job.id for job in last] == [8, 9, 10]
    assert last.next is None


async def test_pages_can_skip_over_types_and_states(queue: barq.Queue) -> None:
    for n in range(3):
        await queue.enqueue("push", n)
        await queue.enqueue("email", n)
        await queue.enqueue("email", n, delay=60 + n)
    every = await everything(queue, limit=50)
    for skip in range(11):
        page = await queue.jobs(skip=skip, limit=4)
        assert [job.id for job in page] == every[skip : skip + 4]
        if page.next is not None:
            behind = await queue.jobs(after=page.next, limit=50)
            assert [job.id for job in behind] == every[skip + 4 :]
    assert [job.id for job in await queue.jobs("delayed", skip=1)] == [6, 9]
    with pytest.raises(barq.InvalidValue, match="after or skip"):
        await queue.jobs(skip=1, after=(await queue.jobs(limit=1)).next)


async def test_a_page_of_another_line_is_refused(queue: barq.Queue) -> None:
    await queue.enqueue_many("email", range(3))
    page = await queue.jobs("waiting", "email", limit=1)
    with pytest.raises(barq.InvalidValue, match="another type or state"):
        await queue.jobs("delayed", "email", after=page.next)


async def test_counts_are_of_a_type_or_of_the_queue(queue: barq.Queue) -> None:
    await queue.enqueue_many("email", range(3))
    await queue.enqueue("push", delay=60)
    assert await queue.counts("email") == dict.fromkeys(map(str, barq.State), 0) | {"waiting": 3}
    assert await queue.counts() == dict.fromkeys(map(str, barq.State), 0) | {"waiting": 3, "delayed": 1}
    assert set((await queue.counts("never seen")).values()) == {0}


async def test_many_types_are_all_told(queue: barq.Queue) -> None:
    await asyncio.gather(*(queue.enqueue(f"type {n}") for n in range(1300)))
    types = await queue.types()
    assert len(types) == 1300
    assert list(types) == sorted(types)
    assert types["type 7"].counts["waiting"] == 1
    assert types["type 7"].paused is None


async def test_log_lines_have_times_and_an_order(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        await job.log("first")
        job.log("second\twith a tab\nand a line 😀")

    job = await queue.enqueue("email")
    await work_off(queue)
    lines = await queue.logs(job.id)
    assert [text for _, text in lines] == ["first", "second\twith a tab\nand a line 😀"]
    assert all(abs(at - datetime.now(UTC)) < timedelta(seconds=5) for at, _ in lines)
    assert await job.logs() == lines
    assert await queue.logs(999) == []


async def test_only_the_last_log_lines_are_kept(server_url: str, name: str) -> None:
    async with barq.Queue(name, url=server_url, keep_logs=5) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> None:
            for n in range(20):
                job.log(f"line {n}")

        job = await queue.enqueue("email")
        await work_off(queue)
        assert [text for _, text in await job.logs()] == [f"line {n}" for n in range(15, 20)]


async def test_a_read_job_tells_how_it_ran(queue: barq.Queue) -> None:
    @queue.handler("email", backoff=barq.fixed(0))
    async def send(job: barq.Job) -> dict[str, int]:
        await job.progress(1, 4, {"step": "one"})
        if job.attempt == 1:
            raise ValueError("no such address")
        return {"sent": job.attempt}

    job = await queue.enqueue("email", attempts=2)
    async with working(queue) as worker:
        assert await job.result(10) == {"sent": 2}
    read = await queue.get(job.id)
    assert (read.state, read.attempt, read.failures, read.error) == (barq.State.COMPLETED, 2, 1, None)
    assert read.worker == worker.id
    assert read.progressed == barq.Progress(25, {"step": "one"})
    assert read.started_at is not None
    assert read.ended_at is not None
    assert read.started_at <= read.ended_at


async def test_a_failed_job_tells_its_error_also_while_it_waits_to_be_tried_again(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        raise ValueError("no such address")

    for_good = await queue.enqueue("email")
    again = await queue.enqueue("email", attempts=2, backoff=barq.fixed(60))
    await work_off(queue)
    for job, state in ((for_good, barq.State.FAILED), (again, barq.State.DELAYED)):
        await job.refresh()
        assert job.state == state
        assert job.error is not None
        assert (job.error.type, job.error.message) == ("ValueError", "no such address")
        assert "in send" in job.error.traceback


async def test_a_result_that_looks_like_an_error_is_none_after_a_retry(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> dict[str, int]:
        return {"type": 1}

    job = await queue.enqueue("email")
    await work_off(queue)
    await job.retry()
    assert (await job.refresh()).error is None
    assert job.state == barq.State.WAITING


async def test_a_job_that_was_read_tells_what_its_handler_returned(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> dict[str, int]:
        if job.data == "bad":
            raise ValueError(job.data)
        return {"sent": job.id}

    good, bad = await queue.enqueue("email"), await queue.enqueue("email", "bad")
    assert (await queue.get(good.id)).returned is None
    await work_off(queue)
    assert (await queue.get(good.id)).returned == {"sent": good.id}
    assert (await queue.get(bad.id)).returned is None
    await queue.retry(good.id)
    assert (await queue.get(good.id)).returned is None


async def test_living_workers_are_listed_until_they_leave(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None: ...

    async with working(queue, concurrency=7) as worker:

        async def listed() -> bool:
            return [one.id for one in await queue.workers()] == [worker.id]

        await until(listed, "the worker is listed")
        (info,) = await queue.workers()
        assert (info.concurrency, info.types, info.pid, info.version) == (
            7,
            ["email"],
            os.getpid(),
            barq.__version__,
        )
    assert await queue.workers() == []


async def test_the_server_tells_of_itself(queue: barq.Queue) -> None:
    info = await queue.server_info()
    assert int(info["used_memory"]) > 0
    assert info["aof_enabled"] == "1"


async def test_an_answer_of_the_server_is_a_ping(queue: barq.Queue) -> None:
    await queue.ping()
