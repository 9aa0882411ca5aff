"""Looking on and steering over HTTP: history, failures, explain, attempts, edits, clones, pauses with an end, workers, audit."""

import itertools
from datetime import datetime
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import barq
import barq.http
from tests.http.serving import client, problem
from tests.support import until
from tests.worker.conftest import in_state, ready
from tests.worker.running import work_off, working


@pytest.fixture
def queue(queue: barq.Queue) -> barq.Queue:
    @queue.handler("email", backoff=barq.fixed(0.01))
    async def send(job: barq.Job) -> None:
        if isinstance(job.data, dict) and job.data.get("fail"):
            raise ValueError("no such address")

    return queue


async def test_types_tell_how_fast_they_go_and_how_long_they_wait(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue_many("email", [{}] * 30)
    await work_off(queue)
    waiting = await queue.enqueue("email")
    (row,) = (await api.get("/types")).json()["types"]
    assert row["rate"] > 0
    assert row["failed_rate"] == 0
    assert 0 <= row["running"]["p50"] <= row["running"]["p95"]
    assert 0 <= row["waiting"]["p50"] <= row["waiting"]["p95"]
    assert (len(row["spark"]), sum(row["spark"])) == (15, 30)
    assert row["backlog_seconds"] == pytest.approx(1 / row["rate"], rel=0.05)
    await waiting.refresh()
    assert datetime.fromisoformat(row["oldest_waiting_at"]) == waiting.created_at


@pytest.mark.parametrize(
    ("span", "step", "count"), [("15m", 60, 15), ("1h", 60, 60), ("24h", 900, 96), ("7d", 3600, 168)]
)
async def test_history_has_a_point_for_each_step(
    api: httpx.AsyncClient, queue: barq.Queue, span: str, step: int, count: int
) -> None:
    await queue.enqueue("email")
    await queue.enqueue("email", {"fail": True})
    await work_off(queue)
    told = (await api.get("/history", params={"span": span, "type": "email"})).json()
    assert (told["span"], told["step_seconds"], len(told["points"])) == (span, step, count)
    times = [datetime.fromisoformat(point["at"]).timestamp() for point in told["points"]]
    assert {late - early for early, late in itertools.pairwise(times)} == {step}
    assert sum(point["completed"] for point in told["points"]) == 1
    assert sum(point["failed"] for point in told["points"]) == 1
    assert told["points"][0]["running_p50"] is None
    assert max(point["running_p95"] or 0 for point in told["points"][-2:]) > 0
    problem(await api.get("/history", params={"span": "2h"}), 422, "invalid-query")


async def test_failures_come_in_groups(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue_many("email", [{"fail": True}] * 2)
    await work_off(queue)
    told = (await api.get("/failures")).json()
    assert (told["looked_at"], told["total"]) == (2, 2)
    (group,) = told["groups"]
    assert (group["type"], group["error"], group["message"], group["count"]) == (
        "email",
        "ValueError",
        "no such address",
        2,
    )
    assert group["place"].startswith("test_steer.py:")
    assert (await api.get("/failures", params={"type": "push"})).json()["groups"] == []


async def test_failures_are_worked_out_once_for_all(
    api: httpx.AsyncClient, queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, failures = 0, queue.failures

    async def counted(type: str | None = None) -> Any:
        nonlocal times
        times += 1
        return await failures(type)

    monkeypatch.setattr(queue, "failures", counted)
    for _ in range(3):
        assert (await api.get("/failures")).status_code == 200
    assert times == 1


async def test_a_job_is_explained(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    await queue.pause("email", by="ada", reason="provider is down")
    told = (await api.get("/jobs/1/explain")).json()
    assert (told["id"], told["state"]) == (1, "waiting")
    assert [reason["code"] for reason in told["reasons"]] == ["type-paused", "no-worker", "next"]
    assert "by ada" in told["reasons"][0]["text"]
    problem(await api.get("/jobs/9/explain"), 404, "job-not-found")


async def test_the_attempts_of_a_job_come_with_their_errors(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    job = await queue.enqueue("email", {"fail": True}, attempts=2)
    async with working(queue):
        await in_state(queue, job, "failed")
    attempts = (await api.get("/jobs/1/attempts")).json()["attempts"]
    assert [one["attempt"] for one in attempts] == [1, 2]
    assert all(one["error"]["type"] == "ValueError" and "Traceback" in one["error"]["traceback"] for one in attempts)
    problem(await api.get("/jobs/9/attempts"), 404, "job-not-found")


async def test_a_job_gets_another_priority_and_other_data(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue_many("email", [{"to": "ann"}] * 2)
    told = (await api.patch("/jobs/2", json={"priority": "high"})).json()
    assert (told["priority"], told["data"]) == (-10, {"to": "ann"})
    told = (await api.patch("/jobs/2", json={"data": None, "priority": 3.0})).json()
    assert (told["priority"], told["data"]) == (3, None)
    assert [job.id for job in await queue.jobs("waiting")] == [1, 2]
    for body in ({"priority": "urgent"}, {"title": "x"}, []):
        problem(await api.patch("/jobs/2", json=body), 422, "invalid-body")
    problem(await api.patch("/jobs/9", json={"data": 1}), 404, "job-not-found")


async def test_secrets_that_were_hidden_stay_what_they_were(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    stored = {"to": "ann", "password": "geheim", "cards": [{"card": {"number": 4711}}], "note": "***"}
    await queue.enqueue("email", stored)
    shown = (await api.get("/jobs/1")).json()["data"]
    assert shown["password"] == "***"
    told = (await api.patch("/jobs/1", json={"data": {**shown, "to": "bob", "note": "***"}})).json()
    assert told["data"]["to"] == "bob"
    assert (await queue.get(1)).data == {**stored, "to": "bob"}
    (await api.patch("/jobs/1", json={"data": {**shown, "password": "new"}})).raise_for_status()
    assert (await queue.get(1)).data["password"] == "new"
    (act, *_) = (await api.get("/audit")).json()["acts"]
    assert act["after"]["data"]["password"] == "***"
    made = (await api.post("/jobs/1/clone", json={"data": {"password": "***"}})).json()
    assert (await queue.get(made["id"])).data == {"password": "new"}


async def test_a_failed_job_runs_again_with_other_data(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", {"fail": True})
    problem(await api.post("/jobs/1/retry", json={"data": {}}), 409, "wrong-state")
    await work_off(queue)
    told = (await api.post("/jobs/1/retry", json={"data": {"fail": False}})).json()
    assert (told["state"], told["data"]) == ("waiting", {"fail": False})
    await work_off(queue)
    assert (await queue.get(1)).state == "completed"


async def test_a_job_is_cloned(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", {"a": 1}, attempts=3)
    answer = await api.post("/jobs/1/clone")
    assert (answer.status_code, answer.json()) == (201, {"id": 2, "type": "email"})
    job = await queue.get(2)
    assert (job.data, job.attempts) == ({"a": 1}, 3)
    problem(await api.post("/jobs/9/clone"), 404, "job-not-found")


async def test_a_pause_ends_by_itself(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    assert (await api.post("/types/email/pause", json={"seconds": 0.3})).json() == {"changed": True}
    (row,) = (await api.get("/types")).json()["types"]
    lasts = datetime.fromisoformat(row["paused"]["until"]) - datetime.fromisoformat(row["paused"]["at"])
    assert lasts.total_seconds() == 0.3

    async def over() -> bool:
        return (await api.get("/types")).json()["types"][0]["paused"] is None

    await until(over, "the pause is over")
    for seconds in (0, -1, "x", 1e300):
        problem(await api.post("/pause", json={"seconds": seconds}), 422, "invalid-body")


async def test_a_worker_in_a_pause_goes_on_when_that_ends(queue: barq.Queue) -> None:
    job = await queue.enqueue("email")
    await queue.pause(seconds=0.5)
    async with working(queue):
        await job.wait(20)


async def test_workers_are_told_what_to_do(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    problem(await api.post("/workers/w1/drain"), 404, "worker-not-found")
    async with working(queue) as worker:
        await ready(queue)
        (told,) = (await api.get("/workers")).json()["workers"]
        assert told["memory_bytes"] > 1_000_000
        for verb, changed in (("drain", True), ("drain", False), ("resume", True), ("stop", True)):
            answer = await api.post(f"/workers/{worker.id}/{verb}")
            assert answer.json() == {"changed": changed}


async def test_acts_are_listed_page_by_page(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue_many("email", range(3))
    for job_id in (1, 2, 3):
        await api.post(f"/jobs/{job_id}/cancel")
    await api.delete("/jobs/1")
    await api.put("/job/2/state/inactive")  # as Kue's clients do
    first = (await api.get("/audit", params={"limit": 3})).json()
    assert [(act["act"], act["target"], act["by"]) for act in first["acts"]] == [
        ("retry", "job 2", "local"),
        ("remove", "job 1", "local"),
        ("cancel", "job 3", "local"),
    ]
    rest = (await api.get("/audit", params={"before": first["next"]})).json()
    assert [act["target"] for act in rest["acts"]] == ["job 2", "job 1"]
    assert rest["next"] is None


async def test_acts_are_written_down_under_the_name_of_the_visitor(queue: barq.Queue) -> None:
    await queue.enqueue("email")
    app = barq.http.app(queue, auth=lambda request: barq.http.Visitor("Änn\n\x00" + "x" * 5000))
    async with client(app) as api:
        (await api.post("/jobs/1/cancel")).raise_for_status()
        (act,) = (await api.get("/audit")).json()["acts"]
    assert act["by"].startswith("Änn  xxx")
    assert len(act["by"]) <= 512


async def test_who_only_looks_on_changes_nothing(queue: barq.Queue) -> None:
    await queue.enqueue("email")
    async with client(barq.http.app(queue, read_only=True)) as api:
        problem(await api.patch("/jobs/1", json={"priority": 1}), 403, "read-only")
        for path in ("/jobs/1/clone", "/workers/w1/stop"):
            problem(await api.post(path), 403, "read-only")


async def test_prometheus_reads_counters_histograms_and_the_backlog(api: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue_many("email", [{}] * 5)
    await queue.enqueue("email", {"fail": True})
    await work_off(queue)
    await queue.enqueue("email")
    families = list(text_string_to_metric_families((await api.get("/metrics")).text))
    found = {
        (sample.name, sample.labels.get("type"), sample.labels.get("le")): sample.value
        for family in families
        for sample in family.samples
    }
    assert found["barq_completed_total", "email", None] == 5
    assert found["barq_failed_total", "email", None] == 1
    assert found["barq_running_seconds_count", "email", None] == 6
    assert found["barq_running_seconds_bucket", "email", "+Inf"] == 6
    assert found["barq_waiting_seconds_count", "email", None] == 6
    assert found["barq_backlog_seconds", "email", None] > 0
    assert 0 <= found["barq_oldest_waiting_seconds", "email", None] < 600
    kinds = {family.name: family.type for family in families}
    assert (kinds["barq_completed"], kinds["barq_running_seconds"]) == ("counter", "histogram")
