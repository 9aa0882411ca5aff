"""Server-sent events: of the queue and of one job, replayed behind a position, with a gap where events are gone."""

import asyncio
import contextlib
import time
from typing import Any

import httpx
import pytest

import barq
import barq.http
from barq.http.hub import Hub
from barq.protocol.call import Call
from tests.http.serving import Events, listening, problem, serving
from tests.support import Server, until
from tests.worker.running import work_off


def told(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(event["event"], event["data"]["id"]) for event in events]


async def begun(queue: barq.Queue, events: Events) -> int:
    """Wait until a stream that begins now has begun; the id of the first job that it tells of."""
    coming = asyncio.create_task(events.next())
    while not coming.done():
        await queue.enqueue("begin")
        await asyncio.wait([coming], timeout=0.05)
    event = coming.result()
    assert event is not None
    return int(event["data"]["id"])


async def test_events_come_as_they_happen(app: Any, queue: barq.Queue) -> None:
    @queue.handler("email", backoff=barq.fixed(0))
    async def send(job: barq.Job) -> str:
        job.progress(1, 2, {"step": 1})
        job.log("a line")
        if job.attempt == 1:
            raise ValueError("no such address")
        return "sent"

    async with serving(app) as url, listening(f"{url}/events?type=email") as events:
        job = await queue.enqueue("email", attempts=2)
        position = await queue.position()
        first = await asyncio.wait_for(replayed_first(url, job), 15)
        assert first["data"]["id"] == job.id
        while (await job.refresh()).state != "completed":
            await work_off(queue)
        async with listening(f"{url}/events", headers={"last-event-id": position}) as later:
            found = await later.take(9)
        assert [event["event"] for event in found] == [
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
        assert found[1]["data"]["data"] == {"percent": 50, "data": {"step": 1}}
        assert found[2]["data"]["data"] == "a line"
        assert found[3]["data"]["data"]["message"] == "no such address"
        assert all(event["id"] == event["data"]["position"] for event in found)
        assert events.retry is None  # nothing was read of it yet
        assert told(await events.take(10)) == told([first, *found])
        assert events.retry == 2000


async def replayed_first(url: str, job: barq.Job) -> dict[str, Any]:
    async with listening(f"{url}/events?after=0&job={job.id}") as events:
        return (await events.take(1))[0]


async def test_a_client_that_comes_back_misses_nothing(app: Any, queue: barq.Queue) -> None:
    async with serving(app) as url:
        seen: list[int] = []
        last: str | None = None
        sent = 0
        for round in range(6):
            headers = {} if last is None else {"last-event-id": last}
            query = "?after=0" if last is None else ""
            sent += len(await queue.enqueue_many("email", range(30)))
            async with listening(f"{url}/events{query}", headers=headers) as events:
                for event in await events.take(17 + round):
                    seen.append(event["data"]["id"])
                    last = event["id"]
        async with listening(f"{url}/events", headers={"last-event-id": last or ""}) as events:
            seen += [event["data"]["id"] for event in await events.take(sent - len(seen))]
        assert seen == list(range(1, sent + 1))


@pytest.mark.parametrize("others", [False, True])
async def test_of_a_queue_with_partitions_who_comes_back_misses_nothing(
    server: Server, name: str, *, others: bool
) -> None:
    async with (
        barq.Queue(name, url=server.url, partitions=3) as queue,
        serving(barq.http.app(queue)) as url,
        contextlib.AsyncExitStack() as stack,
    ):
        if others:
            await stack.enter_async_context(listening(f"{url}/events"))
        seen: set[int] = set()
        last, sent = "0", 0
        for round in range(5):
            sent += len(await asyncio.gather(*(queue.enqueue("email") for _ in range(30))))
            async with listening(f"{url}/events", headers={"last-event-id": last}) as events:
                for event in await events.take(17 + round):
                    seen.add(event["data"]["id"])
                    last = event["id"]
        async with listening(f"{url}/events", headers={"last-event-id": last}) as events:
            while len(seen) < sent:
                seen |= {event["data"]["id"] for event in await events.take(1)}


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("busy", [0, 1, 2])
async def test_the_beginning_is_that_of_every_partition(server: Server, name: str, busy: int, *, others: bool) -> None:
    """Also where nothing has happened in some of them."""
    async with (
        barq.Queue(name, url=server.url, partitions=3) as queue,
        serving(barq.http.app(queue)) as url,
        contextlib.AsyncExitStack() as stack,
    ):
        other = await stack.enter_async_context(listening(f"{url}/events")) if others else None
        ids = [(await queue.parts[busy].enqueue("email")).id for _ in range(3)]
        if other is not None:
            assert [event["data"]["id"] for event in await other.take(3)] == ids
        async with listening(f"{url}/events?after=0") as events:
            assert [event["data"]["id"] for event in await events.take(3)] == ids


async def test_who_comes_back_while_others_listen_misses_nothing(app: Any, queue: barq.Queue) -> None:
    async with serving(app) as url, listening(f"{url}/events") as other:
        first = await begun(queue, other)
        after = (await queue.position()).partition(".")[0]
        jobs = await queue.enqueue_many("email", range(300))
        async with listening(f"{url}/events?after={after}") as events:
            assert [event["data"]["id"] for event in await events.take(300)] == [job.id for job in jobs]
        async with listening(f"{url}/events?after=0") as events:  # older than what the others have heard
            every = [event["data"]["id"] for event in await events.take(jobs[-1].id)]
            assert every == list(range(1, jobs[-1].id + 1))
        heard = [event["data"]["id"] for event in await other.take(jobs[-1].id - first)]
        assert heard == list(range(first + 1, jobs[-1].id + 1))


async def test_events_that_are_not_kept_any_more_are_a_gap(server: Server, name: str) -> None:
    async with barq.Queue(name, url=server.url, keep_events=10) as queue:
        for n in range(400):
            await queue.enqueue("email", n)
        async with serving(barq.http.app(queue)) as url, listening(f"{url}/events?after=0") as events:
            gap, first = await events.take(2)
            assert gap["event"] == "gap"
            assert gap["data"]["data"] == first["data"]["id"] - 1 > 0
            assert gap["id"] == str(first["data"]["id"] - 1)


async def test_who_reads_too_slowly_gets_a_gap(queue: barq.Queue, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barq.http.hub._MOST_KEPT", 10)
    hub = Hub(queue, app.state.site.mask, most_viewers=5)
    async with hub.listening(None) as parts:
        ids = [job.id for job in await queue.enqueue_many("email", range(50))]
        seen: list[tuple[str, int]] = []

        async def all_read() -> bool:
            return len(hub._kept) == 10 and hub._kept[-1].event.job_id == ids[-1]

        await until(all_read, "the hub has read all events")
        while not seen or seen[-1][1] != ids[-1]:
            seen += [(one.event.name, one.event.data or one.event.job_id) for one in await anext(parts)]
        assert seen == [("gap", 40), *(("enqueue", id) for id in ids[-10:])]


async def test_a_server_that_lost_its_data_is_a_gap(
    own_server: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.events._BLOCK_SECONDS", 0.2)
    async with (
        barq.Queue(name, url=own_server.url) as queue,
        serving(barq.http.app(queue)) as url,
        listening(f"{url}/events?after=0") as events,
    ):
        await queue.enqueue_many("email", range(20))
        await queue.enqueue("email")
        last = (await events.take(21))[-1]
        await queue._here().store.send(Call(None, b"", (b"FLUSHALL",), bool))
        await queue.enqueue("push")
        gap, event = await events.take(2)
        assert (gap["event"], gap["data"]["data"]) == ("gap", None)
        assert told([event]) == [("enqueue", 1)]
        async with listening(f"{url}/events", headers={"last-event-id": last["id"]}) as again:
            gap, event = await again.take(2)
            assert (gap["event"], gap["data"]["data"]) == ("gap", None)
            assert told([event]) == [("enqueue", 1)]


async def test_a_stream_can_be_of_one_type_or_job(app: Any, queue: barq.Queue) -> None:
    for n in range(3):
        await queue.enqueue("email", n)
        await queue.enqueue("push", n)
    async with serving(app) as url:
        async with listening(f"{url}/events?after=0&type=push") as events:
            assert told(await events.take(3)) == [("enqueue", 2), ("enqueue", 4), ("enqueue", 6)]
        async with listening(f"{url}/events?after=0&job=3") as events:
            await queue.cancel(3)
            assert told(await events.take(2)) == [("enqueue", 3), ("cancel", 3)]


# ---- one job


async def test_a_job_is_followed_until_it_has_ended(app: Any, queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> dict[str, int]:
        await job.progress(1, 4)
        return {"sent": job.id}

    job, other = await queue.enqueue("email"), await queue.enqueue("email")
    async with serving(app) as url, listening(f"{url}/jobs/{job.id}/events?after=0") as events:
        assert told(await events.take(1)) == [("enqueue", job.id)]
        await work_off(queue)
        rest = await asyncio.wait_for(events.rest(), 15)
    assert told(rest) == [("start", job.id), ("progress", job.id), ("complete", job.id)]
    assert rest[-1]["data"]["data"] == {"sent": job.id}
    assert (await other.refresh()).state == "completed"


async def test_a_job_is_followed_from_now_on(app: Any, queue: barq.Queue) -> None:
    job = await queue.enqueue("email")
    async with serving(app) as url, listening(f"{url}/jobs/{job.id}/events") as events:
        await queue.cancel(job.id)
        assert told(await asyncio.wait_for(events.rest(), 15)) == [("cancel", job.id)]


@pytest.mark.parametrize(("how", "name"), [("completed", "complete"), ("failed", "failed"), ("cancelled", "cancel")])
async def test_of_a_job_that_has_ended_one_gets_the_ending(app: Any, queue: barq.Queue, how: str, name: str) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> str:
        if how == "failed":
            raise ValueError("no such address")
        return "sent"

    job = await queue.enqueue("email")
    if how == "cancelled":
        await queue.cancel(job.id)
    await work_off(queue)
    async with serving(app) as url:
        async with listening(f"{url}/jobs/{job.id}/events") as events:
            (ending,) = await asyncio.wait_for(events.rest(), 15)
        assert told([ending]) == [(name, job.id)]
        data = ending["data"]["data"]
        assert data == {"completed": "sent", "cancelled": None}.get(how, data)
        assert how != "failed" or data["message"] == "no such address"
        async with httpx.AsyncClient() as web:  # a browser comes back on its own; 204 tells it to stop
            again = await web.get(f"{url}/jobs/{job.id}/events", headers={"last-event-id": ending["id"]})
            assert (again.status_code, again.content) == (204, b"")
        async with listening(f"{url}/jobs/{job.id}/events?after=0") as events:
            past = await asyncio.wait_for(events.rest(), 15)
        assert told(past)[0] == ("enqueue", job.id)
        assert told(past)[-1] == (name, job.id)
        assert past[-1]["data"]["data"] == ending["data"]["data"] or how == "failed"  # the stream has no traceback


async def test_a_job_that_was_removed_tells_its_past(app: Any, queue: barq.Queue) -> None:
    job = await queue.enqueue("email")
    await queue.remove(job.id)
    async with serving(app) as url:
        async with listening(f"{url}/jobs/{job.id}/events?after=0") as events:
            assert told(await asyncio.wait_for(events.rest(), 15)) == [("enqueue", 1), ("remove", 1)]
        async with httpx.AsyncClient() as web:
            problem(await web.get(f"{url}/jobs/{job.id}/events"), 404, "job-not-found")


# ---- bounds


@pytest.mark.parametrize("position", ["x", "-1", "1.", "1.2.3", "9" * 17, "1 "])
async def test_a_position_that_is_none_is_refused(api: httpx.AsyncClient, position: str) -> None:
    problem(await api.get("/events", params={"after": position}), 422, "invalid-query")
    problem(await api.get("/events", headers={"last-event-id": position}), 422, "invalid-query")
    problem(await api.get("/jobs/1/events", params={"after": position}), 422, "invalid-query")


async def test_too_many_viewers_are_told_to_come_later(queue: barq.Queue) -> None:
    app = barq.http.app(queue, limits=barq.http.Limits(viewers=2))
    async with serving(app) as url, httpx.AsyncClient() as web:
        async with listening(f"{url}/events?after=0"), listening(f"{url}/events"):
            answer = await web.get(f"{url}/events")
            problem(answer, 503, "too-many-viewers")
            assert answer.headers["retry-after"] == "10"

        async def room() -> bool:
            async with web.stream("GET", f"{url}/events") as answer:
                return answer.status_code == 200

        await until(room, "those who left made room")


async def test_a_stream_ends_after_its_time(queue: barq.Queue) -> None:
    app = barq.http.app(queue, limits=barq.http.Limits(stream_seconds=0.2))
    await queue.enqueue("email")
    async with serving(app) as url, listening(f"{url}/events?after=0") as events:
        assert told(await asyncio.wait_for(events.rest(), 10)) == [("enqueue", 1)]


async def test_a_quiet_stream_shows_that_it_is_alive(
    app: Any, queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.http.hub.KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr("barq.http.stream.KEEP_ALIVE_SECONDS", 0.05)
    job = await queue.enqueue("quiet")
    async with serving(app) as url:
        for path in ("/events", f"/jobs/{job.id}/events"):
            async with listening(f"{url}{path}") as events:
                with pytest.raises(TimeoutError):
                    await events.next(seconds=0.5)
                assert ": alive" in events.comments


async def test_many_viewers_are_told_more_at_a_time(queue: barq.Queue, app: Any) -> None:
    """What they cost together is bounded: 400 answers a second, however many look on and however much happens."""
    hub, viewers, told_at_a_time = Hub(queue, app.state.site.mask, most_viewers=100), 100, []
    loop = asyncio.get_running_loop()

    async def look_on(ready: asyncio.Event) -> None:
        async with hub.listening(None) as parts:
            ready.set()
            seen = 0
            async for part in parts:
                seen += len(part)
                told_at_a_time.append(len(part))
                if seen == 100:
                    return

    readies = [asyncio.Event() for _ in range(viewers)]
    looking = [asyncio.create_task(look_on(ready)) for ready in readies]
    await asyncio.gather(*(ready.wait() for ready in readies))
    began = loop.time()
    for _ in range(100):
        await queue.enqueue("email")
        await asyncio.sleep(0.005)
    await asyncio.wait_for(asyncio.gather(*looking), 30)
    assert sum(told_at_a_time) == 100 * viewers
    assert len(told_at_a_time) <= 400 * (loop.time() - began) + 2 * viewers


async def test_who_leaves_leaves_nothing_behind(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:

        async def clients() -> int:
            found = await queue._here().store.send(Call(None, b"", (b"CLIENT", b"LIST"), lambda reply: reply))
            return len(found.splitlines())

        await queue.enqueue("email")
        before = await clients()
        async with serving(barq.http.app(queue)) as url:
            async with listening(f"{url}/events?after=0") as one, listening(f"{url}/events?after=0") as two:
                await one.take(1)
                await two.take(1)
                assert await clients() == before + 1  # one reader for all

            async def as_before() -> bool:
                return await clients() == before

            await until(as_before, "the reader has gone with the last who listened")


async def test_the_web_server_stops_at_once_with_viewers_connected(app: Any, queue: barq.Queue) -> None:
    job = await queue.enqueue("email")
    async with serving(app) as url:
        streams = [listening(f"{url}{path}") for path in ("/events", "/events?after=0", f"/jobs/{job.id}/events")]
        for stream in streams:
            await stream.__aenter__()
        began = time.monotonic()
    assert time.monotonic() - began < 2
    for stream in streams:
        await stream.__aexit__(None, None, None)


async def test_head_of_a_stream_ends(api: httpx.AsyncClient) -> None:
    answer = await asyncio.wait_for(api.head("/events"), 5)
    assert answer.headers["content-type"].startswith("text/event-stream")
