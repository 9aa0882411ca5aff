"""Jobs over HTTP: create one or many, list, read, and what is done with one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

import barq
from tests.http.serving import problem
from tests.worker.running import work_off

# ---- create


async def test_a_job_is_created_with_all_that_can_be_asked(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    asked = {
        "type": "email",
        "data": {"to": "ann@example.org"},
        "priority": "high",
        "delay": 60,
        "attempts": 3,
        "backoff": {"kind": "exponential", "delay": 2, "factor": 3, "most": 100, "jitter": 0.5},
        "timeout": 1.5,
        "title": "hello",
        "remove_on_complete": True,
    }
    answer = await api.post("/jobs", json=asked)
    assert (answer.status_code, answer.json()) == (201, {"id": 1, "type": "email"})
    job = await queue.get(1)
    assert (job.type, job.data, job.priority, job.state) == ("email", {"to": "ann@example.org"}, -10, "delayed")
    assert (job.attempts, job.title, job.options.timeout_ms) == (3, "hello", 1500)
    assert job.options.backoff == barq.exponential(2, factor=3, most=100, jitter=0.5)
    assert job.options.remove_on_complete


async def test_little_need_be_asked(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    assert (await api.post("/jobs", json={"type": "email"})).json()["id"] == 1
    job = await queue.get(1)
    assert (job.data, job.priority, job.state, job.attempts) == (None, 0, "waiting", 1)


async def test_a_job_may_be_due_at_a_time(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    await api.post("/jobs", json={"type": "email", "delay": due.isoformat()})
    assert (await queue.get(1)).due_at == due


async def test_many_jobs_are_created_in_order(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    answer = await api.post("/jobs", json=[{"type": f"t{n % 3}", "data": n, "priority": n} for n in range(250)])
    assert answer.status_code == 201
    assert [job["id"] for job in answer.json()] == list(range(1, 251))
    assert [(await queue.get(n)).data for n in (1, 2, 250)] == [0, 1, 249]


async def test_of_many_jobs_none_is_stored_when_one_is_wrong(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    answer = await api.post("/jobs", json=[{"type": "email"}, {"type": "email", "data": 2**60}])
    assert "beyond 2^53" in problem(answer, 422, "invalid-payload")
    assert await queue.types() == {}


async def test_a_token_makes_a_repeat_harmless(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    for _ in range(2):
        answer = await api.post("/jobs", json={"type": "email", "token": "order 7"})
        assert answer.json()["id"] == 1
    assert (await queue.counts())["waiting"] == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "type"),
        ({"type": ""}, "$.type"),
        ({"type": "a\nb"}, "$.type"),
        ({"type": "é" * 200}, "256 bytes"),
        ({"type": 5}, "$.type"),
        ({"type": "email", "priority": "urgent"}, "$.priority"),
        ({"type": "email", "priority": 1.5}, "$.priority"),
        ({"type": "email", "priority": 2**53}, "$.priority"),
        ({"type": "email", "delay": -1}, "$.delay"),
        ({"type": "email", "delay": "2030-01-01T00:00:00"}, "$.delay"),
        ({"type": "email", "attempts": 0}, "$.attempts"),
        ({"type": "email", "timeout": 0}, "$.timeout"),
        ({"type": "email", "backoff": {"kind": "code", "delay": 1}}, "$.backoff.kind"),
        ({"type": "email", "backoff": {"kind": "fixed", "delay": -1}}, "$.backoff.delay"),
        ({"type": "email", "prioritty": 5}, "prioritty"),
        ({"type": "email", "title": "a\x1bb"}, "$.title"),
        ([], "length >= 1"),
        ([{"type": "email"}] * 251, "length <= 250"),
        ("email", "got `str`"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_stored(
    api: httpx.AsyncClient, queue: barq.Queue, body: Any, words: str
) -> None:
    answer = await api.post("/jobs", json=body)
    assert words in problem(answer, 422, answer.json()["code"])
    assert await queue.types() == {}


async def test_data_beyond_what_the_queue_allows_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/jobs", json={"type": "email", "data": "x" * 1_100_000})
    assert "1048576 bytes" in problem(answer, 422, "invalid-payload")


NOT_JSON = [b"{", b'{"type": "a\xff"}', b'{"data":' + b"[" * 100_000, b'{"type":"email"} x', b"\xef\xbb\xbf{}"]


@pytest.mark.parametrize("body", NOT_JSON)
async def test_a_body_that_is_not_json_is_refused(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/jobs", content=body, headers={"content-type": "application/json"})
    assert "not JSON" in problem(answer, 400, "malformed-json")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_has_to_be_declared_as_json(api: httpx.AsyncClient, media_type: str) -> None:
    answer = await api.post("/jobs", content=b'{"type":"email"}', headers={"content-type": media_type})
    problem(answer, 415, "not-json")


# ---- look


async def test_a_job_is_shown_with_all_that_is_known(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> dict[str, Any]:
        await job.progress(1, 2, {"step": 1})
        await job.log("a line")
        return {"sent": True}

    created = datetime.now(UTC)
    await queue.enqueue("email", {"to": "ann"}, title="hello", timeout=60, backoff=barq.fixed(3), attempts=2)
    await work_off(queue)
    job = (await api.get("/jobs/1")).json()
    for name in ("created_at", "started_at", "ended_at"):
        at = datetime.fromisoformat(job.pop(name))
        assert abs(at - created) < timedelta(seconds=20)
        assert at.tzinfo is not None
    assert job.pop("worker")
    assert job == {
        "id": 1,
        "type": "email",
        "state": "completed",
        "title": "hello",
        "priority": 0,
        "attempt": 1,
        "attempts": 2,
        "failures": 0,
        "timeout": 60.0,
        "backoff": {"kind": "fixed", "delay": 3.0},
        "remove_on_complete": False,
        "due_at": None,
        "progress": {"percent": 50, "data": {"step": 1}},
        "error": None,
        "data": {"to": "ann"},
        "result": {"sent": True},
    }
    log = (await api.get("/jobs/1/log")).json()
    assert [line["text"] for line in log["lines"]] == ["a line"]
    assert datetime.fromisoformat(log["lines"][0]["at"]) >= created - timedelta(seconds=1)


async def test_a_failed_job_shows_its_error(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        raise ValueError("no such address")

    await queue.enqueue("email")
    await work_off(queue)
    job = (await api.get("/jobs/1")).json()
    assert (job["state"], job["result"]) == ("failed", None)
    assert (job["error"]["type"], job["error"]["message"]) == ("ValueError", "no such address")
    assert "raise ValueError" in job["error"]["traceback"]


@pytest.mark.parametrize("path", ["/jobs/7", "/jobs/7/log", "/jobs/7/events"])
async def test_a_job_that_is_not_there_is_404(api: httpx.AsyncClient, path: str) -> None:
    assert problem(await api.get(path), 404, "job-not-found") == "job 7 is not there (any more)"


@pytest.mark.parametrize("id", ["0", "-1", "abc", "1.5", str(2**53 + 1), "9" * 5000, "٣", "%00"])
async def test_an_id_that_is_none_is_refused(api: httpx.AsyncClient, id: str) -> None:
    problem(await api.get(f"/jobs/{id}"), 422, "invalid-query")


async def test_pages_follow_each_other(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    for n in range(7):
        await queue.enqueue("email", n)
        await queue.enqueue("push", n, delay=60 + n)
    ids: list[int] = []
    after = {}
    for _ in range(5):
        page = (await api.get("/jobs", params={"limit": 3, "order": "line", **after})).json()
        ids += [job["id"] for job in page["jobs"]]
        after = {"after": page["next"]}
    assert ids == [1, 3, 5, 7, 9, 11, 13, 2, 4, 6, 8, 10, 12, 14]
    assert page["next"] is None


async def test_a_listing_is_of_a_state_or_a_type(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    await queue.enqueue("email", delay=60)
    await queue.enqueue("push")

    async def ids(**which: str) -> list[int]:
        return [job["id"] for job in (await api.get("/jobs", params=which)).json()["jobs"]]

    assert await ids(state="delayed") == [2]
    assert await ids(type="email") == [1, 2]
    assert await ids(state="waiting", type="push") == [3]
    assert await ids(type="never seen") == []
    assert await ids(state="waiting", order="newest") == [3, 1], "the newest come as one list"
    assert await ids(state="waiting") == [1, 3], "type by type, in line"


async def test_finished_jobs_come_latest_first(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    jobs = await queue.enqueue_many("email", range(3))
    for job in jobs:
        await queue.cancel(job.id)
    listed = (await api.get("/jobs", params={"state": "cancelled"})).json()["jobs"]
    assert [job["id"] for job in listed] == [3, 2, 1]
    listed = (await api.get("/jobs", params={"state": "cancelled", "order": "line"})).json()["jobs"]
    assert [job["id"] for job in listed] == [1, 2, 3]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=251",
        "limit=x",
        "limit=5&limit=6",
        "state=inactive",
        "type=",
        "order=oldest",
        "page=2",
    ],
)
async def test_a_query_that_is_wrong_is_refused(api: httpx.AsyncClient, query: str) -> None:
    answer = await api.get(f"/jobs?{query}")
    assert problem(answer, 422, answer.json()["code"])


@pytest.mark.parametrize("after", ["x", "[]", '["a","waiting",null]', '["a","nowhere",null]', "a" * 2000])
async def test_a_page_that_is_none_is_not_there(api: httpx.AsyncClient, after: str) -> None:
    problem(await api.get("/jobs", params={"after": after}), 404, "no-such-page")


# ---- search


async def test_jobs_are_found_by_a_query(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    @queue.handler("boom")
    async def boom(job: barq.Job) -> None:
        raise ValueError("mailbox full")

    await api.post("/jobs", json={"type": "email", "data": {"to": "Ann@example.org"}, "index": ["to"]})
    await queue.enqueue("email", {"to": "bob@example.org"}, title="Invoice 7")
    await queue.enqueue("boom")
    await work_off(queue)

    async def ids(q: str, **which: str) -> list[int]:
        return [job["id"] for job in (await api.get("/jobs", params={"q": q, **which})).json()["jobs"]]

    assert await ids("ann@example") == [1]
    assert await ids("to:ann@example.org type:email") == [1]
    assert await ids("data:EXAMPLE.org type:email") == [2, 1]
    assert await ids("invoice 7") == [2]
    assert await ids("invoice ann") == []
    assert await ids('"mailbox full"', state="failed") == [3]
    assert await ids("mailbox", state="waiting") == []
    assert await ids("mailbox state:failed", state="waiting") == []
    assert await ids("invoice", type="email") == [2]
    assert await ids("invoice type:email", type="push") == []
    assert await ids("  ") == [3, 2, 1]
    for query, number in {"": 3, "state:waiting": 2, "mailbox": 1}.items():
        assert (await api.get("/jobs/count", params={"q": query})).json() == {"count": number, "exact": True}
    found = (await api.get("/jobs/count", params={"q": "message:mail*", "looks": 1})).json()
    assert found == {"count": 1, "exact": False}, "so many are looked at"


async def test_a_search_goes_on_behind_its_bound(
    api: httpx.AsyncClient, queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.search.MOST_READ", 20)
    monkeypatch.setattr("barq.search.MOST_PER_CALL", 10)
    await queue.enqueue_many("email", [{"n": n, "kind": "odd" if n % 2 else "even"} for n in range(50)])
    found: list[int] = []
    sizes, after = [], {}
    while True:
        page = (await api.get("/jobs", params={"q": "data:odd", "limit": 8, **after})).json()
        found += [job["data"]["n"] for job in page["jobs"]]
        sizes.append(len(page["jobs"]))
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == list(range(49, 0, -2))
    assert max(sizes) <= 8


@pytest.mark.parametrize("path", ["/jobs", "/jobs/count"])
async def test_a_wrong_query_is_told_what_is_allowed(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path, params={"q": "state:faild"})
    assert "state must be one of waiting, delayed" in problem(answer, 422, "invalid-value")


# ---- act


async def test_a_finished_job_is_retried(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    await queue.cancel(1)
    answer = await api.post("/jobs/1/retry")
    assert (answer.status_code, answer.json()["state"]) == (200, "waiting")
    assert "waiting" in problem(await api.post("/jobs/1/retry"), 409, "wrong-state")


async def test_a_job_is_cancelled_once(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    assert (await api.post("/jobs/1/cancel")).json()["state"] == "cancelled"
    assert "cancelled" in problem(await api.post("/jobs/1/cancel"), 409, "wrong-state")


async def test_a_delayed_job_is_promoted(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", delay=60)
    assert (await api.post("/jobs/1/promote")).json()["state"] == "waiting"
    problem(await api.post("/jobs/1/promote"), 409, "wrong-state")


async def test_a_job_is_removed(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    answer = await api.delete("/jobs/1")
    assert (answer.status_code, answer.content) == (204, b"")
    problem(await api.delete("/jobs/1"), 404, "job-not-found")


@pytest.mark.parametrize("act", ["retry", "cancel", "promote"])
async def test_what_is_done_with_a_job_that_is_not_there_is_404(api: httpx.AsyncClient, act: str) -> None:
    problem(await api.post(f"/jobs/7/{act}"), 404, "job-not-found")


async def test_acts_take_all_that_a_query_finds(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue_many("email", [{"customer": n % 2} for n in range(20)], index=("customer",), delay=60)

    async def act(verb: str, where: str, **more: Any) -> dict[str, Any]:
        answer = await api.post(f"/jobs/{verb}", json={"where": where, **more})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    done = {"refused": 0, "more": False, "next": None}
    assert await act("promote", "customer:1", dry_run=True) == {"matched": 10, "done": 0, **done}
    assert await act("promote", "customer:1") == {"matched": 10, "done": 10, **done}
    assert await act("cancel", "type:email state:waiting") == {"matched": 10, "done": 10, **done}
    assert await act("retry", "type:email") == {"matched": 10, "done": 10, **done}
    assert await act("remove", "age>=0s") == {"matched": 20, "done": 20, **done}
    assert (await queue.audit()).acts[0].by != ""


async def test_an_act_of_one_request_is_bounded_and_goes_on(
    api: httpx.AsyncClient, queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.http.endpoints.search.MOST_AT_ONCE", 6)
    await queue.enqueue_many("email", range(10))
    first = (await api.post("/jobs/remove", json={"where": "type:email"})).json()
    assert (first["done"], first["more"]) == (6, True)
    rest = (await api.post("/jobs/remove", json={"where": "type:email", "after": first["next"]})).json()
    assert (rest["done"], rest["more"]) == (4, False)


@pytest.mark.parametrize(
    ("verb", "body", "status", "says"),
    [
        ("remove", {"where": ""}, 422, "$.where"),
        ("remove", {"where": " "}, 422, "remove needs a query that says which jobs"),
        ("remove", {"where": "state:x"}, 422, "state must be one of"),
        ("retry", {"where": "state:active"}, 422, "retry takes only"),
        ("retry", {}, 422, "where"),
        ("retry", {"where": "a", "after": "x"}, 404, "after must be the `next` of an act"),
        ("retry", {"where": "a", "wher": "x"}, 422, "wher"),
    ],
)
async def test_an_act_that_is_not_clear_changes_nothing(
    api: httpx.AsyncClient, queue: barq.Queue, verb: str, body: dict[str, Any], status: int, says: str
) -> None:
    await queue.enqueue("email")
    answer = await api.post(f"/jobs/{verb}", json=body)
    assert says in problem(answer, status, answer.json()["code"])
    assert (await queue.counts())["waiting"] == 1
