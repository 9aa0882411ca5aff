"""`barq dev`: run a file, and again whenever a .py file beside it changes, or on the line `rs`."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import IO, Final

import click

from barq.cli import exits
from barq.store import embedded
from barq.store.target import target_of_url

USUAL_PORT: Final = 6379
SECONDS_TO_END: Final = 3.0
"""For the program to end after a signal, before it gets a stronger one."""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option("--url", help="The server; sets BARQ_URL for the program.")
def dev(*, file: str, arguments: tuple[str, ...], url: str | None) -> None:
    """Run FILE with Python, and again whenever a .py file beside it changes. Ctrl-C ends it, rs + Enter restarts it.

    A file that only defines a queue and its handlers is enough: a worker is run for it. Where no server is named and
    none runs here, the bundled one is started.
    """
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        exits.end("dev watches files with watchfiles, which is not installed: pip install 'barq[dev]'")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if url is not None:
        environment["BARQ_URL"] = url
    chosen = environment.get("BARQ_URL") or environment.get("REDIS_URL")
    if chosen is None:
        environment.update(_bundled_server_if_none_listens())
    elif (target := target_of_url(chosen)).embedded:
        embedded.ensure(target.embedded_folder)  # it stays when the program restarts
    raise SystemExit(Dev(file, arguments, environment).run())


def _bundled_server_if_none_listens() -> dict[str, str]:
    """Start the bundled server for as long as we run; returns what the environment then needs."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", USUAL_PORT), timeout=1):
        return {}
    address = embedded.running() or embedded.ensure(port=USUAL_PORT)
    verb = "started" if embedded.started_here(address) else "found"
    say(f"no server on 127.0.0.1:{USUAL_PORT}: {verb} the bundled one, {address.url}, data in {address.folder}")
    return {"BARQ_URL": address.url}


class Dev:
    """One program, run again and again. All that happens goes through one queue: (what, detail)."""

    def __init__(self, file: str, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self._file = file
        self._command = [sys.executable, "-P", "-m", "barq.cli.run_file", file, *arguments]
        self._environment = environment
        self._happened: SimpleQueue[tuple[str, object]] = SimpleQueue()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped_by: int | None = None
        self._input_ended = False

    def run(self) -> int:
        """Returns the exit code."""
        for taken in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(taken, self._note)
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # in the background of a shell reading then fails, and no more
        say(f"watching {Path(self._file).resolve().parent} for changes in .py files; rs + Enter restarts")
        threading.Thread(target=self._watch, name="barq dev watch", daemon=True).start()
        self._start()
        threading.Thread(target=self._listen, name="barq dev listen", daemon=True).start()
        while self._stopped_by is None:
            match self._happened.get():
                case ("ended", child) if child is self._child:
                    self._tell_end()
                case ("changed", name):
                    self._restart(f"{name} changed, restarting {self._file}")
                case ("rs", _):
                    self._restart(f"restarting {self._file}")
                case ("signal", int(number)):
                    self._stopped_by = number
        if self._child is not None:
            say(f"stopping {self._file}")
        interrupted = self._stopped_by == signal.SIGINT
        self._stop(signal.SIGINT if interrupted else signal.SIGTERM)
        return exits.INTERRUPTED if interrupted else 0

    # ---- the program

    def _start(self) -> None:
        # a process group of its own: Ctrl-C in a terminal would reach it twice
        stdin = subprocess.DEVNULL if self._input_ended else subprocess.PIPE
        child = subprocess.Popen(self._command, stdin=stdin, env=self._environment, process_group=0)
        self._child = child

        def follow() -> None:
            child.wait()
            self._happened.put(("ended", child))

        threading.Thread(target=follow, name="barq dev follow", daemon=True).start()

    def _restart(self, message: str) -> None:
        say(message)
        self._stop(signal.SIGTERM)
        with contextlib.suppress(Empty):  # what happened meanwhile needs no second restart
            while True:
                self._note_stop(self._happened.get(timeout=0))
        if self._stopped_by is None:
            self._start()

    def _stop(self, number: int) -> None:
        """Ask, ask again (a worker then hands its jobs back), kill. A signal to us is a reason not to wait."""
        child, self._child = self._child, None
        if child is None:
            return
        for strength in (number, number, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, strength)
            if self._has_ended(child):
                break
        _close(child.stdin)

    def _has_ended(self, child: "subprocess.Popen[bytes]") -> bool:
        give_up_at = time.monotonic() + SECONDS_TO_END
        while (left := give_up_at - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                happened = self._happened.get(timeout=left)
                if happened == ("ended", child):
                    return True
                if self._note_stop(happened):
                    return False
        return False

    def _note_stop(self, happened: tuple[str, object]) -> bool:
        match happened:
            case ("signal", int(number)):
                self._stopped_by = number
                return True
        return False

    def _tell_end(self) -> None:
        child, self._child = self._child, None
        assert child is not None
        how = "clean exit" if child.returncode == 0 else "app crashed"
        say(f"{how} - waiting for changes before restart")

    # ---- what may happen

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._happened.put(("signal", number))

    def _watch(self) -> None:
        from watchfiles import PythonFilter, watch

        folder = Path(self._file).resolve().parent
        try:
            for changes in watch(folder, watch_filter=PythonFilter(), debounce=400, ignore_permission_denied=True):
                _, path = min(changes)
                self._happened.put(("changed", os.path.relpath(path, folder)))
        except OSError as error:
            say(f"changes go unnoticed, rs + Enter still restarts: {error}")

    def _listen(self) -> None:
        """The line `rs` is for us, all others are for the program."""
        rest = b""
        with contextlib.suppress(OSError):
            while read := os.read(0, 4096):  # not sys.stdin, whose lock a thread must not hold when Python ends
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    if line.strip() == b"rs":
                        self._happened.put(("rs", None))
                    else:
                        self._pass_on(line + b"\n")
        self._pass_on(rest)
        self._input_ended = True
        if self._child is not None:
            _close(self._child.stdin)

    def _pass_on(self, line: bytes) -> None:
        child = self._child
        if child is not None and child.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                child.stdin.write(line)
                child.stdin.flush()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def say(message: str) -> None:
    click.echo(f"[barq dev] {message}", err=True)
