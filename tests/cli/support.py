"""What the tests of the command line need: `barq` as a process, to its end or for as long as a test looks at it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import ready
from tests.support import wait_until

BARQ = [sys.executable, "-m", "barq"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BARQ_", "REDIS_URL"))}
    return {**kept, **more}


class Done:
    """How a command ended."""

    def __init__(self, ended: "subprocess.CompletedProcess[str]") -> None:
        self.code = ended.returncode
        self.out = ended.stdout
        self.err = ended.stderr

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line on stderr, without its `barq: `."""
        (line,) = self.err.splitlines()
        assert line.startswith("barq: "), line
        return line.removeprefix("barq: ")


class Cli:
    """Runs `barq` against one server and queue."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.env = env

    def __call__(self, *words: object, stdin: str | None = None, **env: str) -> Done:
        told = environment(**{**self.env, **env})
        command = [*BARQ, *map(str, words)]
        if "PYTHONPATH" in env:  # what is imported differs
            ended = subprocess.run(
                command, env=told, cwd=self.folder, input=stdin, capture_output=True, text=True, timeout=60, check=False
            )
        else:
            ended = ready.run(command, env=told, cwd=self.folder, input=stdin, timeout=60)
        assert "barq/cli" not in ended.stderr, ended.stderr
        return Done(ended)

    @contextlib.contextmanager
    def started(self, *words: object, stdin: int = subprocess.DEVNULL, **env: str) -> Iterator["Running"]:
        told = environment(**{**self.env, **env})
        with ready.Forked([*BARQ, *map(str, words)], env=told, cwd=self.folder, stdin=stdin) as process:
            running = Running(process)
            try:
                yield running
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(15)
                process.kill()
                running.join()


class Running:
    """A `barq` that goes on. What it says is read all the time."""

    def __init__(self, process: ready.Forked) -> None:
        self.process = process
        self.out = b""
        self.err = b""
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in ("out", "err")]
        for reader in self._readers:
            reader.start()

    def join(self) -> None:
        for reader in self._readers:
            reader.join(10)

    def _read(self, name: str) -> None:
        pipe = self.process.stdout if name == "out" else self.process.stderr
        assert pipe is not None
        while chunk := os.read(pipe.fileno(), 65536):
            setattr(self, name, getattr(self, name) + chunk)

    def says(self, text: str, *, times: int = 1) -> None:
        """Wait until stderr holds the text that many times."""
        wait_until(lambda: self.err.count(text.encode()) >= times, f"{text!r} on stderr")

    def prints(self, text: str, *, times: int = 1) -> None:
        """Wait until stdout holds the text that many times."""
        wait_until(lambda: self.out.count(text.encode()) >= times, f"{text!r} on stdout")

    def end(self, number: int | None = None) -> int:
        """Send a signal, if one is given, and wait for the exit code."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self.join()
        return code
