"""Budgets in bytes under a running load, on a server that is filled."""

from typing import Any

import pytest

import barq
from tests.support import Server, until
from tests.worker.running import work_off, working

KB = 1000


async def usage(queue: barq.Queue, *names: str) -> int:
    link = await queue._here().store._connected(None)
    keys = [f"barq:{{{queue.name}}}:{name}".encode() for name in names]
    sizes = [await link.call(b"MEMORY", b"USAGE", key, b"SAMPLES", b"0") for key in keys]
    return sum(int(size or 0) for size in sizes)


async def test_workers_keep_what_has_ended_within_its_bytes(
    own_server: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.worker.upkeep.BEAT_SECONDS", 0.2)
    monkeypatch.setattr("barq.Worker._beat_seconds", 0.2)
    monkeypatch.setattr("barq.worker.upkeep._MEASURED_AFTER", 1)
    budget = 2000 * KB
    options: dict[str, Any] = {"keep_completed": barq.Retention(bytes=budget)}
    options["keep_events"] = barq.Retention(count=10**6, bytes=300 * KB)
    async with barq.Queue(name, url=own_server.url, **options) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> str:
            return "r" * KB

        async with working(queue):
            for _ in range(10):
                await queue.enqueue_many("email", ["p" * KB] * 500)

            async def fits() -> bool:
                counts = await queue.counts()
                done = not counts["waiting"] + counts["active"]
                return done and await usage(queue, "job", "end", "email:completed") < 1.1 * budget

            await until(fits, "what has completed fits")
            left = await queue.jobs("completed", limit=1000)
            assert 500 < len(left) < 1000
            assert min(job.id for job in left) > 3000  # the oldest went

            async def cut() -> bool:
                return await usage(queue, "events") <= 300 * KB

            await until(cut, "the events fit")


async def test_prune_keeps_the_budgets_at_once(queue: barq.Queue) -> None:
    @queue.handler("email")
    async def send(job: barq.Job) -> None: ...

    await queue.enqueue_many("email", range(600))
    await work_off(queue)
    async with barq.Queue(queue.name, url=queue.target.shown, keep_completed=barq.Retention(bytes=0)) as small:
        assert await small.prune() == 600
    assert (await queue.counts())["completed"] == 0


@pytest.mark.parametrize("option", ["keep_events", "keep_logs"])
@pytest.mark.parametrize("value", [barq.Retention(bytes=5), barq.Retention(age=1, count=5), 0, "5", None])
def test_a_wrong_amount_is_refused(option: str, value: Any) -> None:
    with pytest.raises(barq.BarqError, match=f"{option} must be"):
        barq.Queue(**{option: value})


@pytest.mark.parametrize("value", [-1, 1.5, "1"])
def test_wrong_bytes_are_refused(value: Any) -> None:
    with pytest.raises(barq.BarqError, match="bytes of a retention must be"):
        barq.Retention(bytes=value)
