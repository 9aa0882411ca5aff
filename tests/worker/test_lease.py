"""Leases: kept while a loop is held up, lost by who stands still, and how a cancel reaches a running handler."""

import asyncio
import contextlib
import logging
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import barq
from barq.worker.lease import Heartbeat
from tests.support import Server, until, wait_until
from tests.wire.proxy import Proxy
from tests.worker.conftest import Start, in_state, listening, open_gate, running
from tests.worker.running import working


async def test_a_loop_that_is_held_up_loses_no_lease(queue: barq.Queue, start: Start) -> None:
    first = start(lease=0.6)
    job = await queue.enqueue("blocking", 2.5)
    await in_state(queue, job, "active")
    second = start(lease=0.6)  # would take it over
    assert await job.result(20) == first.pid
    assert (await job.refresh()).attempt == 1
    assert second.alive


async def test_who_stood_still_past_its_lease_is_refused_and_its_handler_cancelled(
    queue: barq.Queue, start: Start, gate: Path, tmp_path: Path
) -> None:
    first = start(lease=1.5)
    job = await queue.enqueue("stubborn", str(gate))
    await running(queue, job)
    first.signal(signal.SIGSTOP)
    second = start()
    await running(queue, job, runs=2)
    first.signal(signal.SIGCONT)
    told = Path(f"{gate}.cancelled")
    wait_until(told.exists, "the first holder's handler is cancelled")
    open_gate(gate)
    assert await job.result(20) == second.pid
    wait_until(lambda: b"no longer counts" in first.log.read_bytes(), "the first holder says so")
    read = await job.refresh()
    # the claim that stood behind the frozen worker's wait may have taken the job once more, into nobody's hands
    assert (read.attempt, read.run.rescues) in ((2, 1), (3, 2))
    assert first.alive


async def test_a_result_that_comes_after_the_lease_was_lost_does_not_count(
    queue: barq.Queue, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker is cut off; meanwhile its job is given to another, and its own words arrive late."""
    started, end = asyncio.Event(), asyncio.Event()
    async with Proxy(server.port) as proxy, barq.Queue(queue.name, url=proxy.url) as far:
        words: list[asyncio.Future[None]] = []

        @far.handler("email")
        async def slow(job: barq.Job) -> str:
            started.set()
            with contextlib.suppress(asyncio.CancelledError):
                await end.wait()
            words.append(asyncio.ensure_future(job.progress(99)))
            return "late"

        @queue.handler("email")
        async def quick(job: barq.Job) -> str:
            return "in time"

        job = await queue.enqueue("email")
        with caplog.at_level(logging.WARNING, "barq.worker"):
            async with working(far, lease=0.5):
                await asyncio.wait_for(started.wait(), 10)
                proxy.deaf = True
                async with working(queue):
                    assert await job.result(15) == "in time"
                end.set()
                await asyncio.sleep(0)
                proxy.deaf = False
                proxy.reset()
                await asyncio.wait(words, timeout=10)
                with pytest.raises(barq.LeaseLost, match="no longer holds it"):
                    await words[0]
        assert "does not count" in caplog.text or "no longer counts" in caplog.text
    assert await job.result(5) == "in time"
    assert (await job.refresh()).progressed is None


async def test_what_a_late_answer_to_a_claim_brought_is_not_run_when_others_have_got_it(
    queue: barq.Queue, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    async with Proxy(server.port) as proxy, barq.Queue(queue.name, url=proxy.url) as far:
        for name, one in (("far", far), ("near", queue)):

            def handle(job: barq.Job, name: str = name) -> str:
                ran.append(f"{job.id} {name}")
                return name

            one.handler("email")(handle)
        with caplog.at_level(logging.WARNING, "barq.worker"):
            async with working(far, lease=0.6, concurrency=1):
                assert await (await queue.enqueue("email")).result(10) == "far"
                await listening(queue)
                proxy.delay = 1.5
                job = await queue.enqueue("email")
                await in_state(queue, job, "active")
                async with working(queue):
                    assert await job.result(10) == "near"
                await until_said(caplog, "a claim was answered late: 1 of its 1 jobs are given to others")
                proxy.delay = 0.0
                assert await (await queue.enqueue("email")).result(10) == "far"
    assert ran == ["1 far", "2 near", "3 far"]


async def until_said(caplog: pytest.LogCaptureFixture, what: str) -> None:
    async def said() -> bool:
        return what in caplog.text

    await until(said, what)


async def test_who_gets_its_own_lost_job_again_ends_the_first_run_and_keeps_the_second(
    queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its heartbeats fail for a while; then what they say of the first run must not be taken as said of the second."""
    beats, runs, cancelled, end = threading.Event(), [], [], asyncio.Event()
    extend = Heartbeat._extend

    async def beat(self: Heartbeat, store: Any, charge: Any) -> None:
        if beats.is_set():
            await extend(self, store, charge)

    monkeypatch.setattr(Heartbeat, "_extend", beat)

    @queue.handler("email")
    async def send(job: barq.Job) -> int:
        runs.append(job.attempt)
        try:
            await end.wait()
        except asyncio.CancelledError:
            cancelled.append(job.attempt)
            raise
        return job.attempt

    async with working(queue, lease=0.5) as worker:
        job = await queue.enqueue("email")

        async def runs_again() -> bool:
            return len(runs) > 1

        async def running_first() -> bool:
            return len(runs) == 1

        await until(running_first, "it runs")
        (first,) = worker._held.values()
        await until(runs_again, "it runs a second time")
        beats.set()
        assert cancelled == [1]
        (second,) = worker._held.values()
        assert second is not first
        worker._held.lost([first])  # a heartbeat's answer that was on its way
        assert list(worker._held.values()) == [second]
        end.set()
        assert await job.result(10) == 2
    assert runs == [1, 2]


async def test_a_cancel_reaches_an_async_handler(queue: barq.Queue) -> None:
    started = asyncio.Event()
    cancelled: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set_result(time.monotonic())
            raise

    async with working(queue):
        for wait in (0, 1.3):
            started.clear()
            cancelled = asyncio.get_running_loop().create_future()
            job = await queue.enqueue("email")
            await asyncio.wait_for(started.wait(), 10)
            await asyncio.sleep(wait)
            at = time.monotonic()
            await job.cancel()
            assert await asyncio.wait_for(cancelled, 10) - at < 1.8
            with pytest.raises(barq.JobCancelled):
                await job.result(5)


async def test_what_a_plain_handler_returns_after_a_cancel_is_dropped(queue: barq.Queue) -> None:
    started, end, ended = threading.Event(), threading.Event(), threading.Event()
    refused: list[Exception] = []

    @queue.handler("email")
    def send(job: Any) -> str:
        started.set()
        end.wait(10)
        try:
            job.progress(50)
        except barq.LeaseLost as error:
            refused.append(error)
        ended.set()
        return "sent"

    job = await queue.enqueue("email")
    async with working(queue, concurrency=1) as worker:
        await asyncio.to_thread(started.wait, 10)
        await job.cancel()
        end.set()
        await asyncio.to_thread(ended.wait, 10)
        again = await queue.enqueue("email")  # its slot is free again
        assert await again.result(10) == "sent"
        assert worker.done == 2
    assert refused
    assert (await job.refresh()).state == "cancelled"


async def test_a_cancelled_job_that_is_retried_runs_beside_its_old_run(queue: barq.Queue) -> None:
    """The old run does not listen; nothing of it counts for the new one."""
    gates = [asyncio.Event(), asyncio.Event()]
    runs: list[int] = []

    @queue.handler("email")
    async def send(job: barq.Job) -> int:
        runs.append(job.attempt)
        gate = gates[len(runs) - 1]
        while not gate.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await gate.wait()
        return job.attempt

    job = await queue.enqueue("email")
    async with working(queue):

        async def has_run(times: int) -> None:
            async def so_often() -> bool:
                return len(runs) == times

            await until(so_often, f"run {times}")

        await has_run(1)
        await job.cancel()
        await job.retry()
        await has_run(2)
        gates[0].set()
        await asyncio.sleep(0.05)
        assert (await job.refresh()).state == "active"
        gates[1].set()
        assert await job.result(10) == 2
