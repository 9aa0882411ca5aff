"""`barq server` and `barq ping` as processes: what they print, how they exit, what they leave behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from barq.store import embedded
from barq.store.talk import Wire
from tests.support import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    embedded.stop(path)


@pytest.fixture
def running(folder: Path) -> embedded.Address:
    return embedded.ensure(folder)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def command(name: str, *words: object) -> list[str]:
    return [sys.executable, "-c", f"from barq.cli.server import {name}; {name}()", *map(str, words)]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("BARQ_URL", "REDIS_URL")}
    return {**kept, **more}


def run(name: str, *words: object, **more: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command(name, *words), env=environment(**more), capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done


@contextlib.contextmanager
def foreground(folder: Path, *words: object) -> Iterator["subprocess.Popen[str]"]:
    """A `barq server`; it has started when `line` returns."""
    with subprocess.Popen(
        command("server", "--port", 0, "--dir", folder, *words),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline()


# ---- in the foreground


def test_the_foreground_server_says_where_it_listens(folder: Path) -> None:
    with foreground(folder) as process:
        said = line(process)
        address = embedded.running(folder)
        assert address is not None
        where = f"127.0.0.1:{address.port}, data in {folder} (pid {address.pid})"
        assert said == f"barq server: listening on {where}; Ctrl-C stops it\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_stops_the_foreground_server_cleanly(folder: Path, number: signal.Signals, code: int) -> None:
    with foreground(folder) as process:
        line(process)
        process.send_signal(number)
        output, rest = process.communicate(timeout=20)
        assert (process.returncode, output, rest) == (code, "", "")
    assert embedded.running(folder) is None
    assert not (folder / "server.json").exists()
    assert "ready to exit" in (folder / "server.log").read_text()


def test_the_foreground_ends_with_the_servers_last_words_when_that_dies(folder: Path) -> None:
    with foreground(folder) as process:
        line(process)
        assert embedded.stop(folder)
        output, rest = process.communicate(timeout=20)
        assert (process.returncode, output) == (1, "")
        assert rest.startswith("barq server: it has ended; its last words:")
        assert "User requested shutdown" in rest


def test_the_server_ends_when_the_foreground_is_killed(folder: Path) -> None:
    with foreground(folder) as process:
        line(process)
        process.kill()
        wait_until(lambda: embedded.running(folder) is None, "it has stopped")


def test_the_foreground_prints_json(folder: Path) -> None:
    with foreground(folder, "--json", "--durability", "fsync") as process:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())
        address = embedded.running(folder)
        assert address is not None
        assert printed == {
            "ok": True,
            "url": address.url,
            "host": "127.0.0.1",
            "port": address.port,
            "pid": address.pid,
            "folder": str(folder),
            "durability": "fsync",
        }


def test_a_second_foreground_says_that_one_runs(folder: Path, running: embedded.Address) -> None:
    done = run("server", "--dir", folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"barq server: already runs, 127.0.0.1:{running.port}, data in {folder}")
    assert embedded.running(folder) == running


def test_a_taken_port_is_reported_in_one_line(folder: Path, taken_port: int) -> None:
    done = run("server", "--dir", folder, "--port", taken_port)
    assert (done.returncode, done.stdout) == (1, "")
    reason = f"port {taken_port} is in use by another program; choose another port, or end that program"
    assert done.stderr == f"barq server: {reason}\n"


def test_a_failure_is_json_too(folder: Path, taken_port: int) -> None:
    done = run("server", "--dir", folder, "--port", taken_port, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False


def test_an_unusable_folder_is_reported(tmp_path: Path) -> None:
    done = run("server", "--dir", "/proc/sys/data")
    assert done.returncode == 1
    assert "/proc/sys/data can't hold a server's data" in done.stderr
    (tmp_path / "file").touch()
    assert run("server", "--dir", tmp_path / "file").returncode == 2


@pytest.mark.parametrize("words", [["--port", "x"], ["--port", "70000"], ["--durability", "none"], ["start"]])
def test_a_wrong_word_is_a_usage_error(words: list[str]) -> None:
    done = run("server", *words)
    assert (done.returncode, done.stdout) == (2, "")


# ---- in the background


def test_a_daemon_outlives_its_command_and_prints_its_url(folder: Path) -> None:
    done = run("server", "--daemon", "--port", 0, "--dir", folder)
    address = embedded.running(folder)
    assert address is not None
    assert (done.returncode, done.stdout) == (0, f"{address.url}\n")
    assert done.stderr.startswith(f"barq server: listening on 127.0.0.1:{address.port}, data in {folder}")


def test_a_second_daemon_says_that_one_runs(folder: Path) -> None:
    first = run("server", "--daemon", "--port", 0, "--dir", folder)
    second = run("server", "--daemon", "--dir", folder)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert "already runs" in second.stderr


def test_stop_ends_a_daemon(folder: Path) -> None:
    run("server", "--daemon", "--port", 0, "--dir", folder)
    address = embedded.running(folder)
    assert address is not None
    done = run("server", "stop", "--dir", folder)
    assert (done.returncode, done.stdout) == (0, "")
    where = f"127.0.0.1:{address.port} (pid {address.pid})"
    assert done.stderr == f"barq server: stopped the one on {where}; its data stays in {folder}\n"
    assert embedded.running(folder) is None


def test_stop_with_none_running_exits_3(folder: Path) -> None:
    done = run("server", "stop", "--dir", folder, "--json")
    assert done.returncode == 3
    assert done.stderr == f"barq server: none runs with data in {folder}\n"
    assert json.loads(done.stdout) == {"ok": False, "error": f"none runs with data in {folder}"}


def test_stop_takes_the_folder_of_the_group_too(folder: Path, running: embedded.Address) -> None:
    done = run("server", "--dir", folder, "--json", "stop")
    assert (done.returncode, json.loads(done.stdout)["pid"]) == (0, running.pid)


def test_the_default_folder_is_that_of_the_user(tmp_path: Path) -> None:
    done = run("server", "stop", XDG_DATA_HOME=str(tmp_path))
    assert done.returncode == 3
    assert f"{tmp_path}/barq" in done.stderr


# ---- ping


def test_ping_prints_pong(running: embedded.Address) -> None:
    done = run("ping", "--url", running.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "PONG\n", "")


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:{}", "valkey://127.0.0.1:{}/0", "redis://:@127.0.0.1:{}/3?timeout=5"]
)
def test_ping_reads_these_urls(running: embedded.Address, url: str) -> None:
    assert run("ping", "--url", url.format(running.port)).stdout == "PONG\n"


def test_ping_takes_its_url_from_the_environment(running: embedded.Address) -> None:
    assert run("ping", REDIS_URL=running.url).returncode == 0
    assert run("ping", BARQ_URL=running.url, REDIS_URL="redis://127.0.0.1:1").returncode == 0
    assert run("ping", BARQ_URL="redis://127.0.0.1:1", REDIS_URL=running.url).returncode == 69


def test_ping_prints_json(running: embedded.Address) -> None:
    printed = json.loads(run("ping", "--json", "--url", running.url).stdout)
    assert printed["ok"] is True
    assert printed["milliseconds"] > 0


@pytest.mark.parametrize("scheme", ["redis", "valkey", "rediss"])
def test_ping_without_a_server_exits_69_with_one_line(scheme: str) -> None:
    done = run("ping", "--url", f"{scheme}://ann:secret@127.0.0.1:1")
    assert (done.returncode, done.stdout) == (69, "")
    reason = f"no server at {scheme}://127.0.0.1:1 (Connection refused)"
    assert done.stderr == f"barq ping: {reason}; start one, or give its URL with --url\n"


def test_ping_of_the_bundled_server_answers_only_if_it_runs(folder: Path) -> None:
    done = run("ping", "--url", f"embedded:{folder}")
    assert done.returncode == 69
    assert f"no bundled server runs with data in {folder}" in done.stderr
    assert not folder.exists()
    embedded.ensure(folder)
    assert run("ping", "--url", f"embedded:{folder}").stdout == "PONG\n"
    assert run("ping", "--url", f"embedded://{folder}").stdout == "PONG\n"


def test_ping_signs_in(running: embedded.Address) -> None:
    with Wire.dial(running.host, running.port, timeout=5) as wire:
        wire.ask("ACL", "SETUSER", "ann", "on", ">s p@ss", "+@all", "~*")
    assert run("ping", "--url", f"redis://ann:s%20p%40ss@127.0.0.1:{running.port}").stdout == "PONG\n"
    done = run("ping", "--url", f"redis://ann:wrong@127.0.0.1:{running.port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "WRONGPASS" in done.stderr
    assert "wrong@" not in done.stderr


def answer_once(listener: socket.socket, answer: bytes) -> threading.Thread:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_ping_reads_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "a socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = answer_once(listener, b"+PONG\r\n")
        assert run("ping", "--url", f"unix://{path}".replace(" ", "%20")).stdout == "PONG\n"
        thread.join()
    assert run("ping", "--url", f"unix://{tmp_path}/none").returncode == 69


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 69),
        (b"", 69),
        (b"$100\r\nPO", 69),
        (b"-LOADING the data\r\n", 69),
        (b"-NOAUTH Authentication required.\r\n", 1),
    ],
)
def test_ping_of_something_that_does_not_pong(answer: bytes, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = answer_once(listener, answer)
        done = run("ping", "--url", f"redis://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)


def test_ping_of_a_server_without_encryption_through_rediss_exits_69() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = answer_once(listener, b"-ERR unknown command\r\n")
        done = run("ping", "--url", f"rediss://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert (done.returncode, done.stderr.count("\n")) == (69, 1)


@pytest.mark.parametrize(
    "url", ["http://host", "host:6379", "", "redis://host:port", "redis://[::1", f"redis://{'a' * 100}"]
)
def test_ping_of_a_url_that_is_none_is_a_usage_error(url: str) -> None:
    done = run("ping", "--url", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--url'" in done.stderr
