"""One queue object in several event loops, and in test mode."""

import asyncio
import gc
import threading
import weakref

import pytest

import barq
from tests.support import Server


def test_a_queue_works_in_one_loop_after_the_other(server: Server, name: str) -> None:
    queue = barq.Queue(name, url=server.url)

    async def enqueue() -> int:
        return (await queue.enqueue("email")).id

    assert [asyncio.run(enqueue()) for _ in range(3)] == [1, 2, 3]
    gc.collect()  # an unclosed transport would warn, and warnings are errors


def test_loops_that_have_ended_are_forgotten(server: Server, name: str) -> None:
    queue = barq.Queue(name, url=server.url)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def enqueue() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await queue.enqueue("email")

    for _ in range(5):
        asyncio.run(enqueue())
    gc.collect()
    assert sum(loop() is not None for loop in loops) <= 1


def test_a_loop_may_end_while_callbacks_are_still_listening(server: Server, name: str) -> None:
    queue = barq.Queue(name, url=server.url)

    async def listen() -> None:
        await queue.create("email").on("complete", print).save()

    asyncio.run(listen())
    asyncio.run(listen())
    gc.collect()


def test_loops_of_several_threads_share_a_queue(server: Server, name: str) -> None:
    queue = barq.Queue(name, url=server.url)
    ids: list[int] = []

    async def enqueue() -> None:
        async with queue:
            jobs = await asyncio.gather(*(queue.enqueue("email") for _ in range(50)))
        ids.extend(job.id for job in jobs)

    threads = [threading.Thread(target=lambda: asyncio.run(enqueue())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(ids) == list(range(1, 201))


def test_outside_of_a_loop_a_queue_can_be_made_and_given_handlers() -> None:
    queue = barq.Queue("q", url="redis://:secret@127.0.0.1:1")

    @queue.handler("email")
    async def send(job: barq.Job) -> None: ...

    assert "secret" not in repr(queue)
    assert repr(queue) == "<Queue q at redis://…@127.0.0.1:1>"


# ---- test mode


@pytest.fixture
def unreachable() -> barq.Queue:
    return barq.Queue(url="redis://127.0.0.1:1", timeout=0.2)


async def test_in_test_mode_jobs_are_recorded_and_no_server_is_needed(unreachable: barq.Queue) -> None:
    queue = unreachable
    queue.test_mode.enter()
    first = await queue.enqueue("email", {"n": 1}, priority="high")
    many = await queue.enqueue_many("push", [1, 2])
    saved = await queue.create("email").save()
    assert [job.id for job in (first, *many, saved)] == [1, 2, 3, 4]
    assert [(job.type, job.data) for job in queue.test_mode.jobs] == [
        ("email", {"n": 1}),
        ("push", 1),
        ("push", 2),
        ("email", None),
    ]
    assert queue.test_mode.jobs[0].priority == -10
    queue.test_mode.clear()
    assert (await queue.enqueue("email")).id == 1
    queue.test_mode.exit()
    assert queue.test_mode.jobs == []
    with pytest.raises(barq.ServerUnreachable):
        await queue.enqueue("email")


async def test_test_mode_checks_as_ever(unreachable: barq.Queue) -> None:
    with unreachable.test_mode as mode:
        with pytest.raises(barq.InvalidValue):
            await unreachable.enqueue("email", priority="urgent")
        assert mode.jobs == []
        with pytest.raises(barq.WrongState, match="already"):
            mode.enter()
    assert not mode.entered


async def test_in_test_mode_the_enqueue_callback_is_called(unreachable: barq.Queue) -> None:
    heard: list[str] = []
    with unreachable.test_mode:
        job = unreachable.create("email").on("enqueue", lambda: heard.append("enqueue"))
        job.on("complete", lambda _: heard.append("complete"))
        await job.save()
        unreachable.create("email")
    assert heard == ["enqueue"]


async def test_a_queue_is_in_test_mode_alone(queue: barq.Queue, unreachable: barq.Queue) -> None:
    with unreachable.test_mode:
        assert (await queue.enqueue("email")).id == 1
        assert (await queue.get(1)).id == 1
