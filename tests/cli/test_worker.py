"""`barq worker`: what it takes for an application, how it ends, and several processes."""

import os
import signal
from pathlib import Path

import psutil
import pytest

import barq.sync
from tests.cli.support import Cli, Running
from tests.support import Server, free_port, wait_until


def children(worker: Running) -> list[psutil.Process]:
    return psutil.Process(worker.process.pid).children()


# ---- what it runs


def test_burst_runs_what_waits_and_ends(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    job = jobs.enqueue("add", {"a": 1, "b": 2})
    failing = jobs.enqueue("boom")
    done = cli("worker", "app:queue", "--burst")
    assert (done.code, done.out) == (0, "")
    assert "stopped after 2 runs" in done.err
    assert job.result(5) == 3
    assert failing.wait(5) == "failed"


def test_only_the_types_named_are_run(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    jobs.enqueue("boom")
    job = jobs.enqueue("add", {"a": 1, "b": 2})
    assert cli("worker", "app", "--burst", "--type", "add").code == 0
    assert job.result(5) == 3
    assert jobs.counts("boom")["waiting"] == 1


def test_a_blocking_queue_in_a_package_is_taken(cli: Cli, jobs: barq.sync.Queue, name: str, tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "jobs.py").write_text(
        f"import barq.sync\nclass place:\n    q = barq.sync.Queue({name!r})\n"
        "@place.q.task\ndef double(n: int) -> int:\n    return 2 * n\n"
    )
    job = jobs.enqueue("double", {"n": 4})
    assert cli("worker", "shop.jobs:place.q", "--burst").code == 0
    assert job.result(5) == 8


def test_quiet_logs_warnings_only(cli: Cli, app: Path) -> None:
    assert app.exists()
    done = cli("worker", "app", "--burst", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_an_application_keeps_its_own_logging(cli: Cli, app: Path) -> None:
    app.write_text("import logging\nlogging.basicConfig(format='MINE %(message)s', level=20)\n" + app.read_text())
    done = cli("worker", "app", "--burst")
    assert all(line.startswith("MINE worker ") for line in done.err.splitlines())


# ---- what it can't run


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("nothere", "there is no module nothere in "),
        ("app.nothere:queue", "there is no module app.nothere in "),
        ("app:nothere", "module app has no 'nothere'; its queues: queue"),
        ("app:barq", "app:barq must be a barq.Queue, got <module"),
        ("app.py", "'app.py' is a file: write the module, app:queue"),
        (":", "':' does not name a module"),
        ("json", "module json holds no barq.Queue"),
        ("two", "module two holds several queues: write one of two:a, two:b"),
        ("two:a", "the queue has no handlers"),
    ],
)
def test_a_wrong_place_is_exit_2(cli: Cli, app: Path, tmp_path: Path, place: str, complaint: str) -> None:
    assert app.exists()
    (tmp_path / "two.py").write_text("import barq\na = barq.Queue('a')\nb = barq.Queue('b')\nagain = a\n")
    done = cli("worker", place)
    assert (done.code, done.out) == (2, ""), done
    assert complaint in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "option",
    [("--type", "nothere"), ("--concurrency", "0"), ("--lease", "0"), ("--processes", "0"), ("--threads", "x")],
)
def test_a_wrong_option_is_exit_2(cli: Cli, app: Path, option: tuple[str, str]) -> None:
    assert app.exists()
    done = cli("worker", "app", *option)
    assert done.code == 2, done
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("def f():\n    return 1 / 0\nf()\n", "ZeroDivisionError: division by zero"),
        ("import not_installed\n", "ModuleNotFoundError: No module named 'not_installed'"),
        ("def (\n", "SyntaxError: invalid syntax"),
        ("import sys\nsys.exit('no settings')\n", "SystemExit: no settings"),
        ("import barq\nqueue = barq.Queue(url='nonsense')\n", "url must begin with one of"),
    ],
)
def test_an_error_in_the_application_shows_its_own_lines(cli: Cli, tmp_path: Path, source: str, last: str) -> None:
    (tmp_path / "broken.py").write_text(source)
    done = cli("worker", "broken:queue")
    assert (done.code, done.out) == (1, "")
    assert "broken.py" in done.err
    assert last in done.err
    assert "importlib" not in done.err
    assert done.err.splitlines()[-1].startswith("barq: module broken can't be imported: ")


# ---- how it ends


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_ends_it(cli: Cli, app: Path, number: int, code: int, processes: int) -> None:
    assert app.exists()
    with cli.started("worker", "app", "--processes", processes) as worker:
        worker.says("100 slots for add, boom", times=processes)
        assert worker.end(number) == code
    assert worker.err.count(b"stopped after 0 runs") == processes


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_it_while_it_waits_for_the_server(cli: Cli, app: Path, number: int, code: int) -> None:
    assert app.exists()
    with cli.started("worker", "app", BARQ_URL=f"redis://127.0.0.1:{free_port()}") as worker:
        worker.says("not connected to the server")
        assert worker.end(number) == code
    assert b"Traceback" not in worker.err


# ---- several processes


def test_processes_share_a_burst(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    jobs.enqueue_many("add", [{"a": n, "b": n} for n in range(50)])
    done = cli("worker", "app", "--burst", "--processes", 2)
    assert (done.code, done.out) == (0, "")
    assert done.err.count("stopped after") == 2
    assert jobs.counts("add")["completed"] == 50


def test_a_process_that_is_killed_starts_again(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    with cli.started("worker", "app", "--processes", 2) as worker:
        worker.says("100 slots", times=2)
        before = children(worker)
        before[0].kill()
        worker.says("died by SIGKILL; starts again in 1 s")
        worker.says("100 slots", times=3)
        after = children(worker)
        assert len(after) == 2
        assert before[1] in after
        assert jobs.enqueue("add", {"a": 1, "b": 2}).result(10) == 3


def test_a_process_that_fails_does_not_start_again(cli: Cli, app: Path) -> None:
    app.write_text(app.read_text() + "\nimport sys\nif '--tied' in sys.argv:\n    sys.exit('only in a child')\n")
    done = cli("worker", "app", "--processes", 2)
    assert done.code == 1
    assert done.err.count("barq: module app can't be imported: SystemExit: only in a child") == 2


def test_processes_end_with_the_one_that_started_them(cli: Cli, app: Path) -> None:
    assert app.exists()
    with cli.started("worker", "app", "--processes", 2) as worker:
        worker.says("100 slots", times=2)
        left = children(worker)
        os.kill(worker.process.pid, signal.SIGKILL)
        wait_until(lambda: not any(child.is_running() for child in left), "they have ended")
    assert worker.err.count(b"stopped after") == 2


def test_a_worker_of_several_queues_names_them_with_commas(cli: Cli, app: Path, server: Server, name: str) -> None:
    app.write_text(app.read_text() + f"\nother = barq.Queue({name + '-other'!r})\nother.handler('echo')(add)\n")
    with barq.sync.Queue(name, url=server.url) as one, barq.sync.Queue(f"{name}-other", url=server.url) as other:
        one.enqueue("add", {"a": 1, "b": 2})
        other.enqueue("sms")
        done = cli("worker", "app:queue,app:other", "--burst")
        assert (done.code, done.err.count("slots for")) == (0, 1)
        assert one.counts()["completed"] == 1
