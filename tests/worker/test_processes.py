"""Handlers with run="process": what they get and say, how they die and are killed, and that nothing of them is left."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import barq
import barq.sync
from tests import ready
from tests.support import until, wait_until
from tests.worker import in_process
from tests.worker.conftest import Start, in_state, open_gate, running
from tests.worker.running import work_off, working
from tests.worker.test_words import told

ONE = {"concurrency": 1}


def add(queue: barq.Queue, *functions: Callable[..., Any], **options: Any) -> None:
    for function in functions:
        queue.handler(function.__name__, run="process", **options)(function)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def ended(*pids: int, seconds: float = 20) -> None:
    async def all_ended() -> bool:
        return not any(alive(pid) for pid in pids)

    await until(all_ended, f"{pids} have ended", seconds=seconds)


async def pid_of(queue: barq.Queue, job: barq.Job) -> int:
    """The process that the handler says it runs in, once it does."""
    return int((await running(queue, job)).removeprefix("runs in "))


def cleaned(gate: Path) -> bool:
    return Path(f"{gate}.cleaned").exists()


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    ready.server()
    before, threads = children(), set(threading.enumerate())
    yield
    wait_until(lambda: not children() - before, "no process is left")
    own = {thread for thread in set(threading.enumerate()) - threads if thread.name.startswith("barq handler")}
    wait_until(lambda: not any(thread.is_alive() for thread in own), "no thread is left")


# ---- what it gets and says


async def test_a_job_runs_in_a_child_that_is_kept_for_the_next(queue: barq.Queue) -> None:
    add(queue, in_process.pid)
    async with working(queue, **ONE):
        pids = [await (await queue.enqueue("pid")).result(20) for _ in range(3)]
    assert len(set(pids)) == 1
    assert pids[0] != os.getpid()


async def test_the_job_is_as_in_a_thread(queue: barq.Queue) -> None:
    add(queue, in_process.about)
    async with working(queue):
        job = await queue.enqueue("about", {"to": "ann"}, title="a title")
        assert await job.result(20) == {
            "id": job.id,
            "type": "about",
            "data": {"to": "ann"},
            "attempt": 1,
            "title": "a title",
            "state": "active",
            "logs": ["one line"],  # stored when log() returned
        }


@pytest.mark.parametrize("type_", ["talk", "talk_on"])
async def test_words_stand_in_order_before_the_end(queue: barq.Queue, type_: str) -> None:
    add(queue, in_process.talk, in_process.talk_on)
    job = await queue.enqueue(type_)
    await work_off(queue)
    data = (lambda n: {"n": n}) if type_ == "talk" else (lambda n: None)
    assert await told(queue, job) == [
        *(("progress", barq.Progress(n, data(n))) if n % 2 else ("log", f"line {n}") for n in range(100)),
        ("complete", None),
    ]


async def test_words_that_make_no_sense_are_refused_where_they_are_said(queue: barq.Queue) -> None:
    add(queue, in_process.talk_nonsense)
    async with working(queue):
        await (await queue.enqueue("talk_nonsense")).result(20)


async def test_words_after_the_end_are_refused(queue: barq.Queue) -> None:
    add(queue, in_process.talk_late)
    async with working(queue, **ONE):
        first = await queue.enqueue("talk_late")
        assert await first.result(20) == []
        second = await queue.enqueue("talk_late")
        assert await second.result(20) == [f"this run of job {first.id} has ended"]
    assert await first.logs() == await second.logs() == []


async def test_a_step_runs_once_over_all_attempts(queue: barq.Queue) -> None:
    add(queue, in_process.step_once)
    async with working(queue):
        job = await queue.enqueue("step_once", attempts=2, backoff=barq.fixed(0))
        (key, first), second = await job.result(20)
    assert key.endswith(":charge")
    assert first != second


async def test_tasks_get_their_arguments_by_their_annotations(queue: barq.Queue) -> None:
    resize = queue.task(run="process")(in_process.resize)
    async with working(queue):
        assert await (await resize.enqueue(in_process.Size(640))).result(20) == in_process.Size(320)


async def test_wrapped_functions_methods_and_decorated_names_are_found(queue: barq.Queue) -> None:
    add(queue, in_process.wrapped)
    queue.handler("sell", run="process")(in_process.Shop.sell)
    async with working(queue):
        assert await (await queue.enqueue("wrapped")).result(20) == {"announced": "done"}
        assert await (await queue.enqueue("sell", "tea")).result(20) == "sold tea"


async def test_a_codec_of_the_application_is_used(server: Any, name: str) -> None:
    async with barq.Queue(name, url=server.url, codec=in_process.Codec()) as queue:
        add(queue, in_process.same)
        async with working(queue):
            assert await (await queue.enqueue("same", {"a": [1]})).result(20) == {"a": [1]}


async def test_large_data_goes_in_and_out(queue: barq.Queue) -> None:
    add(queue, in_process.same)
    async with working(queue):
        assert len(await (await queue.enqueue("same", "x" * 1_000_000)).result(20)) == 1_000_000


async def test_logging_goes_to_the_workers(queue: barq.Queue, caplog: pytest.LogCaptureFixture) -> None:
    add(queue, in_process.write_logging)
    with caplog.at_level(logging.INFO):
        async with working(queue):
            await (await queue.enqueue("write_logging")).result(20)
    said = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "shop"]
    assert said[0] == ("INFO", "50 % done")
    assert said[1][0] == "ERROR"
    assert said[1][1].startswith("it went wrong\nTraceback")
    assert "ValueError: no way" in said[1][1]
    assert len(said) == 2


async def test_no_more_run_than_there_are_children(queue: barq.Queue, tmp_path: Path) -> None:
    add(queue, in_process.meter)
    await queue.enqueue_many("meter", [str(tmp_path)] * 30)
    await work_off(queue, children=2)
    assert max(map(int, (tmp_path / "most").read_text().split())) == 2


async def test_no_more_run_than_the_handler_allows(queue: barq.Queue, tmp_path: Path) -> None:
    add(queue, in_process.meter, concurrency=1)
    await queue.enqueue_many("meter", [str(tmp_path)] * 10)
    await work_off(queue, children=3)
    assert (tmp_path / "most").read_text().split() == ["1"] * 10


# ---- how it fails


@pytest.mark.parametrize(
    ("which", "type_", "message"),
    [
        ("ValueError", "ValueError", "no such address"),
        ("SystemExit", "SystemExit", "3"),
        ("KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("Odd", "Odd", "odd 1 2"),
        ("long", "ValueError", "9999000 characters left out"),
    ],
)
async def test_what_the_handler_raises_is_recorded_with_its_traceback(
    queue: barq.Queue, which: str, type_: str, message: str
) -> None:
    add(queue, in_process.fail, in_process.pid)
    async with working(queue, **ONE):
        before = await (await queue.enqueue("pid")).result(20)
        job = await queue.enqueue("fail", which, attempts=2, backoff=barq.fixed(0))
        with pytest.raises(barq.JobFailed) as caught:
            await job.result(20)
        assert await (await queue.enqueue("pid")).result(20) == before  # the child lives on
    error = caught.value.error
    assert isinstance(error, barq.ErrorInfo)
    assert error.type == type_
    assert message in error.message
    assert "in_process.py" in error.traceback
    assert (await job.refresh()).attempt == 2


@pytest.mark.parametrize("which", in_process.RESULTS)
async def test_a_result_that_cannot_be_stored_fails_for_good(queue: barq.Queue, which: str) -> None:
    add(queue, in_process.result)
    job = await queue.enqueue("result", which, attempts=5)
    async with working(queue):
        with pytest.raises(barq.JobFailed) as caught:
            await job.result(20)
    assert caught.value.error.type == "InvalidPayload"  # type: ignore[attr-defined]
    assert (await job.refresh()).attempt == 1


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("exit", "exit code 7"),
        ("exit 0", "exit code 0"),
        ("SIGSEGV", r"exit code -11 \(SIGSEGV\)"),
        ("SIGTERM", r"exit code -15 \(SIGTERM\)"),
        ("SIGKILL", r"exit code -9 \(SIGKILL, perhaps for want of memory\)"),
    ],
)
async def test_a_child_that_dies_fails_its_attempt_and_is_replaced(queue: barq.Queue, how: str, says: str) -> None:
    add(queue, in_process.die)
    async with working(queue, **ONE):
        once = await queue.enqueue("die", how)
        with pytest.raises(barq.JobFailed, match=f"the process of its handler has died: {says}$") as caught:
            await once.result(20)
        again = await queue.enqueue("die", how, attempts=2, backoff=barq.fixed(0))
        await again.result(20)
    assert caught.value.error.type == "ProcessDied"  # type: ignore[attr-defined]
    assert ((await again.refresh()).attempt, again.failures) == (2, 1)


async def test_a_child_that_dies_takes_with_it_what_it_has_forked(queue: barq.Queue) -> None:
    add(queue, in_process.die)
    async with working(queue):
        job = await queue.enqueue("die", "fork")
        with pytest.raises(barq.JobFailed, match="exit code 3"):
            await job.result(20)
        await ended(await pid_of(queue, job))


async def test_the_death_of_an_idle_child_burns_no_attempt(queue: barq.Queue) -> None:
    add(queue, in_process.pid)
    async with working(queue, **ONE):
        for _ in range(3):
            first = await (await queue.enqueue("pid")).result(20)
            os.kill(first, signal.SIGKILL)
            job = await queue.enqueue("pid")
            assert await job.result(20) != first
            assert ((await job.refresh()).attempt, job.failures) == (1, 0)


async def test_a_module_that_only_the_child_can_not_import_fails_the_attempt(
    queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(queue, in_process.pid)
    async with working(queue, **ONE):
        monkeypatch.setenv("BROKEN_IMPORT", "1")
        job = await queue.enqueue("pid", attempts=2, backoff=barq.fixed(0.05))
        failed = await queue.enqueue("pid")
        with pytest.raises(barq.JobFailed, match="broken in the child"):
            await failed.result(20)
        monkeypatch.delenv("BROKEN_IMPORT")
        await job.result(20)


# ---- how it is killed


@pytest.mark.parametrize(
    "function",
    [
        in_process.wait_politely,
        in_process.wait_busily,
        in_process.wait_stubbornly,
        in_process.wait_deafly,
        in_process.wait_outside,
        in_process.wait_in_threads,
    ],
)
@pytest.mark.parametrize("why", ["timeout", "cancel"])
async def test_it_is_killed_and_its_slot_is_free(
    queue: barq.Queue, gate: Path, function: Callable[..., Any], why: str
) -> None:
    add(queue, function, in_process.pid)
    async with working(queue, children=1, lease=1):
        job = await queue.enqueue(function.__name__, str(gate), **({"timeout": 0.3} if why == "timeout" else {}))
        pid = await pid_of(queue, job)
        if why == "timeout":
            with pytest.raises(barq.JobFailed, match=r"it ran longer than 0.3 s"):
                await job.result(20)
        else:
            await job.cancel()
        await ended(pid)
        assert await (await queue.enqueue("pid")).result(20) != pid
    assert cleaned(gate) == (function is in_process.wait_politely)


async def test_a_timeout_begins_when_the_handler_does(queue: barq.Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    add(queue, in_process.pid, timeout=0.3)
    monkeypatch.setenv("SLOW_IMPORT", "1")
    async with working(queue):
        await (await queue.enqueue("pid")).result(20)


async def test_a_child_that_does_not_begin_in_time_fails_the_attempt(
    queue: barq.Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.worker.processes.START_SECONDS", 0.5)
    monkeypatch.setenv("SLOW_IMPORT", "60")
    add(queue, in_process.pid)
    async with working(queue):
        with pytest.raises(barq.JobFailed, match=r"has died: it has not begun within 0.5 s"):
            await (await queue.enqueue("pid")).result(20)


async def test_a_run_that_took_too_long_is_tried_again(queue: barq.Queue, gate: Path) -> None:
    add(queue, in_process.wait)
    job = await queue.enqueue("wait", str(gate), timeout=0.3, attempts=2, backoff=barq.fixed(0))
    async with working(queue, children=1):
        await running(queue, job, runs=2)
        open_gate(gate)
        await job.result(20)


# ---- how its worker ends


async def test_at_a_stop_a_running_job_ends(queue: barq.Queue, gate: Path) -> None:
    add(queue, in_process.wait)
    job = await queue.enqueue("wait", str(gate))
    worker = barq.Worker(queue)
    run = asyncio.create_task(worker.run(signals=False))
    pid = await pid_of(queue, job)
    worker.stop()
    await asyncio.sleep(0.2)
    open_gate(gate)
    await asyncio.wait_for(run, 10)
    assert await job.result(5) == pid
    assert not alive(pid)


@pytest.mark.parametrize("function", [in_process.wait_politely, in_process.wait_stubbornly, in_process.wait_deafly])
async def test_what_does_not_end_within_the_grace_is_killed_and_goes_back_unburnt(
    queue: barq.Queue, gate: Path, function: Callable[..., Any]
) -> None:
    add(queue, function)
    jobs = [await queue.enqueue(function.__name__, str(gate)) for _ in range(2)]
    worker = barq.Worker(queue, grace=0.2, lease=60, children=2)
    run = asyncio.create_task(worker.run(signals=False))
    pids = [await pid_of(queue, job) for job in jobs]
    worker.stop()
    await asyncio.wait_for(run, 10)
    assert not any(alive(pid) for pid in pids)
    for job in jobs:
        assert (await job.refresh()).state == "waiting"
        assert (job.failures, job.run.rescues) == (0, 0)


async def test_a_run_that_is_cancelled_hands_its_jobs_back(queue: barq.Queue, gate: Path) -> None:
    add(queue, in_process.wait)
    job = await queue.enqueue("wait", str(gate))
    run = asyncio.create_task(barq.Worker(queue, lease=60).run(signals=False))
    pid = await pid_of(queue, job)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(run, 10)
    assert not alive(pid)
    assert (await job.refresh()).state == "waiting"


async def test_a_worker_that_starts_a_child_can_be_stopped(queue: barq.Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOW_IMPORT", "60")
    add(queue, in_process.pid)
    job = await queue.enqueue("pid")
    worker = barq.Worker(queue, grace=0, lease=60)
    run = asyncio.create_task(worker.run(signals=False))
    await in_state(queue, job, "active")
    worker.stop()
    await asyncio.wait_for(run, 10)
    assert (await job.refresh()).state == "waiting"


async def test_no_child_outlives_a_worker_that_is_killed(queue: barq.Queue, start: Start, gate: Path) -> None:
    worker = start(types=["wait_politely", "wait_outside", "pid"], children=3)
    jobs = [await queue.enqueue(type_, str(gate)) for type_ in ("wait_politely", "wait_outside")]
    pids = [await pid_of(queue, job) for job in jobs]
    idle = await (await queue.enqueue("pid")).result(20)
    assert alive(idle)
    worker.kill()
    await ended(*pids, idle, seconds=5)
    assert cleaned(gate)


async def test_a_child_that_takes_no_notice_does_not_outlive_its_worker_either(
    queue: barq.Queue, start: Start, gate: Path
) -> None:
    worker = start(plainly=True, types=["wait_stubbornly"])
    pid = await pid_of(queue, await queue.enqueue("wait_stubbornly", str(gate)))
    worker.kill()
    await ended(pid, seconds=5)


async def test_ctrl_c_is_for_the_worker(queue: barq.Queue, start: Start, gate: Path) -> None:
    """A terminal sends it to the whole process group."""
    worker, job = start(plainly=True, types=["wait"]), await queue.enqueue("wait", str(gate))
    pid = await pid_of(queue, job)
    os.killpg(worker.pid, signal.SIGINT)
    await asyncio.sleep(0.3)
    assert alive(pid)
    open_gate(gate)
    assert await job.result(20) == pid
    assert worker.ended() == 0
    assert not alive(pid)


# ---- what can not run in a child


async def asynchronous(job: barq.Job) -> None: ...


def shadowed(job: Any) -> None: ...


the_first_one = shadowed


def shadowed(job: Any) -> str:  # type: ignore[no-redef]
    return "the second one"


@pytest.mark.parametrize("wrong", ["proces", "", "thread", 5, True, ["process"]])
def test_run_names_nothing_else(wrong: Any) -> None:
    with pytest.raises(barq.InvalidValue, match="run must be 'process', or left out"):
        barq.Queue().handler("email", run=wrong)
    with pytest.raises(barq.InvalidValue, match="run must be 'process', or left out"):
        barq.Queue().task(run=wrong)(in_process.resize)


def test_async_handlers_are_refused() -> None:
    for decorate in (barq.Queue().handler("email", run="process"), barq.Queue().task(run="process")):
        with pytest.raises(barq.InvalidType, match="run='process' is for plain functions"):
            decorate(asynchronous)


def test_functions_without_a_name_of_their_own_are_refused() -> None:
    def local(job: Any) -> None: ...

    for function in (lambda job: None, local, in_process.functools.partial(in_process.pid)):
        with pytest.raises(barq.InvalidValue, match="must be a function with a name in a module"):
            barq.Queue().handler("email", run="process")(function)


def test_functions_that_a_child_would_not_find_are_refused_by_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = barq.Queue()
    queue.handler("email", run="process")(the_first_one)
    with pytest.raises(barq.InvalidValue, match=r"would not find its function shadowed in module .*something else"):
        barq.Worker(queue)
    queue = barq.Queue()
    queue.handler("email", run="process")(in_process.pid)
    barq.Worker(queue)
    monkeypatch.delattr(in_process, "pid")
    with pytest.raises(barq.InvalidValue, match="has no attribute 'pid'"):
        barq.Worker(queue)


def test_a_queue_that_can_not_be_copied_is_refused_by_the_worker() -> None:
    class Local(barq.JsonCodec): ...

    queue = barq.Queue(codec=Local())
    queue.handler("email", run="process")(in_process.pid)
    with pytest.raises(barq.InvalidValue, match="get a copy of their queue, and this one can't be pickled"):
        barq.Worker(queue)


def test_a_pickled_queue_keeps_its_settings_and_nothing_else() -> None:
    import pickle

    queue = barq.Queue("shop", url="redis://:hunter2@host:1", timeout=3)
    queue.handler("email")(asynchronous)
    copy = pickle.loads(pickle.dumps(queue))  # noqa: S301
    assert (repr(copy), copy._timeout, len(copy.handlers)) == (repr(queue), 3, 0)
    assert "hunter2" not in repr(copy.target)
    assert copy.target.make().password == "hunter2"
