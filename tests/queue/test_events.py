"""The queue's stream of events: order, replay, gaps."""

import asyncio

import pytest

import barq
from barq.protocol.call import Call
from tests.support import Server, until
from tests.worker.running import work_off


async def take(events: "asyncio.Task[list[barq.Event]]") -> list[barq.Event]:
    return await asyncio.wait_for(events, 15)


async def first(queue: barq.Queue, count: int, *, after: str | None = None) -> list[barq.Event]:
    """The first `count` events."""
    found: list[barq.Event] = []
    async for event in queue.events(after):
        found.append(event)
        if len(found) == count:
            break
    return found


async def command(queue: barq.Queue, *words: bytes) -> object:
    return await queue._here().store.send(Call(None, b"", words, lambda reply: reply))


def told(events: list[barq.Event]) -> list[tuple[str, int]]:
    return [(event.name, event.job_id) for event in events]


async def test_events_come_in_order_with_what_they_are_about(queue: barq.Queue) -> None:
    @queue.handler("email", backoff=barq.fixed(0))
    async def send(job: barq.Job) -> str:
        job.progress(1, 2, {"step": 1})
        job.log("a line")
        if job.attempt == 1:
            raise ValueError("no such address")
        return "sent"

    job = await queue.enqueue("email", attempts=2)
    await work_off(queue)
    while (await job.refresh()).state != "completed":
        await work_off(queue)
    await queue.retry(job.id)
    await queue.cancel(job.id)
    await queue.remove(job.id)
    events = await asyncio.wait_for(first(queue, 13, after="0"), 15)
    assert [event.name for event in events] == [
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
        "retry",
        "cancel",
        "remove",
    ]
    assert {(event.type, event.job_id) for event in events} == {("email", job.id)}
    assert events[2].data == barq.Progress(50, {"step": 1})
    assert events[3].data == "a line"
    assert (events[4].data.type, events[4].data.message) == ("ValueError", "no such address")
    assert events[9].data is None  # the stream leaves results out


async def test_without_a_position_events_begin_now(queue: barq.Queue) -> None:
    await queue.enqueue("email")
    coming = asyncio.create_task(first(queue, 1))
    for _ in range(200):  # the reader's start shows nowhere, so jobs come until it hears one
        await queue.enqueue("email")
        done, _ = await asyncio.wait([coming], timeout=0.05)
        if done:
            break
    (event,) = await take(coming)
    assert event.job_id > 1


async def test_reading_goes_on_behind_the_position_of_an_event_also_inside_an_entry(queue: barq.Queue) -> None:
    await queue.enqueue_many("email", range(5))  # one entry with five events
    await queue.enqueue("push")
    every = await asyncio.wait_for(first(queue, 6, after="0"), 15)
    assert told(every) == [("enqueue", n) for n in range(1, 7)]
    for at in range(5):
        behind = await asyncio.wait_for(first(queue, 5 - at, after=every[at].position), 15)
        assert told(behind) == told(every[at + 1 :])


async def test_what_has_happened_so_far_is_told_without_waiting(queue: barq.Queue) -> None:
    assert [event async for event in queue.events("0", wait=False)] == []
    await queue.enqueue_many("email", range(250))
    await queue.enqueue("push")
    position = await queue.position()
    await queue.enqueue("push")
    so_far = [event async for event in queue.events("0", wait=False)]
    assert told(so_far) == [("enqueue", n) for n in range(1, 253)]
    assert told([event async for event in queue.events(so_far[99].position, wait=False)]) == told(so_far[100:])
    assert told([event async for event in queue.events(position, wait=False)]) == [("enqueue", 252)]
    assert [event async for event in queue.events(wait=False)] == []


async def test_what_was_trimmed_before_it_was_read_is_a_gap(server: Server, name: str) -> None:
    async with barq.Queue(name, url=server.url, keep_events=10) as queue:
        for n in range(500):
            await queue.enqueue("email", n)
        stays = await command(queue, b"XLEN", b"barq:{%b}:events" % name.encode())
        assert isinstance(stays, int)
        assert stays < 500
        gap, *rest = await asyncio.wait_for(first(queue, 1 + stays, after="0"), 15)
        assert (gap.name, gap.data) == ("gap", 500 - stays)
        assert [event.job_id for event in rest] == list(range(501 - stays, 501))
        again = await asyncio.wait_for(first(queue, 1, after=gap.position), 15)
        assert again[0].job_id == rest[0].job_id


async def test_a_slow_reader_of_a_trimmed_stream_gets_a_gap_in_the_middle(server: Server, name: str) -> None:
    async with barq.Queue(name, url=server.url, keep_events=10) as queue:
        events = queue.events("0")
        await queue.enqueue("email")
        assert (await asyncio.wait_for(anext(events), 15)).job_id == 1
        for n in range(500):
            await queue.enqueue("email", n)
        event = await asyncio.wait_for(anext(events), 15)
        while event.name != "gap":
            event = await asyncio.wait_for(anext(events), 15)
        assert event.data > 0
        assert (await asyncio.wait_for(anext(events), 15)).name == "enqueue"
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_server_that_lost_its_data_is_a_gap_and_reading_goes_on(
    own_server: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.events._BLOCK_SECONDS", 0.2)
    async with barq.Queue(name, url=own_server.url) as queue:
        for n in range(20):
            await queue.enqueue("email", n)
        events = queue.events("0")
        for n in range(20):
            assert (await asyncio.wait_for(anext(events), 15)).job_id == n + 1
        await command(queue, b"FLUSHALL")
        await queue.enqueue("push")
        gap = await asyncio.wait_for(anext(events), 15)
        assert (gap.name, gap.data) == ("gap", None)
        event = await asyncio.wait_for(anext(events), 15)
        assert (event.name, event.type, event.job_id) == ("enqueue", "push", 1)
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_position_of_a_server_that_lost_its_data_is_a_gap(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:
        await queue.enqueue_many("email", range(3))
        await queue.enqueue_many("email", range(3))
        old = [event.position async for event in queue.events("0", wait=False)]
        await command(queue, b"FLUSHALL")
        await queue.enqueue("push")
        for position in old[3:]:  # its first entry has the number of the new one
            found = [event async for event in queue.events(position, wait=False)]
            assert [(event.name, event.type) for event in found] == [("gap", ""), ("enqueue", "push")]


async def test_a_reader_that_stops_leaves_no_connection(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:

        async def clients() -> int:
            found = await command(queue, b"CLIENT", b"LIST")
            assert isinstance(found, bytes)
            return len(found.splitlines())

        await queue.enqueue("email")
        before = await clients()
        assert len(await asyncio.wait_for(first(queue, 1, after="0"), 15)) == 1

        async def as_before() -> bool:
            return await clients() == before

        await until(as_before, "the reader's connection is closed")


async def test_a_position_that_is_none_is_refused(queue: barq.Queue) -> None:
    for bad in ("yesterday", "", "-1", "1.x", "1.2.3", "9" * 30, 7, "²", "0.1"):
        with pytest.raises(barq.InvalidValue, match="after must be the position of an event"):
            await anext(queue.events(bad))  # type: ignore[arg-type]
