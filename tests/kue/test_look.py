"""Kue's API, reading: answers as Kue 0.11.6 gave them to the same questions."""

import re
from typing import Any

import httpx
import pytest

import barq
from barq.kue.words import parse_int
from tests.worker.running import work_off

NOW = r"1[0-9]{12}"


def ids(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200
    return [job["id"] for job in answer.json()]


async def test_stats_are_counts_of_kues_states(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    empty = '{"inactiveCount":0,"completeCount":0,"activeCount":0,"failedCount":0,"delayedCount":0,"workTime":null}'
    answer = await kue.get("/stats")
    assert (answer.text, answer.headers["content-type"]) == (empty, "application/json; charset=utf-8")
    for data in ({"to": "a"}, {"to": "b", "fail": True}):
        await queue.enqueue("email", data)
    await work_off(queue)
    await queue.enqueue("email", delay=60)
    await queue.enqueue("nobody")
    cancelled = await queue.enqueue("nobody")
    await queue.cancel(cancelled.id)
    assert (await kue.get("/stats")).json() == {
        "inactiveCount": 1,
        "completeCount": 1,
        "activeCount": 0,
        "failedCount": 2,
        "delayedCount": 1,
        "workTime": None,
    }


async def test_types_are_listed(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    assert (await kue.get("/job/types")).json() == []
    await queue.enqueue("push")
    await queue.enqueue("email", {"to": "a"})
    assert (await kue.get("/job/types")).json() == ["email", "push"]


async def test_a_complete_job_looks_as_in_kue(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", {"to": "a"}, priority="high", attempts=5)
    await work_off(queue)
    text = (await kue.get("/job/1")).text
    shape = (
        r'\{"id":"1","type":"email","data":\{"to":"a"\},"result":\{"sent":"a"\},"priority":-10,"progress":"100",'
        rf'"progress_data":\{{"step":1\}},"state":"complete","created_at":"{NOW}","promote_at":"{NOW}",'
        rf'"updated_at":"{NOW}","started_at":"{NOW}","duration":"[0-9]+","workerId":"[^"]+",'
        r'"attempts":\{"made":1,"remaining":4,"max":5\}\}'
    )
    assert re.fullmatch(shape, text), text


async def test_a_failed_job_looks_as_in_kue(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", {"to": "a", "fail": True})
    await work_off(queue)
    job = (await kue.get("/job/1")).json()
    assert (job["state"], job["progress"], job["attempts"]) == ("failed", "50", {"made": 1, "remaining": 0, "max": 1})
    assert job["error"].startswith("ValueError: no such address\nTraceback")
    assert re.fullmatch(NOW, job["failed_at"])
    assert job["updated_at"] == job["failed_at"]
    assert "duration" not in job
    assert "result" not in job


async def test_a_delayed_job_looks_as_in_kue(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", {"to": "b"}, delay=86.4, timeout=5, attempts=5, backoff=barq.exponential(0.5))
    job = (await kue.get("/job/1")).json()
    assert (job["state"], job["delay"], job["ttl"], job["progress"]) == ("delayed", "86400", "5000", 0)
    assert int(job["promote_at"]) - int(job["created_at"]) == 86_400
    assert job["attempts"] == {"made": 0, "remaining": 5, "max": 5}


async def test_a_job_that_is_to_be_tried_again_has_its_error(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", {"to": "b", "fail": True}, attempts=3, backoff=barq.fixed(60))
    await work_off(queue)
    job = (await kue.get("/job/1")).json()
    assert (job["state"], job["delay"], job["attempts"]) == ("delayed", "60000", {"made": 1, "remaining": 2, "max": 3})
    assert job["error"].startswith("ValueError: no such address")


async def test_a_cancelled_job_is_a_failed_one(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    await queue.cancel(1)
    job = (await kue.get("/job/1")).json()
    assert (job["state"], job["error"]) == ("failed", "cancelled")
    assert ids(await kue.get("/jobs/failed/0..5")) == [1]


@pytest.mark.parametrize("id", ["9", "99", "abc", "007", "1e3", "-1", "0", "9" * 400])
async def test_a_job_that_is_not_there_is_said_as_in_kue(kue: httpx.AsyncClient, id: str) -> None:
    for method, path in (("GET", f"/job/{id}"), ("DELETE", f"/job/{id}"), ("PUT", f"/job/{id}/state/inactive")):
        answer = await kue.request(method, path)
        assert (answer.status_code, answer.json()) == (200, {"error": f'job "{id}" doesnt exist'})


async def test_the_log_is_a_list_of_lines(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", {"to": "a"})
    await work_off(queue)
    assert (await kue.get("/job/1/log")).json() == ["sending to a"]
    assert (await kue.get("/job/99/log")).json() == []
    assert (await kue.get("/job/abc/log")).json() == []


# ---- ranges


async def test_ranges_are_taken_by_priority_and_told_by_id(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    for n, priority in enumerate([0, -5, 10, -10, 0]):
        await queue.enqueue("email" if n % 2 else "push", n, priority=priority)
    assert ids(await kue.get("/jobs/0..1")) == [2, 4]
    assert ids(await kue.get("/jobs/2..3")) == [1, 5]
    assert ids(await kue.get("/jobs/0..2/desc")) == [4, 2, 1]
    assert ids(await kue.get("/jobs/0..-1")) == [1, 2, 3, 4, 5]
    assert ids(await kue.get("/jobs/-2..-1/asc")) == [3, 5]
    assert ids(await kue.get("/jobs/3..99")) == [3, 5]
    assert ids(await kue.get("/jobs/-99..0")) == [4]
    for nothing in ("5..9", "3..2", "-9..-8"):
        assert ids(await kue.get(f"/jobs/{nothing}")) == []
    assert ids(await kue.get("/jobs/0..1/whatever")) == [2, 4]


async def test_ranges_can_be_of_a_state_or_a_type(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue_many("email", [{"to": "a"}, {"to": "b", "fail": True}])
    await work_off(queue)
    await queue.enqueue_many("email", range(3), delay=60)
    await queue.enqueue_many("a/b", range(2))
    assert ids(await kue.get("/jobs/complete/0..9")) == [1]
    assert ids(await kue.get("/jobs/failed/0..9/desc")) == [2]
    assert ids(await kue.get("/jobs/delayed/1..1")) == [4]
    assert ids(await kue.get("/jobs/inactive/0..9/desc")) == [7, 6]
    assert ids(await kue.get("/jobs/bogus/0..9")) == []
    assert ids(await kue.get("/jobs/email/delayed/0..9")) == [3, 4, 5]
    assert ids(await kue.get("/jobs/a%2Fb/inactive/0..9/asc")) == [6, 7]
    assert ids(await kue.get("/jobs/nobody/inactive/0..9")) == []
    assert (await kue.get("/jobs/email/delayed/stats")).json() == {"count": 3}
    assert (await kue.get("/jobs/email/bogus/stats")).json() == {"count": 0}
    assert (await kue.get("/jobs/nobody/active/stats")).json() == {"count": 0}


async def test_ids_are_text_by_id_and_numbers_in_lists(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email")
    assert (await kue.get("/job/1")).json()["id"] == "1"
    assert ids(await kue.get("/jobs/0..0")) == [1]


@pytest.mark.parametrize("range", ["a..b", "..2", "0..", "x..1"])
async def test_a_range_that_is_none_is_said_as_in_kue(kue: httpx.AsyncClient, range: str) -> None:
    answer = await kue.get(f"/jobs/inactive/{range}")
    if answer.status_code == 200:
        assert answer.json() == {"error": "ERR value is not an integer or out of range"}
    else:
        assert answer.status_code == 404


async def test_long_lists_are_read_part_by_part(
    kue: httpx.AsyncClient, queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.kue.ranges.MOST", 20)
    monkeypatch.setattr("barq.kue.ranges._PER_CALL", 7)
    await queue.enqueue_many("email", range(30))
    await queue.enqueue_many("push", range(30))
    cancelled = [await queue.enqueue("push", n, delay=60) for n in range(30)]
    await queue.cancel(*(job.id for job in cancelled[:15]))
    every = [id for at in range(0, 90, 9) for id in ids(await kue.get(f"/jobs/{at}..{at + 8}"))]
    assert sorted(every) == list(range(1, 91))
    assert ids(await kue.get("/jobs/inactive/25..44")) == list(range(26, 46))
    assert ids(await kue.get("/jobs/push/inactive/28..99")) == [59, 60]
    answer = await kue.get("/jobs/0..-1")
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "a range gives at most 20 jobs, got 90: ask for 0..19",
    )


# ---- search


async def test_a_search_gives_ids_as_text(kue: httpx.AsyncClient, queue: barq.Queue) -> None:
    await queue.enqueue("email", {"title": "Welcome email for tj", "to": "tj@learnboost.com"})
    await queue.enqueue("push", {"title": "welcome"})
    assert (await kue.get("/job/search", params={"q": "welcome email"})).json() == ["1"]
    assert sorted((await kue.get("/job/search", params={"q": "WELCOME"})).json()) == ["1", "2"]
    assert (await kue.get("/job/search", params={"q": "nothing"})).json() == []
    assert (await kue.get("/job/search", params={"q": ""})).json() == []
    assert (await kue.get("/job/search")).json() == []


def test_numbers_are_read_as_in_javascript() -> None:
    told = {"5": 5, " 7x": 7, "-3": -3, "7.9": 7, "x": None, "": None, "٣": None, 2.7: 2, True: None}
    assert {given: parse_int(given) for given in told} == told
