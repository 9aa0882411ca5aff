"""Callbacks: what `job.on` tells, to whom, and what happens when they raise."""

import asyncio
import logging
from typing import Any

import pytest

import barq
from barq.states import EVENT_NAMES
from tests.support import until
from tests.worker.running import work_off, working


class Heard:
    """Collects what callbacks are told, and wakes who waits for it."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def of(self, name: str) -> Any:
        return lambda *arguments: self.told.append((name, *arguments))

    async def until(self, name: str) -> None:
        async def there() -> bool:
            return any(entry[0] == name for entry in self.told)

        await until(there, f"a callback for {name}, told so far: {self.told}")

    @property
    def names(self) -> list[str]:
        return [entry[0] for entry in self.told]


def listened(job: barq.Job, heard: Heard) -> barq.Job:
    for name in EVENT_NAMES:
        job.on(name, heard.of(name))
    return job


@pytest.fixture
def queue(queue: barq.Queue) -> barq.Queue:
    @queue.handler("email", backoff=barq.fixed(0.01))
    async def send(job: barq.Job) -> str:
        job.progress(1, 2, {"step": 1})
        job.log("a line")
        if job.data == "fail" or (job.data == "once" and job.attempt == 1):
            raise ValueError("no such address")
        return "sent"

    return queue


async def test_a_saved_job_tells_everything_from_its_enqueue_on(queue: barq.Queue) -> None:
    heard = Heard()
    job = listened(queue.create("email", "once", attempts=2), heard)
    await job.save()
    async with working(queue):
        await heard.until("complete")
    assert heard.names == [
        "enqueue",
        "start",
        "progress",
        "log",
        "failed attempt",
        "promotion",
        "start",
        "progress",
        "log",
        "complete",
    ]
    told = {entry[0]: entry[1:] for entry in heard.told}
    assert told["enqueue"] == told["start"] == told["promotion"] == ()
    assert told["progress"] == (50, {"step": 1})
    assert told["log"] == ("a line",)
    assert told["complete"] == ("sent",)
    assert (told["failed attempt"][0].type, told["failed attempt"][0].message) == ("ValueError", "no such address")


async def test_a_failure_for_good_is_told_with_its_error(queue: barq.Queue) -> None:
    heard = Heard()
    await listened(queue.create("email", "fail"), heard).save()
    async with working(queue):
        await heard.until("failed")
    assert heard.told[-1][1].message == "no such address"
    assert "in send" in heard.told[-1][1].traceback


@pytest.mark.parametrize(("act", "name"), [("cancel", "cancel"), ("remove", "remove"), ("promote", "promotion")])
async def test_acts_are_told_without_arguments(queue: barq.Queue, act: str, name: str) -> None:
    heard = Heard()
    job = await listened(queue.create("email", delay=60), heard).save()
    await getattr(job, act)()
    await heard.until(name)
    assert heard.told == [("enqueue",), (name,)]


async def test_a_job_that_is_enqueued_already_tells_what_comes(queue: barq.Queue) -> None:
    heard = Heard()
    job = listened(await queue.enqueue("email"), heard)
    async with working(queue):
        await heard.until("complete")
    assert heard.told[-1] == ("complete", "sent")
    assert job.state == "waiting"  # a callback does not change what was read


async def test_a_job_that_has_ended_already_tells_that(queue: barq.Queue) -> None:
    heard = Heard()
    sent, failed = await queue.enqueue("email"), await queue.enqueue("email", "fail")
    await work_off(queue)
    listened(await queue.get(sent.id), heard)
    listened(await queue.get(failed.id), heard)
    await heard.until("complete")
    await heard.until("failed")
    assert sorted(heard.names) == ["complete", "failed"]


async def test_an_async_callback_runs_to_its_end(queue: barq.Queue) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def completed(result: str) -> None:
        await asyncio.sleep(0.01)
        ended.set_result(result)

    await queue.create("email").on("complete", completed).save()
    async with working(queue):
        assert await asyncio.wait_for(ended, 10) == "sent"


async def test_a_callback_that_raises_is_logged_and_keeps_no_other_from_its_call(
    queue: barq.Queue, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(*_: Any) -> None:
        raise RuntimeError("a bad callback")

    async def bad_too(*_: Any) -> None:
        raise RuntimeError("a bad async callback")

    heard = Heard()
    job = queue.create("email")
    for name in ("start", "complete"):
        job.on(name, bad).on(name, bad_too).on(name, heard.of(name))
    other = queue.create("email").on("complete", heard.of("other"))
    with caplog.at_level(logging.ERROR, "barq"):
        await job.save()
        await other.save()
        async with working(queue):
            await heard.until("complete")
            await heard.until("other")
        await queue.close()
    assert heard.names.count("start") == heard.names.count("complete") == 1
    messages = [record.getMessage() for record in caplog.records]
    assert [text for text in messages if text == "a callback for complete of job 1 raised"] != []
    assert [text for text in messages if text == "a callback for start of job 1 raised"] != []
    errors = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert {"a bad callback", "a bad async callback"} <= set(errors)


async def test_callbacks_of_many_jobs_are_told_each_of_its_own(queue: barq.Queue) -> None:
    heard: dict[int, list[str]] = {}
    jobs = []
    for n in range(300):
        job = queue.create("email", n)
        mine = heard[n] = []
        for name in ("enqueue", "start", "complete"):
            job.on(name, lambda *_, mine=mine, name=name: mine.append(name))  # type: ignore[misc]
        jobs.append(job)
    async with working(queue):
        await asyncio.gather(*(job.save() for job in jobs))
        await asyncio.gather(*(job.wait(30) for job in jobs))

        async def all_told() -> bool:
            return all(mine == ["enqueue", "start", "complete"] for mine in heard.values())

        await until(all_told, "all are told")


async def test_a_callback_may_use_the_queue(queue: barq.Queue) -> None:
    made: asyncio.Future[barq.Job] = asyncio.get_running_loop().create_future()

    async def then(result: str) -> None:
        made.set_result(await queue.enqueue("next", result))

    await queue.create("email").on("complete", then).save()
    async with working(queue):
        assert (await asyncio.wait_for(made, 10)).data == "sent"
