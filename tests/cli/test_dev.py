"""`barq dev`: run, watch, restart, end."""

import os
import pty
import signal
import socket
import sys
import termios
from pathlib import Path

import psutil
import pytest

import barq.sync
from barq.store import embedded
from tests.cli.support import Cli
from tests.support import Server, wait_until

CLEAN = "[barq dev] clean exit - waiting for changes before restart\n"
CRASHED = "[barq dev] app crashed - waiting for changes before restart\n"

TWELVE_LINES = """
import barq

queue = barq.Queue({name!r})

@queue.task
async def add(a: int, b: int) -> int:
    return a + b

@queue.handler("hello")
def hello(job: barq.Job) -> str:
    return "version 1"
"""


def test_a_file_that_ends_is_run_again_when_it_changes(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "once.py"
    file.write_text("import sys; print('one', sys.argv[1:], __name__); print('loud', file=sys.stderr)")
    with cli.started("dev", "once.py", "-a", "--json") as dev:
        dev.says(CLEAN)
        assert dev.out == b"one ['-a', '--json'] __main__\n"
        assert b"loud\n" in dev.err
        file.write_text("print('two')")
        dev.says("[barq dev] once.py changed, restarting once.py\n")
        dev.says(CLEAN, times=2)
        assert dev.out.endswith(b"two\n")
        file.write_text("def f():\n    raise ValueError('no way')\nf()\n")
        dev.says(CRASHED)
        assert b"ValueError: no way" in dev.err
        assert b"run_file" not in dev.err
        (tmp_path / "beside.py").write_text("raise SystemExit(3)")
        dev.says("[barq dev] beside.py changed, restarting once.py\n")
        dev.says(CRASHED, times=2)
        assert dev.end(signal.SIGINT) == 130


def test_a_running_program_is_restarted_when_it_changes(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "serve.py"
    source = "import signal\nprint('serving {}')\nsignal.pause()\n"
    file.write_text(source.format(1))
    with cli.started("dev", "serve.py") as dev:
        dev.prints("serving 1\n")
        (before,) = psutil.Process(dev.process.pid).children()
        file.write_text(source.format(2))
        dev.prints("serving 2\n")
        assert not before.is_running()
        assert dev.end(signal.SIGTERM) == 0
    assert b"waiting for changes" not in dev.err


def test_rs_restarts_and_other_lines_go_to_the_program(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text("print('ready')\nprint('got', input())\nimport signal; signal.pause()\n")
    terminal, inside = pty.openpty()
    settings = termios.tcgetattr(inside)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(inside, termios.TCSANOW, settings)
    try:
        with cli.started("dev", "ask.py", stdin=inside) as dev:
            dev.prints("ready\n")
            os.write(terminal, b"hello\n")
            dev.prints("got hello\n")
            os.write(terminal, b"rs\n")
            dev.says("[barq dev] restarting ask.py\n")
            dev.prints("ready\n", times=2)
            os.write(terminal, b"again\n")
            dev.prints("got again\n")
            assert dev.end(signal.SIGINT) == 130
    finally:
        os.close(terminal)
        os.close(inside)


def test_a_program_that_ignores_signals_is_killed(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(
        "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nprint('here')\nwhile True: signal.pause()\n"
    )
    with cli.started("dev", "stubborn.py") as dev:
        dev.prints("here")
        (child,) = psutil.Process(dev.process.pid).children()
        dev.process.send_signal(signal.SIGINT)
        dev.says("[barq dev] stopping stubborn.py")
        assert dev.end(signal.SIGINT) == 130
        assert not child.is_running()


def test_the_end_of_stdin_reaches_the_program(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "all.py").write_text("import sys; print(sys.stdin.read())")
    with cli.started("dev", "all.py") as dev:
        dev.says(CLEAN)


def test_a_small_application_gets_a_worker(cli: Cli, jobs: barq.sync.Queue, name: str, tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text(TWELVE_LINES.format(name=name))
    with cli.started("dev", "app.py") as dev:
        assert jobs.enqueue("add", {"a": 1, "b": 2}).result(15) == 3
        assert jobs.enqueue("hello").result(15) == "version 1"
        file.write_text(TWELVE_LINES.format(name=name).replace("version 1", "version 2"))
        dev.says("slots for add, hello", times=2)
        assert jobs.enqueue("hello").result(15) == "version 2"
        assert dev.end(signal.SIGINT) == 130
    assert dev.err.count(b"stopped after") == 2
    assert b"Traceback" not in dev.err


def test_an_application_that_enqueues_first_gets_a_worker_too(cli: Cli, name: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        f"import barq.sync\nqueue = barq.sync.Queue({name!r})\n"
        "@queue.task\ndef shout(text: str) -> None:\n    print(text.upper())\n"
        "shout.enqueue('hey')\n"
    )
    with cli.started("dev", "app.py") as dev:
        dev.prints("HEY\n")


def test_several_queues_get_a_worker_each(cli: Cli, jobs: barq.sync.Queue, name: str, tmp_path: Path) -> None:
    other = "import barq.sync\nother = barq.sync.Queue({name!r})\n@other.task\ndef two() -> int:\n    return 2\n"
    (tmp_path / "app.py").write_text(TWELVE_LINES.format(name=f"{name}-1") + other.format(name=name))
    with cli.started("dev", "app.py") as dev:
        assert jobs.enqueue("two", {}).result(15) == 2
        dev.says("slots for", times=2)
        assert dev.end(signal.SIGINT) == 130
    assert dev.err.count(b"stopped after") == 2


def test_a_server_that_can_not_be_used_is_one_line(cli: Cli, name: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(TWELVE_LINES.format(name=name))
    server = Server(tmp_path, "--requirepass", "s3cret").start()
    try:
        with cli.started("dev", "--url", server.url, "app.py") as dev:
            dev.says(CRASHED)
        assert b"barq: the server at " in dev.err
        assert b"Traceback" not in dev.err
    finally:
        server.stop()


def test_a_file_that_ran_its_own_worker_gets_no_second_one(cli: Cli, name: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        TWELVE_LINES.format(name=name) + "barq.Worker(queue, burst=True).run_blocking()\nprint('over')\n"
    )
    with cli.started("dev", "app.py") as dev:
        dev.says(CLEAN)
    assert dev.out == b"over\n"


def test_a_wrong_url_is_exit_2(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    done = cli("dev", "--url", "nonsense", "app.py")
    assert (done.code, done.out) == (2, "")
    assert done.complaint.startswith("url must begin with one of")


def test_a_file_that_is_not_there_is_exit_2(cli: Cli) -> None:
    done = cli("dev", "nothere.py")
    assert done.code == 2
    assert "'nothere.py' does not exist" in done.err


def test_without_watchfiles_it_says_what_to_install(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "watchfiles.py").write_text("raise ImportError")
    path = os.pathsep.join([str(hidden), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = cli("dev", "app.py", PYTHONPATH=path)
    assert (done.code, done.out) == (1, "")
    assert "pip install 'barq[dev]'" in done.complaint


def test_url_chooses_the_server_and_embedded_outlives_restarts(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "show.py"
    file.write_text("import os; print(os.environ['BARQ_URL'])")
    data = tmp_path / "data"
    with cli.started("dev", "--url", f"embedded:{data}", "show.py") as dev:
        dev.says(CLEAN)
        assert dev.out == f"embedded:{data}\n".encode()
        before = embedded.running(data)
        assert before is not None
        file.touch()
        dev.says(CLEAN, times=2)
        assert embedded.running(data) == before
        assert dev.end(signal.SIGINT) == 130
    wait_until(lambda: embedded.running(data) is None, "the server has ended with it")


def test_without_any_server_the_bundled_one_is_started(tmp_path: Path) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 6379)) == 0:
            pytest.skip("a server listens on 127.0.0.1:6379")
    if sys.platform == "darwin":
        pytest.skip("its folder can't be chosen there")
    (tmp_path / "app.py").write_text(TWELVE_LINES.format(name="default"))
    bare = Cli(tmp_path, XDG_DATA_HOME=str(tmp_path / "share"))
    with bare.started("dev", "app.py") as dev:
        dev.says("[barq dev] no server on 127.0.0.1:6379: started the bundled one, redis://127.0.0.1:6379, data in ")
        dev.says("slots for add, hello")
        assert bare("enqueue", "add", '{"a": 1, "b": 2}', "--wait", "--timeout", 20).out == "3\n"
        assert dev.end(signal.SIGINT) == 130
    assert bare("ping").code == 69
