"""What a release wrote, kept as it stood in the server: every later one reads it, and goes on with it.

A file of tests/wire/golden is one release's. None of them is ever changed: when what is written changes, the newest test
below says so; then decide whether releases before can read it (docs/deploys.md), and write a file of this release.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import barq
from barq.protocol import calls
from barq.record import member
from tests.support import ROOT, Server
from tests.wire.golden.story import START_MS, engine_of, restore, tell
from tests.worker.running import working

FILES = sorted((ROOT / "tests" / "wire" / "golden").glob("*.json"), key=lambda file: int(file.stem))
NOW_MS = START_MS + 32_010
"""The end of the story."""


def golden(file: Path) -> Any:
    return msgspec.json.decode(file.read_bytes())


def alike(value: Any) -> Any:
    """JSON that a script wrote has its fields in any order."""
    match value:
        case str() if value.startswith("{"):
            try:
                return json.loads(value)
            except ValueError:
                return value
        case dict():
            return {key: alike(one) for key, one in value.items()}
        case list():
            return [alike(one) for one in value]
        case _:
            return value


async def test_what_is_written_today_is_what_the_newest_golden_file_says(server: Server, name: str) -> None:
    told, kept = await tell(server.url, name), golden(FILES[-1])["keys"]
    decide = f"what is written is not what {FILES[-1].name} says: can the release before read it? See {__file__}"
    assert told.keys() == kept.keys(), decide
    for key in kept:
        assert alike(told[key]) == alike(kept[key]), f"{key}: {decide}"


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
async def written(request: pytest.FixtureRequest, server: Server, name: str) -> Any:
    """A queue as a release left it, and its commands."""
    told = golden(request.param)
    async with barq.Queue(name, url=server.url, clock=barq.ManualClock(NOW_MS)) as queue:
        engine = engine_of(server.url, queue)
        await restore(engine, told["keys"], told["kinds"])
        yield queue, engine
        await engine.store.close()


async def test_jobs_are_read_with_all_that_is_known_of_them(written: Any) -> None:
    queue, _ = written
    jobs = {job.id: job for job in await queue.jobs(limit=100)}
    assert {id: str(job.state) for id, job in jobs.items()} == {
        1: "completed", 2: "delayed", 3: "failed", 4: "blocked", 5: "active", 6: "cancelled", 7: "delayed", 8: "waiting",
        9: "waiting",
    }  # fmt: skip
    assert (jobs[1].data, jobs[1].returned, jobs[1].progressed) == (
        {"to": "ann@example.org"},
        {"sent": True},
        barq.Progress(50, {"half": True}),
    )
    assert [text for _, text in await jobs[1].logs()] == ["a line"]
    asked = jobs[2].options
    assert (asked.attempts, asked.backoff, asked.timeout_ms) == (5, barq.exponential(2.0), 30_000)
    assert (jobs[2].priority, jobs[2].title, jobs[2].attempt, jobs[2].failures) == (-10, "Mailbox full", 2, 2)
    assert [text for _, text in await jobs[2].logs()] == ["ü"]
    for id in (3, 4):
        error = jobs[id].error
        assert (error.type, error.message, error.place) == ("ValueError", "no such address", "mail.py:7")
        assert error.traceback.endswith("\nValueError")
    assert jobs[4].data == [1, 2.5, None, "ü"]
    assert (jobs[5].attempt, jobs[5].worker, jobs[5].run.rescues) == (2, "worker-2", 1)
    assert jobs[6].priority == -3
    assert jobs[7].options.remove_on_complete
    assert (jobs[7].due_at.timestamp() * 1000, jobs[2].due_at.timestamp() * 1000) == (
        START_MS + 60_000,
        START_MS + 1_010 + 3_600_000,
    )
    assert (jobs[8].data, jobs[8].priority) == ({"to": "eve"}, 5)
    assert (jobs[9].data, jobs[9].type) == (None, "re:port {x} 🙂")
    attempts = await queue.attempts(2)
    assert [one.error.type for one in attempts if one.error] == ["ValueError"] * 2


async def test_what_is_known_of_the_queue_is_read(written: Any) -> None:
    queue, _ = written
    counts = await queue.counts()
    assert {state: count for state, count in counts.items() if count} == {
        "waiting": 2, "delayed": 2, "active": 1, "completed": 1, "failed": 1, "cancelled": 1, "blocked": 1,
    }  # fmt: skip
    events = [event async for event in queue.events("0", wait=False)]
    assert [event.name for event in events].count("enqueue") == 9
    assert {event.name for event in events} >= {
        "enqueue", "start", "complete", "failed attempt", "failed", "park", "cancel", "requeue", "progress", "log", "edit",
    }  # fmt: skip
    assert next(event.data.message for event in events if event.name == "failed") == "no such address"
    assert next(event.data for event in events if event.name == "log") == "a line"
    assert [job.id for job in await queue.find('"mailbox full" customer:42')] == [2]
    assert sorted(job.id for job in await queue.find("error:ValueError")) == [2, 3, 4]
    acts = (await queue.audit()).acts
    assert {(act.act, act.by) for act in acts} >= {("edit", "ada@host"), ("pause", "ada@host"), ("drain", "ada@host")}
    (worker,) = await queue.workers()
    assert (worker.id, worker.concurrency, worker.limits) == ("worker-2", 10, {"email": 5})
    paused = (await queue.types())["re:port {x} 🙂"].paused
    assert paused is not None
    assert (paused["by"], paused["reason"]) == ("ada@host", "deploy")
    assert (await queue.totals())["email"].counts == [1, 1, 2]
    assert (await queue.stats())["email"].running is not None
    (group,) = (await queue.failures()).groups
    assert (group.error, group.place, group.count) == ("ValueError", "mail.py:7", 1)
    assert (await queue.explain(9)).reasons


async def test_whoever_held_a_job_then_goes_on_with_it(written: Any) -> None:
    queue, engine = written
    token = b"2 nonce3 worker-2 1700000032010 0 1"
    assert (await queue.enqueue("email", token="a token")).id == 6
    holding = (b"email", member(5), token)
    stale = (b"email", member(5), b"1 nonce1 worker-1 1700000001000 0 0")
    assert await engine.send(calls.extend(queue.space, [holding, stale], now_ms=engine.now, lease_ms=5000)) == [
        member(5)
    ]
    assert await engine.settle((*stale, b"complete", b"", b"1")) == [5]
    assert await engine.settle((*holding, b"complete", b"", b"1")) == []
    assert (await queue.get(5)).returned == 1
    assert await engine.beat("worker-2") == "drain"


async def test_all_that_is_there_is_run_by_a_worker_of_this_release(written: Any) -> None:
    queue, engine = written
    kept: dict[int, str] = {}

    @queue.handler("email")
    async def send(job: barq.Job) -> str:
        kept[job.id] = await job.once("charge", lambda key: "paid anew")
        return "sent"

    @queue.handler("re:port {x} 🙂")
    async def report(job: barq.Job) -> str:
        return "told"

    await queue.resume("re:port {x} 🙂")
    await queue.retry(1, 3, 4, 6)
    await queue.promote(2, 7)
    engine.clock.advance(60)  # the lease of 5 runs out as well
    async with working(queue):
        done = [await (await queue.get(id)).result(20) for id in (1, 2, 3, 4, 5, 6, 8, 9)]
    assert done == ["sent"] * 7 + ["told"]
    assert kept[2] == "receipt 8"
    assert kept[3] == "paid anew"
    assert 7 in kept  # forgotten as it completed, which is what was asked
    assert {state: count for state, count in (await queue.counts()).items() if count} == {"completed": 8}
    assert (await queue.get(2)).attempt == 3


async def test_the_number_of_partitions_is_read(server: Server, name: str) -> None:
    async with barq.Queue(name, url=server.url, clock=barq.ManualClock(NOW_MS)) as queue:
        engine = engine_of(server.url, queue)
        await restore(engine, {"partitions": "4"}, {"partitions": "string"})
        await engine.store.close()
        with pytest.raises(barq.WrongPartitions, match="has 4 partitions"):
            await queue.counts()
