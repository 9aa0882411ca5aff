"""Kue's API, acting: create, change the state, remove; what Kue does unsafely is refused."""

import asyncio
from typing import Any

import httpx
import pytest

import barq
from tests.support import until
from tests.worker.running import working

# ---- create


async def test_a_job_is_created(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    asked = {
        "type": "email",
        "data": {"title": "welcome email for tj", "to": "tj@learnboost.com"},
        "options": {"attempts": 5, "priority": "high", "searchKeys": ["to", "title"]},
    }
    answer = await kue.post("/job", json=asked)
    assert (answer.status_code, answer.text) == (200, '{"message":"job created","id":1}')
    job = await queue.get(1)
    assert (job.type, job.data, job.priority, job.attempts) == ("email", asked["data"], -10, 5)
    assert job.title == "welcome email for tj"


async def test_every_option_means_what_it_means_in_kue(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    options = {
        "attempts": "3",
        "priority": "7",
        "delay": "60000",
        "ttl": 5000,
        "removeOnComplete": True,
        "backoff": {"type": "exponential", "delay": 500, "maxDelay": 60_000},
    }
    await kue.post("/job", json={"type": "email", "options": options})
    job = await queue.get(1)
    assert (job.attempts, job.priority, job.state, job.data) == (3, 7, "delayed", {})
    assert (job.options.timeout_ms, job.options.remove_on_complete) == (5000, True)
    assert job.options.backoff == barq.exponential(0.5, most=60, jitter=0)
    assert job.due_at is not None
    assert job.created_at is not None
    assert (job.due_at - job.created_at).total_seconds() == 60


@pytest.mark.parametrize(
    ("options", "backoff"),
    [
        ({}, barq.fixed(0)),  # at once, as in Kue
        ({"delay": 3000, "backoff": True}, barq.fixed(3)),
        ({"backoff": {"type": "fixed", "delay": "1500"}}, barq.fixed(1.5)),
        ({"delay": 3000, "backoff": {"type": "fixed"}}, barq.fixed(3)),
        ({"backoff": False}, barq.fixed(0)),
    ],
)
async def test_backoff_is_by_kues_rules(
    kue: httpx.AsyncClient, queue: barq.Queue, options: dict[str, Any], backoff: barq.Backoff
) -> None:
    await kue.post("/job", json={"type": "email", "options": options})
    assert (await queue.get(1)).options.backoff == backoff


@pytest.mark.parametrize(
    "options", [{"delay": 0}, {"delay": -5}, {"delay": "soon"}, {"ttl": 0}, {"attempts": "x"}, {}, [], 5]
)
async def test_options_that_mean_nothing_are_passed_over_as_in_kue(
    kue: httpx.AsyncClient, queue: barq.Queue, options: Any
) -> None:
    assert (await kue.post("/job", json={"type": "email", "options": options})).status_code == 200
    job = await queue.get(1)
    assert (job.state, job.attempts, job.options.timeout_ms) == ("waiting", 1, None)


async def test_many_jobs_are_created_each_for_itself(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    answer = await kue.post("/job", json=[{"type": "email", "data": {"to": "a"}}, {"data": {}}, {"type": 5}, None])
    assert answer.status_code == 400
    assert answer.json() == [
        {"message": "job created", "id": 1},
        {"error": "Must provide job type"},
        {"message": "job created", "id": 2},
        {"error": "Must provide job type"},
    ]
    assert (await queue.get(2)).type == "5"
    answer = await kue.post("/job", json=[{"type": "email", "data": {"n": n}} for n in range(300)])
    assert [created["id"] for created in answer.json()] == list(range(3, 303))
    assert (await queue.get(302)).data == {"n": 299}


@pytest.mark.parametrize("body", [{"data": 1}, {"type": ""}, {"type": None}, {"type": 0}])
async def test_a_job_needs_a_type(kue: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await kue.post("/job", json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": "Must provide job type"})


@pytest.mark.parametrize("content", [b"{}", b"[]", b""])
async def test_nothing_makes_nothing(kue: httpx.AsyncClient, queue: barq.Queue, content: bytes) -> None:
    answer = await kue.post("/job", content=content, headers={"content-type": "application/json; charset=utf-8"})
    assert (answer.status_code, answer.content) == (204, b"")
    answer = await kue.post("/job", data={"type": "email"})  # a form, which Kue does not read either
    assert answer.status_code == 204
    assert await queue.types() == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{bad", "not JSON"),
        (b'"text"', "an object or an array"),
        (b"5", "an object or an array"),
        (b"[" * 100_000, "not JSON"),
        (b'{"type":"\xff"}', "not JSON"),
        (b'{"type":{"a":1}}', "type must be a text"),
        (b'{"type":"a\\nb"}', "control characters"),
        (b'{"type":"a","data":123456789012345678901}', "beyond 2^53"),
        (b'{"type":"a","options":{"priority":"urgent"}}', "priority must be one of"),
        (b'{"type":"a","options":{"priority":1.5}}', "priority must be one of"),
        (b'{"type":"a","options":{"attempts":-1}}', "attempts must be from 1"),
        (b'{"type":"a","options":{"delay":1e300}}', "delay must be"),
        (b'{"type":"a","options":{"backoff":"function(){ process.exit() }"}}', "code is not run"),
        (b'{"type":"a","options":{"backoff":{"type":"custom"}}}', "backoff must be"),
        (b'{"type":"a","options":{"backoff":{"type":"fixed","delay":-5}}}', "delay of a backoff"),
    ],
)
async def test_what_kue_would_trip_over_is_refused(
    kue: httpx.AsyncClient, queue: barq.Queue, content: bytes, words: str
) -> None:
    answer = await kue.post("/job", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert await queue.types() == {}


async def test_too_many_jobs_at_once_are_refused(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    answer = await kue.post("/job", json=[{"type": "a"}] * 1001)
    assert (answer.status_code, "at most 1000" in answer.json()["error"]) == (413, True)
    assert await queue.types() == {}


# ---- states


@pytest.mark.parametrize(
    ("before", "to", "after"),
    [
        ("delayed", "inactive", "waiting"),
        ("failed", "inactive", "waiting"),
        ("completed", "inactive", "waiting"),
        ("cancelled", "inactive", "waiting"),
        ("waiting", "inactive", "waiting"),
        ("waiting", "failed", "cancelled"),
        ("delayed", "failed", "cancelled"),
        ("delayed", "delayed", "delayed"),
        ("failed", "failed", "failed"),
        ("completed", "complete", "completed"),
    ],
)
async def test_real_moves_are_made(kue: httpx.AsyncClient, queue: barq.Queue, before: str, to: str, after: str) -> None:
    await brought(queue, before)
    answer = await kue.put(f"/job/1/state/{to}")
    assert (answer.status_code, answer.json()) == (200, {"message": "updated state"})
    assert (await queue.get(1)).state == after


@pytest.mark.parametrize(
    ("before", "to"),
    [
        ("waiting", "active"),
        ("waiting", "complete"),
        ("waiting", "delayed"),
        ("completed", "failed"),
        ("failed", "delayed"),
        ("failed", "complete"),
    ],
)
async def test_moves_that_are_none_are_refused(kue: httpx.AsyncClient, queue: barq.Queue, before: str, to: str) -> None:
    await brought(queue, before)
    answer = await kue.put(f"/job/1/state/{to}")
    assert answer.status_code == 409
    assert f"can't become {to}" in answer.json()["error"]
    assert (await queue.get(1)).state == before


async def test_a_word_that_is_no_state_is_refused(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    answer = await kue.put("/job/1/state/bogus")
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "state must be one of inactive, active, complete, failed, delayed, got 'bogus'"},
    )
    assert (await queue.get(1)).state == "waiting"


async def brought(queue: barq.Queue, state: str) -> None:
    """Job 1, in that state."""

    @queue.handler("job")
    async def job(job: barq.Job) -> None:
        if state == "failed":
            raise ValueError("as asked")

    await queue.enqueue("job", delay=60 if state == "delayed" else None)
    if state == "cancelled":
        await queue.cancel(1)
    if state in ("failed", "completed"):
        async with working(queue):
            await (await queue.get(1)).wait(10)
    assert (await queue.get(1)).state == state


async def test_a_get_changes_nothing(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await brought(queue, "failed")
    answer = await kue.get("/inactive/1")
    assert (answer.status_code, answer.json()) == (
        405,
        {"error": "a GET changes nothing here: PUT /job/1/state/inactive"},
    )
    assert (await queue.get(1)).state == "failed"


# ---- priority, remove


async def test_a_priority_that_is_none_is_said_as_in_kue(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    for word in ("abc", "high"):
        answer = await kue.put(f"/job/1/priority/{word}")
        assert (answer.status_code, answer.json()) == (200, {"error": "invalid priority"})
    assert (await kue.put("/job/99/priority/3")).json() == {"error": 'job "99" doesnt exist'}


async def test_a_priority_is_changed(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue_many("email", [1, 2])
    answer = await kue.put("/job/2/priority/-3")
    assert (answer.status_code, answer.json()) == (200, {"message": "updated priority"})
    assert [job.id for job in await queue.jobs("waiting", "email")] == [2, 1]


async def test_a_job_is_removed(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    answer = await kue.delete("/job/1")
    assert (answer.status_code, answer.json()) == (200, {"message": "job 1 removed"})
    assert (await kue.delete("/job/1")).json() == {"error": 'job "1" doesnt exist'}


async def test_a_job_that_runs_is_removed_too(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    stopped = asyncio.Event()

    @queue.handler("long")
    async def long(job: barq.Job) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    job = await queue.enqueue("long")
    async with working(queue, lease=1):

        async def runs() -> bool:
            return (await job.refresh()).state == "active"

        await until(runs, "the job runs")
        assert (await kue.get("/jobs/long/active/stats")).json() == {"count": 1}
        assert (await kue.delete(f"/job/{job.id}")).json() == {"message": f"job {job.id} removed"}
        await asyncio.wait_for(stopped.wait(), 10)
    assert (await kue.get(f"/job/{job.id}")).json() == {"error": f'job "{job.id}" doesnt exist'}


@pytest.mark.parametrize(("method", "path"), [("POST", "/stats"), ("PUT", "/job/1"), ("GET", "/job/1/state/failed")])
async def test_other_methods_are_refused(kue: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await kue.request(method, path)).status_code == 405
