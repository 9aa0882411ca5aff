"""The queue over HTTP: types and pauses, workers, the server, health, metrics, and what the API says of itself."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount

import barq
import barq.http
import barq.sync
from barq.http.endpoints.about import Memory, Persistence, warnings
from tests.http.serving import client, problem
from tests.support import Server
from tests.worker.conftest import ready
from tests.worker.running import working

NONE = dict.fromkeys(["waiting", "delayed", "active", "completed", "failed", "cancelled", "blocked"], 0)


async def test_types_come_with_their_counts(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue_many("email", range(3))
    await queue.enqueue("push", delay=60)
    told = (await api.get("/types")).json()
    assert [(row["type"], row["counts"], row["paused"]) for row in told["types"]] == [
        ("email", {**NONE, "waiting": 3}, None),
        ("push", {**NONE, "delayed": 1}, None),
    ]
    assert (told["counts"], told["paused"]) == ({**NONE, "waiting": 3, "delayed": 1}, None)


@pytest.mark.parametrize("type", ["email", "mail/out", "a b?c#d%2F", "ünïcode", "pause", "x/pause"])
async def test_a_type_is_paused_with_a_reason_and_resumed(api: httpx.AsyncClient, queue: barq.Queue, type: str) -> None:
    path = f"/types/{quote(type, safe='')}"
    assert (await api.post(f"{path}/pause", json={"reason": "provider is down"})).json() == {"changed": True}
    assert (await api.post(f"{path}/pause")).json() == {"changed": False}
    assert (await api.post(f"{path}/pause", json={"reason": "still down"})).json() == {"changed": False}
    (row,) = (await api.get("/types")).json()["types"]
    assert row["type"] == type
    assert (row["paused"]["by"], row["paused"]["reason"]) == ("local", "still down")
    assert abs(datetime.fromisoformat(row["paused"]["at"]) - datetime.now(UTC)) < timedelta(seconds=20)
    assert list(await queue.types()) == [type]
    assert (await api.post(f"{path}/resume")).json() == {"changed": True}
    assert (await api.post(f"{path}/resume")).json() == {"changed": False}


async def test_the_queue_is_paused_and_resumed(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    assert (await api.post("/pause", json={"reason": "move"})).json() == {"changed": True}
    assert (await api.get("/types")).json()["paused"]["reason"] == "move"
    paused = await queue.paused()
    assert paused is not None
    assert paused["by"] == "local"
    assert (await api.post("/resume")).json() == {"changed": True}
    assert (await api.get("/types")).json()["paused"] is None


@pytest.mark.parametrize("body", [{"reason": "a\nb"}, {"reason": 5}, {"why": "x"}, [], {"reason": "x" * 2000}])
async def test_a_reason_that_is_none_is_refused(api: httpx.AsyncClient, queue: barq.Queue, body: Any) -> None:
    problem(await api.post("/types/email/pause", json=body), 422, "invalid-body")
    assert await queue.types() == {}


async def test_living_workers_are_listed(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None: ...

    assert (await api.get("/workers")).json() == {"workers": []}
    async with working(queue, concurrency=7):
        await ready(queue)
        (worker,) = await queue.workers()
        (told,) = (await api.get("/workers")).json()["workers"]
    assert (told["id"], told["pid"], told["concurrency"], told["types"]) == (worker.id, os.getpid(), 7, ["email"])
    assert (told["version"], told["stopping"]) == (barq.__version__, False)


async def test_the_server_behind_the_queue_is_shown(api: httpx.AsyncClient, server: Server) -> None:
    told = (await api.get("/server")).json()
    assert told["name"] in ("valkey", "redis")
    assert told["version"][0].isdigit()
    assert told["address"] == server.url
    assert told["memory"]["used"] > 0
    assert told["memory"]["limit"] is None
    assert told["persistence"]["append_only"] is True
    assert told["warnings"] == []
    assert [(finding["check"], finding["mark"]) for finding in told["doctor"]] == [("memory", "warn")]
    assert "no maxmemory" in told["doctor"][0]["says"]


async def test_the_address_of_the_server_is_shown_without_its_password() -> None:
    app = barq.http.app(
        barq.Queue(url="redis://user:geheim@127.0.0.1:1/0"), limits=barq.http.Limits(answer_seconds=0.2)
    )
    async with client(app) as api:
        answer = await api.get("/server")
        assert answer.status_code == 503
        assert "geheim" not in answer.text


def test_a_person_is_warned_of_what_matters() -> None:
    fine = Persistence(append_only=True, append_only_ok=True, snapshot_ok=True, changes_since_snapshot=0)
    assert warnings(Memory(5, 5, None), fine) == []
    assert "95%" in warnings(Memory(95, 95, 100), fine)[0]
    assert "append-only" in warnings(Memory(5, 5, None), Persistence(False, True, True, 0))[0]
    assert "disk" in warnings(Memory(5, 5, None), Persistence(True, False, True, 0))[0]
    assert "disk" in warnings(Memory(5, 5, None), Persistence(True, True, False, 0))[0]


async def test_health_needs_no_token_and_no_name(queue: barq.Queue) -> None:
    app = barq.http.app(queue, token="a token of 16 chars".replace(" ", "-"), hosts=["jobs.example.org"])
    async with client(app, base_url="http://10.0.0.7:3000") as api:
        answer = await api.get("/health")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert (await api.get("/types")).status_code == 403


async def test_prometheus_reads_the_metrics(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    @queue.handler('odd "type"\\')
    async def send(job: barq.Job) -> None: ...

    await queue.enqueue('odd "type"\\', delay=60)
    await queue.enqueue("email")
    await queue.pause("email")
    async with working(queue, concurrency=7):
        await ready(queue)
        answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, sample.labels.get("type"), sample.labels.get("state")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["barq_jobs", 'odd "type"\\', "delayed"] == 1
    assert found["barq_jobs", "email", "waiting"] == 1
    assert found["barq_jobs", "email", "failed"] == 0
    assert found["barq_paused", "email", None] == 1
    assert found["barq_workers", None, None] == 1
    assert found["barq_worker_slots", None, None] == 7
    assert found["barq_server_used_memory", None, None] > 0


async def test_the_root_says_where_things_are(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    told = (await api.get("/")).json()
    assert (told["name"], told["version"], told["queue"]) == ("barq", barq.__version__, queue.name)
    for name, path in told["links"].items():
        if name != "events":
            assert (await api.get(path)).status_code == 200


async def test_the_document_tells_what_a_token_is_needed_for(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    document = (await api.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert "security" not in document
    token = "correct-horse-battery"
    async with client(barq.http.app(queue, token=token), headers={"authorization": f"Bearer {token}"}) as protected:
        document = (await protected.get("/openapi.json")).json()
    assert document["security"] == [{"token": []}, {"password": []}]
    assert "401" in document["paths"]["/jobs"]["post"]["responses"]


async def test_it_can_be_mounted_in_an_application(queue: barq.Queue, app: Any) -> None:
    mine = Starlette(routes=[Mount("/kue", app=app)])
    async with client(mine) as api:
        assert (await api.get("/kue/")).json()["links"]["jobs"] == "/kue/jobs"
        assert (await api.get("/kue/health")).status_code == 200
        assert (await api.get("/kue/openapi.json")).json()["servers"] == [{"url": "/kue"}]
        assert (await api.post("/kue/jobs", json={"type": "email"})).json()["id"] == 1
        assert (await api.get("/kue/job/1")).json()["state"] == "inactive"
        problem(await api.get("/kue/nowhere"), 404, "not-found")


async def test_a_blocking_queue_is_taken_as_well(server: Server, name: str) -> None:
    with barq.sync.Queue(name, url=server.url) as jobs:
        jobs.enqueue("email")
        async with client(barq.http.app(jobs)) as api:
            assert (await api.get("/types")).json()["counts"]["waiting"] == 1
        await jobs.asyncio.close()


@pytest.mark.parametrize("path", ["/nowhere", "/jobs/1/nowhere", "/jobs/", "/types/x/explode"])
async def test_a_path_that_is_none_is_a_problem(api: httpx.AsyncClient, path: str) -> None:
    problem(await api.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs", "GET, HEAD, POST"),
        ("POST", "/jobs/1", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/jobs/1/retry", "POST"),
        ("OPTIONS", "/types", "GET, HEAD"),
        ("GET", "/types/a/pause", "POST"),
    ],
)
async def test_a_method_that_is_none_is_told_which_there_are(
    api: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await api.request(method, path)
    problem(answer, 405, "method-not-allowed")
    assert ", ".join(sorted(answer.headers["allow"].split(", "))) == allowed


async def test_head_is_a_get_without_its_body(app: Any, api: httpx.AsyncClient) -> None:
    answer = await api.head("/types")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0


async def test_answers_say_how_browsers_are_to_take_them(api: httpx.AsyncClient) -> None:
    for path in ("/types", "/nowhere"):
        headers = (await api.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_an_error_of_ours_is_a_500_that_tells_nothing(
    api: httpx.AsyncClient, queue: barq.Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise RuntimeError("geheim")

    monkeypatch.setattr(queue, "stats", broken)
    answer = await api.get("/types")
    problem(answer, 500, "internal-error")
    assert "geheim" not in answer.text
    assert "geheim" in caplog.text
