"""barq.sync: the same queue for plain code."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import barq
import barq.sync
from tests.support import ROOT, Server, wait_until


@pytest.fixture
def queue(server: Server, name: str) -> Iterator[barq.sync.Queue]:
    with barq.sync.Queue(name, url=server.url) as made:

        @made.handler("email")
        def send(job: barq.sync.Job) -> Any:
            job.progress(1, 2, {"step": 1})
            job.log(f"to {job.data}")
            if job.data == "fail":
                raise ValueError("no such address")
            return {"to": job.data}

        yield made


class Working:
    """A worker in a thread, as long as the block lasts."""

    def __init__(self, queue: barq.sync.Queue) -> None:
        self.worker = barq.Worker(queue)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.worker.run(signals=False)))

    def __enter__(self) -> barq.Worker:
        self.thread.start()
        return self.worker

    def __exit__(self, *_: object) -> None:
        self.worker.stop(now=True)
        self.thread.join(15)
        assert not self.thread.is_alive()


def test_the_shell_is_fresh() -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "generate_sync.py", "--check"], check=True)


def test_jobs_are_stored_looked_at_and_acted_on(queue: barq.sync.Queue) -> None:
    job = queue.enqueue("email", "a@b.c", priority="high", delay=60)
    assert (job.id, job.type, job.data, job.priority, job.state) == (1, "email", "a@b.c", -10, "delayed")
    assert isinstance(queue.get(1), barq.sync.Job)
    job.promote()
    assert job.refresh().state == "waiting"
    many = queue.enqueue_many("email", [1, 2, 3])
    assert [one.id for one in many] == [2, 3, 4]
    queue.cancel(2, 3)
    queue.retry(2)
    queue.remove(3, 4)
    page = queue.jobs("waiting", limit=1)
    assert [one.id for one in page] == [1]
    assert [one.id for one in queue.jobs("waiting", after=page.next)] == [2]
    assert queue.counts("email")["waiting"] == 2
    assert list(queue.types()) == ["email"]
    assert queue.pause("email", by="ada")
    assert queue.resume("email")
    assert queue.paused() is None
    assert queue.prune() == 0
    assert queue.workers() == []
    queue.ping()
    with pytest.raises(barq.JobNotFound):
        queue.get(99)
    with pytest.raises(barq.InvalidValue):
        queue.enqueue("email", priority="urgent")


def test_a_plain_handler_works_for_plain_code(queue: barq.sync.Queue) -> None:
    sent, failed = queue.enqueue("email", 1), queue.enqueue("email", "fail")
    with pytest.raises(barq.ResultTimeout):
        sent.result(0.05)
    with Working(queue):
        assert sent.result(10) == {"to": 1}
        assert failed.wait(10) == "failed"
        with pytest.raises(barq.JobFailed, match="no such address"):
            failed.result(10)
        assert [event.name for event in sent.events()] == ["complete"]
    assert [text for _, text in sent.logs()] == ["to 1"]
    assert sent.refresh().progressed == barq.Progress(50, {"step": 1})


def test_a_task_is_enqueued_without_await(queue: barq.sync.Queue) -> None:
    @queue.task(attempts=2)
    def add(a: int, b: int) -> int:
        return a + b

    assert add(1, 2) == 3
    job = add.using(priority="low").enqueue(1, b=2)
    assert (job.priority, job.attempts, job.data) == (10, 2, {"a": 1, "b": 2})
    with Working(queue):
        assert job.result(10) == 3


def test_callbacks_may_block_and_use_the_queue(queue: barq.sync.Queue) -> None:
    heard: list[Any] = []
    made = threading.Event()

    def then(result: Any) -> None:
        heard.append(queue.enqueue("next", result).id)
        made.set()

    async def completed(result: Any) -> None:
        heard.append(("async", result))

    job = queue.create("email", 1)
    for name in ("enqueue", "start"):
        job.on(name, lambda name=name: heard.append(name))
    job.on("complete", completed).on("complete", then).save()
    with Working(queue):
        assert made.wait(10)
    assert heard == ["enqueue", "start", ("async", {"to": 1}), 2]


def test_callbacks_may_be_given_after_the_enqueue(queue: barq.sync.Queue) -> None:
    heard: list[Any] = []
    job = queue.enqueue("email", 1).on("complete", heard.append)
    with Working(queue):
        wait_until(lambda: heard == [{"to": 1}], "the callback was called")
    assert job.id == 1
    with pytest.raises(barq.InvalidValue, match="event must be one of"):
        job.on("completed", heard.append)
    with pytest.raises(barq.InvalidType, match="callback must be a function"):
        job.on("complete", None)  # type: ignore[arg-type]


def test_threads_share_a_queue(queue: barq.sync.Queue) -> None:
    ids: list[int] = []

    def enqueue() -> None:
        ids.extend(queue.enqueue("email", n).id for n in range(50))

    threads = [threading.Thread(target=enqueue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(ids) == list(range(1, 401))


def test_events_can_be_iterated_over(queue: barq.sync.Queue) -> None:
    queue.enqueue_many("email", range(3))
    events = queue.events("0")
    assert [next(events).job_id for _ in range(3)] == [1, 2, 3]
    events.close()  # type: ignore[attr-defined]
    for event in queue.events("0"):
        assert event.name == "enqueue"
        break


def test_inside_an_event_loop_of_its_own_the_shell_says_what_to_use(queue: barq.sync.Queue) -> None:
    from barq.sync import portal

    async def inside() -> None:
        queue.enqueue("email")

    with pytest.raises(barq.WrongState, match="with await"):
        portal.call(inside())


def test_a_forked_child_has_connections_of_its_own(queue: barq.sync.Queue) -> None:
    first = queue.enqueue("email", "parent")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ids = [queue.enqueue("email", "child").id for _ in range(20)]
            status = 0 if len(ids) == 20 and first.refresh().data == "parent" else 2
        finally:
            os._exit(status)
    mine = [queue.enqueue("email", "parent").data for _ in range(20)]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert mine == ["parent"] * 20
    assert queue.counts("email")["waiting"] == 41


@pytest.mark.parametrize("wait", ["job.result()", "next(queue.events())", "job.wait()"])
def test_ctrl_c_ends_waiting_at_once(server: Server, name: str, wait: str) -> None:
    program = f"""
import barq.sync, sys
queue = barq.sync.Queue({name!r}, url={server.url!r})
job = queue.enqueue("email")
print("waits", flush=True)
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted", queue.enqueue("email").id, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"waits\n"
    threading.Event().wait(0.3)  # long enough to be waiting; too early would be interrupted just as well
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert out == b"interrupted 2\n", err.decode()
    assert process.returncode == 0
    assert b"Traceback" not in err
