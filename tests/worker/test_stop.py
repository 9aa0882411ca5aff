"""How a worker ends: drain, grace, hand back, at once."""

import asyncio
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import barq
from tests.support import Server, free_port, wait_until
from tests.worker.conftest import Start, in_state, listening, open_gate, ready, running
from tests.worker.running import work_off, working


@pytest.mark.parametrize("type_", ["gated", "plain"])
async def test_at_sigterm_running_jobs_end_and_nothing_new_is_claimed(
    queue: barq.Queue, start: Start, gate: Path, type_: str
) -> None:
    worker, job = start(), await queue.enqueue(type_, str(gate))
    await running(queue, job)
    worker.signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    late = await queue.enqueue("quick")
    open_gate(gate)
    assert await job.result(10) == worker.pid
    assert worker.ended() == 0
    assert (await late.refresh()).state == "waiting"
    assert await queue.workers() == []
    assert b"stopped 1" in worker.log.read_bytes()


@pytest.mark.parametrize("type_", ["gated", "plain", "stubborn"])
async def test_what_does_not_end_within_the_grace_goes_back_unburnt(
    queue: barq.Queue, start: Start, gate: Path, type_: str
) -> None:
    worker, job = start(grace=0.2, lease=60), await queue.enqueue(type_, str(gate))
    await running(queue, job)
    worker.signal(signal.SIGTERM)
    await in_state(queue, job, "waiting")  # long before the lease would end
    assert (job.failures, job.run.rescues) == (0, 0)
    open_gate(gate)
    assert worker.ended() == 0
    second = start()
    assert await job.result(20) == second.pid


async def test_a_second_signal_does_not_wait(queue: barq.Queue, start: Start, gate: Path) -> None:
    worker, job = start(grace=60, lease=60), await queue.enqueue("gated", str(gate))
    await running(queue, job)
    worker.signal(signal.SIGINT)
    await asyncio.sleep(0.5)
    assert worker.alive
    worker.signal(signal.SIGINT)
    assert worker.ended(within=10) == 0
    assert (await job.refresh()).state == "waiting"


async def test_an_idle_worker_ends_within_moments(queue: barq.Queue, start: Start) -> None:
    worker = start(plainly=True)
    await ready(queue)
    await queue.enqueue("quick")
    worker.signal(signal.SIGTERM)
    assert worker.ended(within=4) == 0


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_handler_may_stop_its_worker(queue: barq.Queue, kind: str) -> None:
    @queue.handler("async")
    async def stop(job: barq.Job) -> str:
        worker.stop()
        return "stopped"

    @queue.handler("plain")
    def stop_too(job: Any) -> str:
        worker.stop()
        return "stopped"

    worker = barq.Worker(queue)
    run = asyncio.create_task(worker.run(signals=False))
    job = await queue.enqueue(kind)
    await asyncio.wait_for(run, 10)
    assert await job.result(5) == "stopped"


async def test_another_thread_may_stop_a_worker_at_once(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None: ...

    worker = barq.Worker(queue)
    run = asyncio.create_task(worker.run(signals=False))
    await listening(queue)
    threading.Timer(0.05, worker.stop).start()
    await asyncio.wait_for(run, 0.8)


@pytest.mark.parametrize("waits", [False, True], ids=["busy", "waiting for more"])
async def test_a_run_that_is_cancelled_hands_its_jobs_back(queue: barq.Queue, waits: bool) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    job = await queue.enqueue("email")
    run = asyncio.create_task(barq.Worker(queue).run(signals=False))
    await asyncio.wait_for(started.wait(), 10)
    if waits:
        await listening(queue)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(run, 10)
    assert cancelled.is_set()
    assert (await job.refresh()).state == "waiting"


async def test_a_worker_that_waits_for_its_server_can_be_stopped(name: str) -> None:
    queue = barq.Queue(name, url=f"redis://127.0.0.1:{free_port()}")

    @queue.handler("email")
    async def send(job: barq.Job) -> None: ...

    worker = barq.Worker(queue)
    run = asyncio.create_task(worker.run(signals=False))
    await asyncio.sleep(0.1)
    worker.stop()
    await asyncio.wait_for(run, 5)


@pytest.mark.parametrize("busy", [False, True])
async def test_a_worker_whose_server_is_gone_ends_all_the_same(own_server: Server, name: str, busy: bool) -> None:
    async with barq.Queue(name, url=own_server.url, timeout=1) as queue:
        started = asyncio.Event()

        @queue.handler("email")
        async def send(job: barq.Job) -> None:
            started.set()
            await asyncio.sleep(60)

        tasks = asyncio.all_tasks()
        worker = barq.Worker(queue, grace=0.1, lease=1)
        run = asyncio.create_task(worker.run(signals=False))
        await ready(queue)
        if busy:
            await queue.enqueue("email")
            await asyncio.wait_for(started.wait(), 10)
        own_server.kill()
        await asyncio.sleep(0.2)
        worker.stop()
        await asyncio.wait_for(run, 15)
        await queue.close()
        left = {task for task in asyncio.all_tasks() - tasks if not task.done()}
        assert not left


async def test_a_burst_ends_when_nothing_waits(queue: barq.Queue) -> None:
    ran: list[int] = []

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        ran.append(job.id)
        if job.data == "more":
            await queue.enqueue("email", "last")

    await queue.enqueue_many("email", ["more", *range(500)])
    delayed = await queue.enqueue("email", delay=60)
    worker = await work_off(queue)
    assert sorted(ran) == [*range(1, 502), 503]
    assert worker.done == 502
    assert (await delayed.refresh()).state == "delayed"


async def test_a_worker_starts_before_its_server(own_server: Server, name: str) -> None:
    own_server.kill()
    async with barq.Queue(name, url=own_server.url, timeout=30) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> str:
            return "sent"

        async with working(queue):
            await asyncio.sleep(0.3)
            own_server.start()
            assert await (await queue.enqueue("email")).result(20) == "sent"


async def test_nothing_is_left_behind_after_a_run(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> None:
            job.log("a line")

        @queue.handler("plain")
        def send_plainly(job: Any) -> None:
            job.log("a line")

        await queue.ping()

        async def connections() -> int:
            link = await queue._here().store._connected(None)
            return len((await link.call(b"CLIENT", b"LIST")).splitlines())

        tasks, threads, before = asyncio.all_tasks(), set(threading.enumerate()), await connections()
        for _ in range(3):
            await queue.enqueue_many("email", range(100))
            await queue.enqueue_many("plain", range(10))
            await work_off(queue, lease=1)
        assert asyncio.all_tasks() - tasks == set()
        own = {thread for thread in set(threading.enumerate()) - threads if "barq" in thread.name}
        wait_until(lambda: not any(thread.is_alive() for thread in own), f"threads have ended: {own}", seconds=5)
        for _ in range(100):
            if await connections() == before:
                break
            await asyncio.sleep(0.01)
        assert await connections() == before
