"""Secrets in payloads: what stands under a declared field is shown nowhere."""

from typing import Any

import httpx
import pytest

import barq
from barq.http.mask import HIDDEN, Mask
from tests.http.serving import listening, serving
from tests.worker.running import work_off

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": SECRET, "user": "ann"}, {"password": HIDDEN, "user": "ann"}),
        ({"a": [{"b": {"PassWord": {"deep": SECRET}}}]}, {"a": [{"b": {"PassWord": HIDDEN}}]}),
        (
            {"card": {"number": 1, "type": "visa"}, "number": 5},
            {"card": {"number": HIDDEN, "type": "visa"}, "number": 5},
        ),
        ({"x": {"card": [{"number": SECRET}]}}, {"x": {"card": [{"number": HIDDEN}]}}),
        ({"passwords": "x"}, {"passwords": "x"}),
        ([SECRET, 1, None, True, 1.5], [SECRET, 1, None, True, 1.5]),
        ("password", "password"),
    ],
)
def test_fields_are_hidden_by_name_at_any_depth(value: Any, shown: Any) -> None:
    assert Mask(["password", "card.number"]).applied(value) == shown


def test_what_is_nested_too_deep_is_hidden_as_a_whole() -> None:
    value: Any = SECRET
    for _ in range(2_000):
        value = {"a": value}
    text = str(Mask(["password"]).applied(value))
    assert SECRET not in text
    assert HIDDEN in text


async def test_secrets_are_shown_nowhere(app: Any, queue: barq.Queue) -> None:
    @queue.handler("login")
    async def login(job: barq.Job) -> dict[str, str]:
        await job.progress(1, 2, {"password": SECRET})
        return {"password": SECRET, "user": "ann"}

    job = await queue.enqueue("login", {"user": "ann", "password": SECRET})
    await work_off(queue)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as api:
        for path in ("/jobs/1", "/jobs", "/jobs?q=data:ann", "/job/1", "/jobs/0..5", "/jobs/login/complete/0..5"):
            answer = await api.get(path)
            assert '"ann"' in answer.text
            assert HIDDEN in answer.text
            assert SECRET not in answer.text
        for query in (SECRET, f"data:{SECRET}"):
            assert (await api.get("/jobs", params={"q": query})).json()["jobs"] == []
        removal = await api.post("/jobs/remove", json={"where": f"data:{SECRET}"})
        assert removal.json()["matched"] == 0
        assert (await api.get("/job/search", params={"q": SECRET})).json() == []
        async with listening(f"{url}/events?after=0") as events:
            told = await events.take(4)
            assert SECRET not in str(told)
            assert told[2]["data"]["data"] == {"percent": 50, "data": {"password": HIDDEN}}
        async with listening(f"{url}/jobs/{job.id}/events") as events:
            (ending,) = await events.rest()
            assert ending["data"]["data"] == {"password": HIDDEN, "user": "ann"}
    assert (await queue.get(1)).data["password"] == SECRET
