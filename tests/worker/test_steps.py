"""Steps of handlers: they run once over all attempts, whatever happens to the workers."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import barq
from tests.support import until
from tests.worker.app import create_effects
from tests.worker.conftest import Start
from tests.worker.running import work_off, working


@pytest.mark.parametrize("kind", ["async", "plain step", "plain"])
async def test_a_step_runs_once_over_all_attempts(queue: barq.Queue, kind: str) -> None:
    keys: list[str] = []

    def charge(key: str) -> dict[str, int]:
        keys.append(key)
        return {"paid": 5}

    async def charge_async(key: str) -> dict[str, int]:
        return charge(key)

    def last(job: Any, paid: Any) -> Any:
        if job.attempt < 3:
            raise RuntimeError("not yet")
        return paid

    @queue.handler("async")
    async def run(job: barq.Job) -> Any:
        return last(job, await job.once("charge", charge_async))

    @queue.handler("plain step")
    async def run_plain_step(job: barq.Job) -> Any:
        return last(job, await job.once("charge", charge))

    @queue.handler("plain")
    def run_plainly(job: Any) -> Any:
        return last(job, job.once("charge", charge))

    job = await queue.enqueue(kind, attempts=3, backoff=barq.fixed(0))
    async with working(queue):
        assert await job.result(10) == {"paid": 5}
    created = (await job.refresh()).created_at
    assert created is not None
    assert keys == [f"{queue.name}:{job.id}:{round(created.timestamp() * 1000)}:charge"]


async def test_every_attempt_gets_what_was_kept_the_first_one_too(queue: barq.Queue) -> None:
    got: list[Any] = []

    @queue.handler("email")
    async def run(job: barq.Job) -> None:
        got.append(await job.once("pair", lambda key: (1, 2)))
        got.append(await job.once("nothing", lambda key: None))
        if job.attempt == 1:
            raise RuntimeError

    job = await queue.enqueue("email", attempts=2, backoff=barq.fixed(0))
    async with working(queue):
        assert await job.wait(10) == "complete"
    assert got == [[1, 2], None] * 2


async def test_a_step_that_raises_runs_again(queue: barq.Queue) -> None:
    runs = 0

    def charge(key: str) -> int:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RuntimeError("the bank is closed")
        return runs

    @queue.handler("email")
    async def run(job: barq.Job) -> int:
        return int(await job.once("charge", charge))

    job = await queue.enqueue("email", attempts=2, backoff=barq.fixed(0))
    async with working(queue):
        assert await job.result(10) == 2


async def test_who_has_lost_the_job_neither_begins_nor_keeps_a_step(queue: barq.Queue) -> None:
    said: list[str] = []
    over = asyncio.Event()

    async def cancelled_meanwhile(key: str) -> None:
        said.append("charged")
        await queue.cancel(1)

    @queue.handler("email")
    async def run(job: barq.Job) -> None:
        for name in ("first", "second"):
            with contextlib.suppress(asyncio.CancelledError):
                try:
                    await job.once(name, cancelled_meanwhile)
                except barq.LeaseLost:
                    said.append(f"{name} lost")
        over.set()

    await queue.enqueue("email")
    worker = barq.Worker(queue)
    working = asyncio.create_task(worker.run(signals=False))
    await asyncio.wait_for(over.wait(), 20)
    worker.stop()
    await working
    assert said == ["charged", "first lost", "second lost"]


async def test_mistakes_are_told(queue: barq.Queue) -> None:
    errors: list[Exception] = []

    @queue.handler("email")
    async def run(job: barq.Job) -> None:
        async def inside(key: str) -> None:
            await job.once("a", lambda key: 1)

        for name, function in (("", print), ("a\nb", print), ("a", inside), ("b", lambda key: object())):
            try:
                await job.once(name, function)
            except barq.BarqError as error:
                errors.append(error)

    made = await queue.enqueue("email")
    await work_off(queue)
    assert [type(error) for error in errors] == [
        barq.InvalidValue,
        barq.InvalidValue,
        barq.WrongState,
        barq.InvalidPayload,
    ]
    with pytest.raises(barq.WrongState, match="only the handler that runs job"):
        await made.once("a", print)


async def test_effects_happen_once_although_workers_are_killed_in_the_middle_of_them(
    queue: barq.Queue, start: Start, tmp_path: Path
) -> None:
    """Each effect and its key are one transaction in SQLite; workers die before, between and after."""
    path = tmp_path / "effects.db"
    create_effects(path)
    count = 150
    jobs = await queue.enqueue_many("charging", [str(path)] * count, attempts=3)
    workers = [start(concurrency=4, types=["charging"], poison=100) for _ in range(2)]
    for _ in range(4):
        before = (await queue.counts())["completed"]

        async def further(before=before) -> bool:  # type: ignore[no-untyped-def]
            return (await queue.counts())["completed"] > before + 15

        await until(further, "the load goes on")
        workers.pop(0).kill()
        workers.append(start(concurrency=4, types=["charging"], poison=100))

    async def all_done() -> bool:
        return (await queue.counts())["completed"] == count

    await until(all_done, "all are completed", seconds=40)
    runs = sum([(await job.refresh()).attempt for job in jobs])
    with contextlib.closing(sqlite3.connect(path)) as database:
        effects = [key for (key,) in database.execute("select key from effects")]
        ((begun,),) = database.execute("select count(*) from begun")
    assert len(effects) == len(set(effects)) == count, "none twice, none missing"
    assert runs > count, "some ran again"
    assert begun <= runs
