"""An example program as a process: its lines as they come, its end, and what it said on stderr."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

from tests.ready import Forked
from tests.support import ROOT, wait_until

FOLDER = ROOT / "examples" / "queuing_system"


class Program:
    """Runs one file of the examples against the server on a port of 127.0.0.1, or at a URL, with Python or `barq dev`.

    Ended for sure when the `with` ends.
    """

    def __init__(self, file: str, server: int | str, *arguments: str, dev: bool = False, **more: str) -> None:
        environment = {
            name: value for name, value in os.environ.items() if name not in ("BARQ_URL", "PYTHONUNBUFFERED")
        }
        environment["REDIS_URL"] = server if isinstance(server, str) else f"redis://127.0.0.1:{server}"
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", **more}
        self.file = file
        self._dev = dev
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.process = Forked(
            [sys.executable, *(["-m", "barq", "dev"] if dev else []), str(FOLDER / file), *arguments],
            env=environment,
            cwd=Path("/"),  # a program finds its parts wherever it is started
        )
        self._readers = [
            threading.Thread(target=self._collect, args=(self.process.stdout, self.lines), daemon=True),
            threading.Thread(target=self._collect, args=(self.process.stderr, self.errors), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _collect(pipe: Any, lines: list[str]) -> None:
        with pipe:
            lines.extend(line.decode().rstrip("\n") for line in pipe)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._dev and self.process.poll() is None:
            self.process.terminate()  # barq dev then ends what it runs
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        self.process.kill()
        self._finish(10)

    def has_printed(self, number: int) -> Self:
        """Wait until it has printed so many lines."""
        wait_until(
            lambda: len(self.lines) >= number or self.process.poll() is not None,
            f"{self.file} prints {number} lines, not only {self.lines}",
        )
        return self

    def says(self, text: str) -> Self:
        """Wait until a line on stderr holds the text."""
        wait_until(lambda: any(text in line for line in self.errors), f"{self.file} says {text!r}, not {self.errors}")
        return self

    def complains(self) -> Self:
        """Wait until it has said on stderr that the server is away."""
        wait_until(
            lambda: any("not connected" in line for line in self.errors) or self.process.poll() is not None,
            f"{self.file} misses the server",
        )
        assert self.process.poll() is None, self.errors
        return self

    def ends(self, *, seconds: float = 30) -> list[str]:
        """Wait until it has ended well by itself; returns all that it printed."""
        assert self._finish(seconds) == 0, self.errors
        return self.lines

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code as a shell sees it. It ends promptly and says nothing of it."""
        self.process.send_signal(signal.SIGINT)
        code = self._finish(4)
        said = "\n".join(self.errors)
        assert "Traceback" not in said, said
        assert "Interrupt" not in said, said
        return 128 - code if code < 0 else code

    def _finish(self, seconds: float) -> int:
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.file} has not ended; it printed {self.lines}, {self.errors}") from None
        for reader in self._readers:
            reader.join(seconds)
        return code
