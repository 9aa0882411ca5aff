"""The server dies, forgets its scripts or its data, and comes back under a running load."""

import asyncio
import logging
from collections import Counter

import pytest

import barq
from tests.support import Server, until
from tests.worker.running import working


async def ends_of(queue: barq.Queue, count: int) -> Counter[int]:
    """How often each job has completed, once `count` have."""
    seen: Counter[int] = Counter()
    async for event in queue.events("0"):
        assert event.name != "gap"
        if event.name == "complete":
            seen[event.job_id] += 1
            if len(seen) == count:
                return seen
    raise AssertionError


async def test_a_server_killed_and_restarted_under_load_loses_and_doubles_nothing(
    own_server: Server, name: str
) -> None:
    """appendfsync always: whatever was acknowledged is there again."""
    async with barq.Queue(name, url=own_server.url, timeout=30, keep_events=1_000_000) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> int:
            await asyncio.sleep(0.001)
            return int(job.data)

        acknowledged: list[barq.Job] = []

        async def produce(part: int) -> None:
            for n in range(40):
                job = await queue.enqueue("email", part * 40 + n)
                acknowledged.append(job)

        async with working(queue, lease=5):
            producing = asyncio.gather(*(produce(part) for part in range(25)))
            for kill_at in (100, 500):

                async def so_far(kill_at: int = kill_at) -> bool:
                    return len(acknowledged) >= kill_at

                await until(so_far, f"{kill_at} are acknowledged")
                own_server.kill()
                await asyncio.sleep(0.05)
                await asyncio.to_thread(own_server.start)
            await producing
            waits = await asyncio.gather(*(job.result(40) for job in acknowledged))
        assert waits == [job.data for job in acknowledged]
        assert sorted(job.id for job in acknowledged) == list(range(1, 1001))
        ends = await asyncio.wait_for(ends_of(queue, 1000), 20)
        assert set(ends.values()) == {1}
        counts = await queue.counts()
        assert counts == dict.fromkeys(counts, 0) | {"completed": 1000}


async def test_forgotten_scripts_are_sent_again_in_the_middle_of_a_load(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> None:
            await job.progress(50)

        async with working(queue):
            link = await queue._here().store._connected(None)
            jobs = []
            for _ in range(30):
                jobs += await asyncio.gather(*(queue.enqueue("email") for _ in range(20)))
                await link.call(b"SCRIPT", b"FLUSH")
            await asyncio.gather(*(job.result(20) for job in jobs))
        ends = await asyncio.wait_for(ends_of(queue, 600), 20)
        assert set(ends.values()) == {1}


async def test_a_server_that_lost_everything_is_no_end_of_the_worker(
    own_server: Server, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:
        started, cancelled = asyncio.Event(), asyncio.Event()

        @queue.handler("email")
        async def send(job: barq.Job) -> str:
            if job.data == "long":
                started.set()
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    cancelled.set()
                    raise
            return "sent"

        async with working(queue, lease=1):
            await queue.enqueue("email", "long")
            await asyncio.wait_for(started.wait(), 10)
            link = await queue._here().store._connected(None)
            with caplog.at_level(logging.WARNING, "barq.worker"):
                await link.call(b"FLUSHALL")
                await asyncio.wait_for(cancelled.wait(), 10)
            assert "no longer counts" in caplog.text
            job = await queue.enqueue("email")
            assert job.id == 1
            assert await job.result(10) == "sent"


async def test_a_worker_that_loses_a_right_goes_on_when_it_has_it_again(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as admin:
        link = await admin._here().store._connected(None)
        await link.call(b"ACL", b"SETUSER", b"ada", b"on", b">pw", b"~*", b"+@all")
        url = own_server.url.replace("//", "//ada:pw@")
        async with barq.Queue(name, url=url) as queue:

            @queue.handler("email")
            async def send(job: barq.Job) -> str:
                return "sent"

            async with working(queue, concurrency=2):
                assert await (await admin.enqueue("email")).result(10) == "sent"
                await link.call(b"ACL", b"SETUSER", b"ada", b"-@scripting", b"-bzpopmin")
                jobs = await admin.enqueue_many("email", range(20))
                await asyncio.sleep(0.5)
                await link.call(b"ACL", b"SETUSER", b"ada", b"+@all")
                assert await asyncio.gather(*(job.result(15) for job in jobs)) == ["sent"] * 20
