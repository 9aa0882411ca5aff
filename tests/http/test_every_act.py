"""Every way to change something over HTTP, Kue's as well: refused to whom it must be, and written down with before and after."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

import barq
import barq.http
from barq.protocol import calls
from tests.http.serving import client, problem
from tests.worker.running import work_off


@dataclass
class Act:
    """A request, and what is written down of it."""

    method: str
    path: str
    act: str | None
    before: Any = None
    after: Any = None
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


STORED = {"type": "email", "data": {}}
EVERY = [
    Act("POST", "/jobs/{failed}/retry", "retry", "failed", "waiting"),
    Act("POST", "/jobs/{failed}/clone", "clone"),
    Act("POST", "/jobs/{waiting}/cancel", "cancel", "waiting", "cancelled"),
    Act("POST", "/jobs/{delayed}/promote", "promote", "delayed", "waiting"),
    Act("DELETE", "/jobs/{failed}", "remove", "failed"),
    Act("PATCH", "/jobs/{waiting}", "edit", {"priority": 0}, {"priority": 5}, {"priority": 5}),
    Act("POST", "/jobs/retry", "retry", "failed", "waiting", {"where": "state:failed"}),
    Act("POST", "/jobs/cancel", "cancel", "waiting", "cancelled", {"where": "state:waiting"}),
    Act("POST", "/jobs/promote", "promote", "delayed", "waiting", {"where": "state:delayed"}),
    Act("POST", "/jobs/remove", "remove", "failed", None, {"where": "state:failed"}),
    Act("POST", "/pause", "pause", None, {"by": "ann", "reason": "r"}, {"reason": "r"}),
    Act("POST", "/types/{type}/pause", "pause", None, {"by": "ann", "reason": "r"}, {"reason": "r"}),
    Act("POST", "/resume", "resume", {"by": "bob"}),
    Act("POST", "/types/{type}/resume", "resume", {"by": "bob"}),
    Act("POST", "/workers/{worker}/drain", "drain", "work", "drain"),
    Act("POST", "/workers/{worker}/stop", "stop", "work", "stop"),
    Act("POST", "/workers/{worker}/resume", "work", "drain", "work"),
    Act("POST", "/jobs", None, body=STORED),  # what is stored is no act
    # Kue's
    Act("POST", "/job", None, body=STORED),
    Act("DELETE", "/job/{failed}", "remove", "failed"),
    Act("PUT", "/job/{failed}/state/inactive", "retry", "failed", "waiting"),
    Act("PUT", "/job/{waiting}/priority/5", "edit", {"priority": 0}, {"priority": 5}),
]


async def test_no_way_is_left_out(queue: barq.Queue) -> None:
    async with client(barq.http.app(queue)) as api:
        paths = (await api.get("/openapi.json")).json()["paths"]
    documented = {(method.upper(), path) for path, ways in paths.items() for method in ways if method != "get"}
    tried = {(one.method, one.path.replace("{failed}", "{id}").replace("{waiting}", "{id}")) for one in EVERY}
    tried = {(method, path.replace("{delayed}", "{id}").replace("{worker}", "{id}")) for method, path in tried}
    kues = {(method, path) for method, path in tried if path.startswith("/job") and not path.startswith("/jobs")}
    assert tried - kues == documented
    assert len(kues) == 4


async def with_one_of_each(queue: barq.Queue, one: Act) -> dict[str, str]:
    """A job that has failed, one that waits and one that is delayed; a worker; and what has to be before the act."""

    @queue.handler("email")
    async def send(job: barq.Job[Any]) -> None:
        raise ValueError("no way")

    failed = await queue.enqueue("email")
    await work_off(queue)
    waiting, delayed = await queue.enqueue("email"), await queue.enqueue("email", delay=60)
    await queue._here().store.send(calls.beat(queue.space, "w1", b"{}", now_ms=0, lives_ms=60_000))
    if one.path == "/resume":
        await queue.pause(by="bob")
    if one.path == "/types/{type}/resume":
        await queue.pause("email", by="bob")
    if one.path == "/workers/{worker}/resume":
        await queue.drain_worker("w1", by="bob")
    ids = {"failed": failed.id, "waiting": waiting.id, "delayed": delayed.id}
    return {**{state: str(id) for state, id in ids.items()}, "type": "email", "worker": "w1"}


@pytest.mark.parametrize("one", EVERY, ids=str)
async def test_who_may_not_act_is_refused_and_an_act_is_written_down(queue: barq.Queue, one: Act) -> None:
    named = await with_one_of_each(queue, one)
    path, before = one.path.format(**named), await queue.counts()
    written = (await queue.audit()).acts
    auth = lambda request: barq.http.Visitor("ann")  # noqa: E731

    async def asked(app: Any, **headers: str) -> httpx.Response:
        async with client(app) as api:
            return await api.request(one.method, path, json=one.body, headers=headers)

    problem(await asked(barq.http.app(queue, auth=auth, read_only=True)), 403, "read-only")
    problem(await asked(barq.http.app(queue), host="evil.example"), 403, "host-refused")
    problem(await asked(barq.http.app(queue), origin="http://evil.example"), 403, "origin-refused")
    problem(await asked(barq.http.app(queue, token="x" * 40)), 401, "unauthorized")
    assert (await queue.counts(), (await queue.audit()).acts) == (before, written)

    answer = await asked(barq.http.app(queue, auth=auth))
    assert answer.is_success, answer.text
    new = [act for act in (await queue.audit()).acts if act not in written]
    if one.act is None:
        assert new == []
        return
    (told,) = new
    assert (told.by, told.act) == ("ann", one.act)
    if one.act != "clone":
        assert (holding(told.before, one.before), holding(told.after, one.after)) == (one.before, one.after)


def holding(told: Any, part: Any) -> Any:
    """Of what was told the fields that are looked for; times are left out."""
    return (
        {key: told[key] for key in part if key in told} if isinstance(told, dict) and isinstance(part, dict) else told
    )
