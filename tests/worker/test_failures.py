"""How attempts fail: errors of all kinds, retries, backoff, timeouts, results that can't be stored."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import barq
from tests.worker.conftest import in_state
from tests.worker.running import work_off, working


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class BrokenBadly(Exception):
    def __str__(self) -> str:
        raise SystemExit("no words")


def recursive() -> Exception:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def deep() -> Exception:
    error: Exception = ValueError("the cause")
    for n in range(5000):
        outer = ValueError(f"error {n}")
        outer.__context__ = error
        error = outer
    return error


ERRORS: dict[str, tuple[Callable[[], BaseException], str, str]] = {
    "an exception": (lambda: ValueError("no such address"), "ValueError", "no such address"),
    "SystemExit": (lambda: SystemExit(3), "SystemExit", "3"),
    "KeyboardInterrupt": (KeyboardInterrupt, "KeyboardInterrupt", ""),
    "BaseException": (lambda: BaseException("base"), "BaseException", "base"),
    "GeneratorExit": (GeneratorExit, "GeneratorExit", ""),
    "CancelledError": (lambda: asyncio.CancelledError("my own"), "CancelledError", "my own"),
    "TimeoutError": (lambda: TimeoutError("my own"), "TimeoutError", "my own"),
    "StopIteration": (lambda: StopIteration(1), "RuntimeError|StopIteration", ""),
    "a broken __str__": (Broken, "Broken", "<its message raised RuntimeError>"),
    "a badly broken __str__": (BrokenBadly, "BrokenBadly", "<its message raised SystemExit>"),
    "a circle of causes": (recursive, "ValueError", "first"),
    "a long chain": (deep, "ValueError", "error 4999"),
    "a group": (lambda: ExceptionGroup("many", [ValueError(1), TypeError(2)]), "ExceptionGroup", "many (2 sub-"),
    "10 MB of message": (lambda: ValueError("x" * 10_000_000), "ValueError", "9999000 characters left out"),
    "lone surrogates": (lambda: ValueError("\ud800"), "ValueError", "?"),
    "lines and control characters": (lambda: ValueError("a\r\n\0\t\x1b"), "ValueError", "a\r\n\0\t\x1b"),
}


@pytest.mark.parametrize("kind", ["async", "plain"])
@pytest.mark.parametrize("which", ERRORS)
async def test_whatever_a_handler_raises_is_recorded_and_the_worker_goes_on(
    queue: barq.Queue, which: str, kind: str
) -> None:
    make, type_, message = ERRORS[which]

    @queue.handler("async")
    async def run(job: barq.Job) -> None:
        raise make()

    @queue.handler("plain")
    def run_plainly(job: Any) -> None:
        raise make()

    @queue.handler("next")
    async def next_one(job: barq.Job) -> str:
        return "fine"

    async with working(queue, concurrency=1):
        job = await queue.enqueue(kind)
        with pytest.raises(barq.JobFailed) as caught:
            await job.result(10)
        assert await (await queue.enqueue("next")).result(10) == "fine"
    error = caught.value.error
    assert isinstance(error, barq.ErrorInfo)
    assert error.type in type_.split("|")
    assert message in error.message
    assert len(error.message) < 1100
    assert len(error.traceback) < 33_000
    assert (await job.refresh()).error == error


async def test_a_failed_job_is_tried_again_as_often_as_it_has_attempts(queue: barq.Queue) -> None:
    runs: list[tuple[int, int]] = []

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        runs.append((job.attempt, job.failures))
        raise ValueError(f"run {job.attempt}")

    job = await queue.enqueue("email", attempts=4, backoff=barq.fixed(0.01))
    async with working(queue):
        with pytest.raises(barq.JobFailed, match="run 4"):
            await job.result(10)
    assert runs == [(1, 0), (2, 1), (3, 2), (4, 3)]


async def test_the_waits_are_those_of_the_backoff(moved_queue: barq.Queue, clock: barq.ManualClock) -> None:
    @moved_queue.handler("email")
    async def send(job: barq.Job) -> None:
        raise ValueError

    rule = barq.exponential(10, factor=3, most=60, jitter=0)
    job = await moved_queue.enqueue("email", attempts=6, backoff=rule)
    waits = []
    for _ in range(5):
        await work_off(moved_queue)
        await job.refresh()
        assert job.due_at is not None
        waits.append(round(job.due_at.timestamp() - clock.wall_ms() / 1000))
        clock.advance(waits[-1])
    assert waits == [10, 30, 60, 60, 60]


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [
        (lambda n: n * 7, 14),
        (lambda n: timedelta(minutes=n), 120),
        (lambda n: 1 / 0, 2),  # what follows is the default
        (lambda n: -1, 2),
        (lambda n: float("nan"), 2),
        (lambda n: None, 2),
        (lambda n: "soon", 2),
        (lambda n: 10**12, 2),
    ],
)
async def test_an_own_backoff_is_a_function_of_the_failures(
    moved_queue: barq.Queue, clock: barq.ManualClock, rule: Any, seconds: float
) -> None:
    @moved_queue.handler("email", backoff=rule)
    async def send(job: barq.Job) -> None:
        raise ValueError

    job = await moved_queue.enqueue("email", attempts=9)
    for _ in range(2):
        await work_off(moved_queue)
        await job.refresh()
        assert job.due_at is not None
        wait = job.due_at.timestamp() - clock.wall_ms() / 1000
        clock.advance(wait)
    assert wait == pytest.approx(seconds, rel=0.11)


@pytest.mark.parametrize("kind", ["async", "swallowing", "plain"])
@pytest.mark.parametrize("whose", ["the job's", "the handler's"])
async def test_a_run_that_takes_too_long_has_failed(queue: barq.Queue, kind: str, whose: str) -> None:
    end = threading.Event()
    timeout = 0.1 if whose == "the handler's" else 60

    @queue.handler("async", timeout=timeout)
    async def run(job: barq.Job) -> None:
        await asyncio.sleep(60)

    @queue.handler("swallowing", timeout=timeout)
    async def swallow(job: barq.Job) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "not cancelled"
        return "slept"

    @queue.handler("plain", timeout=timeout)
    def run_plainly(job: Any) -> str:
        end.wait(10)
        return "too late"

    job = await queue.enqueue(kind, **({} if whose == "the handler's" else {"timeout": 0.1}))
    async with working(queue):
        with pytest.raises(barq.JobFailed, match=r"it ran longer than 0.1 s") as caught:
            await job.result(5)
        end.set()
    assert caught.value.error.type == "TimeoutError"  # type: ignore[attr-defined]
    assert (await job.refresh()).state == "failed"


async def test_a_run_that_took_too_long_is_tried_again(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> str:
        if job.attempt == 1:
            await asyncio.sleep(60)
        return "sent"

    job = await queue.enqueue("email", timeout=0.1, attempts=2, backoff=barq.fixed(0))
    async with working(queue):
        assert await job.result(10) == "sent"


@pytest.mark.parametrize("value", [object(), float("nan"), 2**60, {1: 2}, "\ud800", "x" * 2_000_000, b"x", {1, 2}])
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_result_that_cannot_be_stored_fails_for_good(queue: barq.Queue, kind: str, value: Any) -> None:
    @queue.handler("async")
    async def run(job: barq.Job) -> Any:
        return value

    @queue.handler("plain")
    def run_plainly(job: Any) -> Any:
        return value

    job = await queue.enqueue(kind, attempts=5)
    async with working(queue):
        with pytest.raises(barq.JobFailed) as caught:
            await job.result(10)
    assert caught.value.error.type == "InvalidPayload"  # type: ignore[attr-defined]
    assert (await job.refresh()).attempt == 1


async def test_jobs_without_a_handler_wait_and_are_reported(
    queue: barq.Queue, caplog: pytest.LogCaptureFixture
) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None: ...

    job = await queue.enqueue("unheard of")
    async with working(queue):
        await (await queue.enqueue("email")).result(10)
        for _ in range(200):
            if "no living worker handles it" in caplog.text:
                break
            await asyncio.sleep(0.02)
    assert "1 jobs of type 'unheard of' wait, but no living worker handles it" in caplog.text
    assert (await job.refresh()).state == "waiting"


async def test_a_cancelled_start_leaves_no_slot_taken(queue: barq.Queue) -> None:
    """Timeouts so short that they end before the handlers' first step, with a loop that is held up."""
    import time

    @queue.handler("email", timeout=0.001)
    async def send(job: barq.Job) -> None:
        time.sleep(0.005)  # noqa: ASYNC251
        await asyncio.sleep(60)

    @queue.handler("next")
    async def next_one(job: barq.Job) -> str:
        return "fine"

    jobs = await queue.enqueue_many("email", range(40))
    async with working(queue, concurrency=10):
        for job in jobs:
            await in_state(queue, job, "failed")
        assert await (await queue.enqueue("next")).result(10) == "fine"
