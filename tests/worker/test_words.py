"""Words of running handlers: progress and log lines arrive in order, and before the end of their attempt."""

import asyncio
from typing import Any

import pytest

import barq
from tests.worker.running import work_off, working


async def told(queue: barq.Queue, job: barq.Job) -> list[tuple[str, Any]]:
    found = []
    async for event in queue.events("0"):
        if event.job_id == job.id and event.name not in ("enqueue", "start"):
            found.append((event.name, event.data))
            if event.name in ("complete", "failed"):
                return found
    raise AssertionError


@pytest.mark.parametrize("kind", ["awaited", "not awaited", "plain"])
async def test_words_stand_in_order_before_the_end(queue: barq.Queue, kind: str) -> None:
    @queue.handler("awaited")
    async def run(job: barq.Job) -> None:
        for n in range(100):
            await (job.progress(n) if n % 2 else job.log(f"line {n}"))

    @queue.handler("not awaited")
    async def run_on(job: barq.Job) -> None:
        for n in range(100):
            job.progress(n) if n % 2 else job.log(f"line {n}")

    @queue.handler("plain")
    def run_plainly(job: Any) -> None:
        for n in range(100):
            job.progress(n) if n % 2 else job.log(f"line {n}")

    job = await queue.enqueue(kind)
    await work_off(queue)
    words = await told(queue, job)
    assert words == [
        *(("progress", barq.Progress(n)) if n % 2 else ("log", f"line {n}") for n in range(100)),
        ("complete", None),
    ]


async def test_the_last_words_of_a_handler_that_raises_are_kept(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        job.log("last words")
        raise ValueError

    job = await queue.enqueue("email")
    await work_off(queue)
    assert [name for name, _ in await told(queue, job)] == ["log", "failed"]
    assert [text for _, text in await job.logs()] == ["last words"]


async def test_talkative_handlers_delay_no_other_jobs_end(queue: barq.Queue) -> None:
    talking = True

    @queue.handler("talkative")
    async def talk(job: barq.Job) -> None:
        while talking:
            await job.progress(1)

    @queue.handler("email")
    async def send(job: barq.Job) -> str:
        job.log("a line")
        return "sent"

    await queue.enqueue_many("talkative", range(30))
    async with working(queue):
        for _ in range(5):
            assert await (await queue.enqueue("email")).result(5) == "sent"
        talking = False


async def test_progress_is_a_share_of_a_total(queue: barq.Queue) -> None:
    shares = [(0, 100), (1, 3), (2.5, 5), (29, 100), (7, 7), (9, 7), (2**53, 1), (1, 2**53)]

    @queue.handler("email")
    async def send(job: barq.Job) -> list[int]:
        percents = []
        for done, total in shares:
            await job.progress(done, total)
            assert job.progressed is not None
            percents.append(job.progressed.percent)
        return percents

    job = await queue.enqueue("email")
    async with working(queue):
        assert await job.result(10) == [0, 33, 50, 29, 100, 100, 100, 0]


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_words_that_make_no_sense_are_refused_where_they_are_said(queue: barq.Queue, kind: str) -> None:
    bad: list[Any] = [
        *(("progress", (value,)) for value in (-1, float("nan"), float("inf"), "50", None, True, 10**400)),
        *(("progress", (1, value)) for value in (0, -1, float("nan"), float("inf"), "100")),
        *(("progress", (1, 2, value)) for value in (object(), float("nan"), "\ud800")),
        *(("log", (value,)) for value in (None, 5, b"x", "x" * 20_000)),
    ]

    @queue.handler("async")
    async def run(job: barq.Job) -> None:
        for verb, arguments in bad:
            with pytest.raises((barq.InvalidValue, barq.InvalidType)):
                await getattr(job, verb)(*arguments)

    @queue.handler("plain")
    def run_plainly(job: Any) -> None:
        for verb, arguments in bad:
            with pytest.raises((barq.InvalidValue, barq.InvalidType)):
                getattr(job, verb)(*arguments)

    job = await queue.enqueue(kind)
    async with working(queue):
        await job.result(10)
    assert (await job.refresh()).progressed is None


async def test_only_the_handler_that_runs_a_job_may_speak_for_it(queue: barq.Queue) -> None:
    job = await queue.enqueue("email")
    for say in (lambda: job.progress(1), lambda: job.log("x")):
        with pytest.raises(barq.WrongState, match="only the handler that runs job 1"):
            await say()


async def test_words_after_the_end_are_refused(queue: barq.Queue) -> None:
    kept: list[barq.Job] = []

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        kept.append(job)

    job = await queue.enqueue("email")
    async with working(queue):
        await job.result(10)
        with pytest.raises(barq.LeaseLost):
            await asyncio.wait_for(kept[0].log("too late"), 5)
    assert await job.logs() == []
