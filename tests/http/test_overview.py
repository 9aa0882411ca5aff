"""The overview: one look a second for all who look on, and none when nobody does."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

import barq
import barq.http
from barq.http.overview import Lookout, Slowly
from barq.http.problems import Refused
from tests.http.serving import client, listening, problem, serving
from tests.support import Server, until
from tests.worker.running import work_off, working


async def test_it_tells_all_that_a_first_page_shows(app: Any, api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", {"secret": "x" * 1000}, title="hello")
    await queue.enqueue("email", delay=60)
    running, release = asyncio.Event(), asyncio.Event()

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        await job.progress(1, 4, {"step": "half"})
        running.set()
        await release.wait()

    async with working(queue):
        await asyncio.wait_for(running.wait(), 20)
        await until(lambda: _workers(queue), "the worker has said that it is there")
        told = await until_it_has(api, "server")
        release.set()
    assert (told["queue"], told["read_only"], told["paused"]) == (queue.name, False, None)
    assert (told["counts"]["active"], told["counts"]["delayed"]) == (1, 1)
    assert [row["type"] for row in told["types"]] == ["email"]
    (job,) = told["running"]
    assert (job["id"], job["title"], job["progress"]) == (1, "hello", {"percent": 25.0, "data": None})
    assert "data" not in job
    assert [one["id"] for one in told["workers"]] == [job["worker"]]
    assert told["server"]["memory"]["used"] > 0


async def until_it_has(api: httpx.AsyncClient, part: str) -> Any:
    """The overview once it has a part that is read beside it."""
    told: dict[str, Any] = {}

    async def has() -> bool:
        told.update((await api.get("/overview")).json())
        return told[part] is not None

    await until(has, f"it has its {part}")
    return told


async def test_failures_are_grouped(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        raise ValueError("no such address")

    for _ in range(3):
        await queue.enqueue("email")
    await work_off(queue)
    (group,) = (await until_it_has(api, "failures"))["failures"]
    assert (group["type"], group["error"], group["count"]) == ("email", "ValueError", 3)


async def _workers(queue: barq.Queue) -> bool:
    return bool(await queue.workers())


async def test_an_answer_is_a_second_old_at_most(app: Any, api: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(api.get("/overview") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert app.state.site.lookout.looks == 1


async def test_all_viewers_share_one_look_a_second(app: Any) -> None:
    began = asyncio.get_running_loop().time()
    async with serving(app) as url, AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(listening(f"{url}/overview/stream")) for _ in range(20)]
        told = [await stream.take(3) for stream in streams]
        took = asyncio.get_running_loop().time() - began
        assert {event["event"] for events in told for event in events} == {"overview"}
        assert app.state.site.lookout.looks <= took + 2  # whatever the number of viewers
        assert app.state.site.lookout.viewers == 20
        assert app.state.site.lookout.looking
    await until(lambda: _nobody(app), "the last one has left")
    assert not app.state.site.lookout.looking


async def _nobody(app: Any) -> bool:
    return app.state.site.lookout.viewers == 0


async def test_who_may_not_act_is_told_so(queue: barq.Queue) -> None:
    visitors = {"ann": barq.http.Visitor("ann"), "bob": barq.http.Visitor("bob", read_only=True)}
    app = barq.http.app(queue, auth=lambda request: visitors.get(request.headers.get("x-who", "")))
    async with client(app) as api:
        told = [(await api.get("/overview", headers={"x-who": who})).json() for who in visitors]
    assert [one["read_only"] for one in told] == [False, True]
    assert told[0]["at"] == told[1]["at"]  # the same look


async def test_a_server_that_is_away_is_told_and_comes_back(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:
        await queue.ping()
        app = barq.http.app(queue)
        async with serving(app) as url, listening(f"{url}/overview/stream") as events:
            first = await events.next()
            assert first is not None
            assert first["event"] == "overview"
            own_server.kill()
            event = await _first_of("problem", events)
            assert event["data"]["code"] == "server-unreachable"
            async with client(app) as api:
                problem(await api.get("/overview"), 503, "server-unreachable")
            own_server.start()
            await _first_of("overview", events)


async def _first_of(name: str, events: Any) -> dict[str, Any]:
    for _ in range(30):
        event: dict[str, Any] | None = await events.next()
        assert event is not None
        if event["event"] == name:
            return event
    raise AssertionError(f"no {name}")


async def test_there_may_be_too_many_viewers(queue: barq.Queue) -> None:
    app = barq.http.app(queue, limits=barq.http.Limits(viewers=1))
    async with serving(app) as url, listening(f"{url}/overview/stream") as events:
        await events.next()
        async with httpx.AsyncClient() as api:
            problem(await api.get(f"{url}/overview/stream"), 503, "too-many-viewers")
    await until(lambda: _nobody(app), "the first has left")


# ---- the lookout by itself


async def test_where_a_look_takes_long_there_are_fewer() -> None:
    async def look() -> str:
        await asyncio.sleep(0.3)
        return "seen"

    lookout = Lookout(look, most_viewers=1, answer_seconds=5)
    async with lookout.watching() as sights:
        assert await anext(sights) == "seen"
        assert lookout.pause >= 3  # at most a tenth of the time


async def test_an_error_of_the_look_is_told_to_those_who_watch() -> None:
    async def look() -> str:
        raise barq.ServerUnreachable("away")

    lookout = Lookout(look, most_viewers=1, answer_seconds=5)
    async with lookout.watching() as sights:
        assert isinstance(await anext(sights), barq.ServerUnreachable)
    with pytest.raises(barq.ServerUnreachable):
        await lookout.latest()
    async with lookout.watching():
        with pytest.raises(Refused):
            async with lookout.watching():
                pass


async def test_an_error_that_nobody_foresaw_is_told_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def look() -> str:
        raise KeyError("size")

    lookout = Lookout(look, most_viewers=1, answer_seconds=5)
    async with lookout.watching() as sights:
        for _ in range(2):
            assert "an error of ours" in str(await anext(sights))
    assert [record.exc_info is not None for record in caplog.records if record.name == "barq.http"] == [True]


async def test_what_is_read_slowly_does_not_hold_up_the_look() -> None:
    reads, go = [], asyncio.Event()

    async def read() -> int:
        await go.wait()
        reads.append(1)
        return len(reads)

    slowly = Slowly(read, seconds=60)
    assert slowly.value(mark=1) is None
    assert slowly.value(mark=1) is None
    go.set()
    await slowly.read()
    assert [slowly.value(mark=1), slowly.value(mark=1), slowly.value(mark=2)] == [1, 1, 1]  # not so soon
    quick = Slowly(read, seconds=0.0)
    for number in (2, 3):
        quick.value()
        await quick.read()
        await until(lambda number=number: _is(quick, number), "it is read again")


async def _is(slowly: Slowly[int], number: int) -> bool:
    return (slowly.value() or 0) >= number


async def test_an_error_of_what_is_read_slowly_leaves_what_was_known() -> None:
    async def read() -> int:
        raise barq.ServerUnreachable("away")

    slowly = Slowly(read, seconds=60)
    slowly.value()
    await slowly.read()
    assert slowly.value() is None
