"""Enqueue by the public API: options, many at a time, repeats."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

import barq
from barq.store.store import Store
from tests.support import Server


async def calls_of(queue: barq.Queue, command: str) -> int:
    """How often the server has run a command."""
    store = queue._here().store
    link = await store._connected(None)
    text = (await link.call(b"INFO", b"commandstats")).decode()
    stats = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(stats.get(f"cmdstat_{command}", "calls=0,").split("calls=")[1].split(",")[0])


async def test_a_stored_job_reads_back_as_it_was_enqueued(queue: barq.Queue) -> None:
    made = await queue.enqueue(
        "email",
        {"to": "a@b.c"},
        priority="high",
        attempts=3,
        backoff=barq.fixed(2),
        timeout=30,
        title="Welcome",
        remove_on_complete=True,
    )
    read = await queue.get(made.id)
    for job in (made, read):
        assert (job.type, job.data, job.priority, job.title, job.attempts) == (
            "email",
            {"to": "a@b.c"},
            -10,
            "Welcome",
            3,
        )
        assert job.options.backoff == barq.fixed(2)
        assert job.options.timeout_ms == 30_000
        assert job.options.remove_on_complete
        assert job.state == barq.State.WAITING
    assert read.created_at is not None
    assert abs(read.created_at - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("priority", "number"),
    [
        ("low", 10),
        ("normal", 0),
        ("medium", -5),
        ("high", -10),
        ("critical", -15),
        (7, 7),
        (-(2**53) + 1, -(2**53) + 1),
    ],
)
async def test_priorities_are_names_or_numbers(queue: barq.Queue, priority: Any, number: int) -> None:
    job = await queue.enqueue("email", priority=priority)
    assert (await queue.get(job.id)).priority == number


async def test_jobs_stand_by_priority_and_then_in_the_order_of_their_enqueue(queue: barq.Queue) -> None:
    priorities = ["low", "normal", "critical", "normal", 3, "critical"]
    ids = [(await queue.enqueue("email", priority=priority)).id for priority in priorities]  # type: ignore[arg-type]
    assert [job.id for job in await queue.jobs("waiting")] == [ids[2], ids[5], ids[1], ids[3], ids[4], ids[0]]


@pytest.mark.parametrize("delay", [60, 60.0, timedelta(minutes=1)])
async def test_a_delay_counts_from_the_servers_now(
    moved_queue: barq.Queue, clock: barq.ManualClock, delay: Any
) -> None:
    job = await moved_queue.enqueue("email", delay=delay)
    assert job.state == barq.State.DELAYED
    read = await moved_queue.get(job.id)
    assert read.due_at is not None
    assert read.due_at.timestamp() * 1000 == clock.wall_ms() + 60_000


async def test_a_delay_may_be_a_time_of_any_zone(moved_queue: barq.Queue, clock: barq.ManualClock) -> None:
    at = datetime.fromtimestamp(clock.wall_ms() / 1000 + 90, UTC).astimezone()
    read = await (await moved_queue.enqueue("email", delay=at)).refresh()
    assert read.due_at == at


@pytest.mark.parametrize(
    ("on_the_wall", "utc"),
    [
        (datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2028, 2, 29, 11, tzinfo=UTC)),  # a leap day
        (datetime(2027, 3, 28, 2, 30, tzinfo=UTC), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),  # an hour that is not
        (datetime(2027, 10, 31, 2, 30, tzinfo=UTC), datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),  # one that is twice
        (datetime(2027, 10, 31, 2, 30, fold=1, tzinfo=UTC), datetime(2027, 10, 31, 1, 30, tzinfo=UTC)),
    ],
)
async def test_a_delay_may_be_a_time_at_which_clocks_change(
    moved_queue: barq.Queue, on_the_wall: datetime, utc: datetime
) -> None:
    """A datetime is one moment, as Python takes it; the server knows no zones."""
    try:
        berlin = ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        pytest.skip("this system has no time zones")
    read = await (await moved_queue.enqueue("email", delay=on_the_wall.replace(tzinfo=berlin))).refresh()
    assert read.due_at == utc


@pytest.mark.parametrize("delay", [None, 0, timedelta(0), datetime(1990, 1, 1, tzinfo=UTC)])
async def test_what_is_due_already_waits(queue: barq.Queue, delay: Any) -> None:
    job = await queue.enqueue("email", delay=delay)
    assert (await queue.get(job.id)).state == barq.State.WAITING


async def test_many_jobs_are_stored_in_order_with_the_same_options(queue: barq.Queue) -> None:
    jobs = await queue.enqueue_many("email", ({"n": n} for n in range(1200)), priority="low")
    assert [job.id for job in jobs] == list(range(1, 1201))
    assert (await queue.counts("email"))["waiting"] == 1200
    assert (await queue.get(777)).data == {"n": 776}
    assert (await queue.get(777)).priority == 10


async def test_what_was_asked_before_lets_nothing_pass_that_only_equals_it(queue: barq.Queue) -> None:
    options: list[dict[str, Any]] = [{"attempts": 1}, {"priority": 0}, {"index": ["to"]}, {"index": ("to",)}, {}]
    for asked in options * 2:
        job = await queue.get((await queue.enqueue("email", {"to": "ann"}, **asked)).id)
        assert (job.options.attempts, job.priority, len(job.options.index)) == (1, 0, len(asked.get("index", ())))
    for wrong in ({"attempts": True}, {"priority": False}, {"attempts": 1.0}, {"attempt": 1}):
        with pytest.raises((barq.InvalidType, barq.InvalidValue)):
            await queue.enqueue("email", **wrong)  # type: ignore[arg-type]
    for type in (("email",), 5, ["email"], None):
        with pytest.raises(barq.InvalidType):
            await queue.enqueue(type)  # type: ignore[arg-type]


async def test_what_is_kept_of_options_stays_small(queue: barq.Queue) -> None:
    for number in range(50):
        await queue.enqueue("email", title=f"to {number}", token=f"{number}", delay=number)
    assert len(queue._known_terms) == 0


async def test_no_job_of_many_is_stored_when_one_is_refused(queue: barq.Queue) -> None:
    with pytest.raises(barq.InvalidPayload, match="finite"):
        await queue.enqueue_many("email", [1, 2, float("nan")])
    assert await queue.types() == {}


async def test_none_of_many_is_no_job(queue: barq.Queue) -> None:
    assert await queue.enqueue_many("email", []) == []


async def test_a_job_that_was_made_is_stored_once_by_save(queue: barq.Queue) -> None:
    job = queue.create("email", {"to": "a@b.c"}, priority="high")
    assert job.id == 0
    with pytest.raises(barq.WrongState, match="not saved"):
        await job.result(1)
    for act in (job.refresh, job.cancel, job.retry, job.promote, job.remove, job.logs):
        with pytest.raises(barq.WrongState, match="not saved"):
            await act()
    assert await job.save() is job
    assert (await queue.get(job.id)).data == {"to": "a@b.c"}
    with pytest.raises(barq.WrongState, match="saved already"):
        await job.save()


async def test_a_token_names_one_job(queue: barq.Queue) -> None:
    first = await queue.enqueue("email", 1, token="order 7")
    second = await queue.enqueue("email", 2, token="order 7")
    together = await asyncio.gather(*(queue.enqueue("email", n, token="order 8") for n in range(20)))
    assert second.id == first.id
    assert {job.id for job in together} == {2}
    assert (await queue.counts())["waiting"] == 2


async def test_jobs_of_many_coroutines_share_calls(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:
        await queue.enqueue("email")
        before = await calls_of(queue, "evalsha")
        jobs = await asyncio.gather(*(queue.enqueue("email", {"n": n}) for n in range(200)))
        assert await calls_of(queue, "evalsha") - before <= 6
        assert [job.id for job in jobs] == list(range(2, 202))


async def test_a_lone_job_is_one_call(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:
        await queue.enqueue("email")
        before = await calls_of(queue, "evalsha")
        await queue.enqueue("email")
        assert await calls_of(queue, "evalsha") - before == 1


async def test_a_cancelled_enqueue_harms_no_other(queue: barq.Queue) -> None:
    enqueues = [asyncio.create_task(queue.enqueue("email", n)) for n in range(100)]
    await asyncio.sleep(0)
    for task in enqueues[::2]:
        task.cancel()
    ended = await asyncio.gather(*enqueues, return_exceptions=True)
    stored = [job for job in ended[1::2] if isinstance(job, barq.Job)]
    assert len(stored) == 50
    assert [(await queue.get(job.id)).data for job in stored] == list(range(1, 100, 2))


async def test_an_enqueue_that_is_sent_again_stores_once(queue: barq.Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after lost answers: each call runs twice on the server, the second time as a repeat."""
    run = Store._run

    async def twice(self: Store, link: Any, call: Any, *terms: Any) -> Any:
        await run(self, link, call, *terms)
        return await run(self, link, call.again(), *terms)

    monkeypatch.setattr(Store, "_run", twice)
    jobs = await asyncio.gather(*(queue.enqueue("email", n) for n in range(300)))
    more = await queue.enqueue_many("email", range(300, 600))
    assert sorted(job.id for job in [*jobs, *more]) == list(range(1, 601))
    assert (await queue.counts("email"))["waiting"] == 600
    assert [(await queue.get(job.id)).data for job in [*jobs[:3], *more[-3:]]] == [0, 1, 2, 597, 598, 599]


async def test_a_queue_can_be_used_again_after_its_block(server: Server, name: str) -> None:
    async with barq.Queue(name, url=server.url) as queue:
        await queue.enqueue("email")
    assert (await queue.enqueue("email")).id == 2
    await queue.close()
    await queue.close()
