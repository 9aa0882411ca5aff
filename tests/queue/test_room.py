"""Full queues by the public API: QueueFull at once, or a wait until there is room."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import barq
import barq.sync
from tests.support import Server, until

Make = Callable[..., barq.Queue]


@pytest.fixture
async def make(server: Server, name: str) -> AsyncIterator[Make]:
    made: list[barq.Queue] = []

    def queue(**options: object) -> barq.Queue:
        made.append(barq.Queue(name, url=server.url, **options))  # type: ignore[arg-type]
        return made[-1]

    yield queue
    for one in made:
        await one.close()


async def waiting(queue: barq.Queue) -> int:
    return (await queue.counts("email"))["waiting"]


async def test_a_full_type_is_refused_and_others_are_not(make: Make) -> None:
    queue = make(max_waiting=2)
    await queue.enqueue("email")
    await queue.enqueue("email")
    with pytest.raises(
        barq.QueueFull, match=r"no more jobs of type 'email': 2 wait, as many as its max_waiting allows"
    ):
        await queue.enqueue("email")
    await queue.enqueue("push")
    assert await waiting(queue) == 2


async def test_of_many_producers_at_a_time_as_many_are_let_in_as_there_is_room(make: Make) -> None:
    queue = make(max_waiting=30)
    answers = await asyncio.gather(*(queue.enqueue("email") for _ in range(100)), return_exceptions=True)
    assert sum(isinstance(answer, barq.QueueFull) for answer in answers) == 70
    assert sorted(answer.id for answer in answers if isinstance(answer, barq.Job)) == list(range(1, 31))
    assert await waiting(queue) == 30


async def test_of_many_jobs_the_first_are_stored(make: Make) -> None:
    queue = make(max_waiting=300)
    with pytest.raises(barq.QueueFull) as caught:
        await queue.enqueue_many("email", range(1000))
    assert caught.value.stored == 300
    assert [job.data for job in await queue.jobs(limit=1000)] == list(range(300))


async def test_above_the_memory_mark_nothing_is_let_in(make: Make) -> None:
    queue = make(max_memory=1)
    with pytest.raises(barq.QueueFull, match=r"more memory than its max_memory \(1 bytes\) allows"):
        await queue.enqueue("email")
    with pytest.raises(barq.QueueFull) as caught:
        await queue.enqueue_many("email", [1, 2])
    assert caught.value.stored == 0


async def test_an_enqueue_waits_for_room(make: Make) -> None:
    queue = make(max_waiting=1, wait_for_room=20)
    await queue.enqueue("email")
    second = asyncio.create_task(queue.enqueue("email"))
    done, _ = await asyncio.wait([second], timeout=0.2)
    assert not done
    await queue.cancel(1)
    assert (await second).id == 2


async def test_a_task_waits_for_room_when_it_was_told_so(make: Make) -> None:
    queue = make(max_waiting=1)

    @queue.task(wait_for_room=10)
    async def email() -> None: ...

    first = await email.enqueue()
    second = asyncio.create_task(email.enqueue())
    await asyncio.sleep(0.1)
    assert not second.done()
    await queue.cancel(first.id)
    assert (await second).id > first.id
    with pytest.raises(barq.QueueFull):
        await email.using(wait_for_room=0).enqueue()


async def test_a_wait_for_room_has_an_end(make: Make) -> None:
    queue = make(max_waiting=1)
    await queue.enqueue("email")
    start = time.monotonic()
    with pytest.raises(barq.QueueFull):
        await queue.enqueue("email", wait_for_room=0.3)
    with pytest.raises(barq.QueueFull):
        await queue.enqueue_many("email", [1], wait_for_room=0.3)
    assert 0.6 <= time.monotonic() - start < 5


async def test_a_wait_for_room_can_be_cancelled(make: Make) -> None:
    queue = make(max_waiting=1, wait_for_room=None)
    await queue.enqueue("email")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await queue.enqueue("email")
    assert await waiting(queue) == 1


async def test_producers_and_a_worker_keep_to_the_limit(make: Make) -> None:
    """Never more wait than may, and everything is run in the end, in order."""
    queue = make(max_waiting=20, wait_for_room=None)
    ran: list[int] = []
    most = 0

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        ran.append(job.data)

    worker = barq.Worker(queue, concurrency=1)
    working = asyncio.create_task(worker.run(signals=False))

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, await waiting(queue))

    watching = asyncio.create_task(watch())
    jobs = await queue.enqueue_many("email", range(500))
    assert [job.id for job in jobs] == list(range(1, 501))

    async def all_ran() -> bool:
        return len(ran) == 500

    await until(all_ran, "all ran")
    watching.cancel()
    worker.stop()
    await working
    assert ran == list(range(500))
    assert 0 < most <= 20


async def test_a_job_with_callbacks_waits_for_room_as_well(make: Make) -> None:
    queue = make(max_waiting=1, wait_for_room=20)
    await queue.enqueue("email")
    heard: list[str] = []
    saving = asyncio.create_task(queue.create("email").on("enqueue", lambda: heard.append("enqueue")).save())
    done, _ = await asyncio.wait([saving], timeout=0.2)
    assert not done
    await queue.cancel(1)
    await saving

    async def told() -> bool:
        return heard == ["enqueue"]

    await until(told, "its enqueue is told")


async def test_a_full_server_is_waited_for_as_well(own_server: Server) -> None:
    async with barq.Queue(url=own_server.url) as queue:
        await queue.enqueue("email")
        store = queue._here().store
        link = await store._connected(None)
        await link.call(b"CONFIG", b"SET", b"maxmemory", b"1")
        waits: list[Awaitable[object]] = [
            asyncio.create_task(queue.enqueue("email", wait_for_room=20)),
            asyncio.create_task(queue.enqueue_many("email", range(300), wait_for_room=None)),
        ]
        done, _ = await asyncio.wait(waits, timeout=0.3)  # type: ignore[type-var]
        assert not done
        await link.call(b"CONFIG", b"SET", b"maxmemory", b"0")
        await asyncio.gather(*waits)
        assert await waiting(queue) == 302


def test_plain_code_waits_for_room_too(server: Server, name: str) -> None:
    with barq.sync.Queue(name, url=server.url, max_waiting={"email": 1}) as queue:
        queue.enqueue("email")
        with pytest.raises(barq.QueueFull):
            queue.enqueue("email", wait_for_room=0.1)
        queue.cancel(1)
        assert queue.enqueue("email", wait_for_room=5).id == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_waiting": 0}, "max_waiting must be from 1"),
        ({"max_waiting": True}, "max_waiting must be a whole number"),
        ({"max_waiting": "many"}, "max_waiting must be a whole number"),
        ({"max_waiting": {"email": -1}}, "max_waiting of 'email' must be from 1"),
        ({"max_waiting": {"": 1}}, "type of a job must have 1 to 256 bytes"),
        ({"max_waiting": {5: 1}}, "type of a job must be a str"),
        ({"max_memory": 0}, "max_memory must be from 1"),
        ({"max_memory": 0.8}, "max_memory must be a whole number"),
        ({"wait_for_room": -1}, "wait_for_room must be from 0 seconds"),
        ({"wait_for_room": "1"}, "wait_for_room must be a number of seconds"),
    ],
)
def test_bad_limits(options: dict[str, object], says: str) -> None:
    with pytest.raises((barq.InvalidValue, barq.InvalidType), match=says):
        barq.Queue("q", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, "5", True, float("nan")])
async def test_bad_waits_for_room(queue: barq.Queue, value: object) -> None:
    with pytest.raises((barq.InvalidValue, barq.InvalidType), match="wait_for_room must be"):
        await queue.enqueue("email", wait_for_room=value)  # type: ignore[typeddict-item]
