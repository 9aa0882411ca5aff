"""A terminal that a test types into and looks at."""

import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import ioctl
from pathlib import Path

import pyte

from tests.cli.support import environment
from tests.ready import Forked
from tests.support import wait_until

ENTER, TAB, UP, CTRL_C, CTRL_D = "\r", "\t", "\x1b[A", "\x03", "\x04"
IN_A_TERMINAL = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"


@contextmanager
def terminal(
    command: Sequence[str], folder: Path, *, columns: int = 100, rows: int = 50, **env: str
) -> Iterator["Terminal"]:
    outside, inside = pty.openpty()
    ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    env = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **env}
    process: Forked | subprocess.Popen[bytes]
    if command[0] == sys.executable and "PYTHONPATH" not in env:  # else what is imported differs
        process = Forked(command, env=environment(**env), cwd=folder, terminal=inside)
    else:
        command = [sys.executable, "-c", IN_A_TERMINAL, *command]
        process = subprocess.Popen(command, stdin=inside, cwd=folder, env=environment(**env))
    with process:
        os.close(inside)
        opened = Terminal(outside, process, columns, rows)
        try:
            yield opened
        finally:
            process.send_signal(signal.SIGHUP)  # a shell hangs up on what runs in it
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
            opened.close()


class Terminal:
    """`process` runs in it. Lines are what a person sees, without spaces at their end."""

    def __init__(self, outside: int, process: "Forked | subprocess.Popen[bytes]", columns: int, rows: int) -> None:
        self.process = process
        self._outside = outside
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._rows = [""] * rows
        self._lines: list[str] | None = None  # what is shown, until something comes
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._outside, 65536)
            except OSError:  # the other side is closed
                return
            with self._lock:
                self._stream.feed(chunk)
                self._lines = None

    def close(self) -> None:
        self._reader.join(10)
        os.close(self._outside)

    @property
    def lines(self) -> list[str]:
        """Down to the last that is not empty."""
        with self._lock:
            if self._lines is None:
                for row in self._screen.dirty:
                    self._rows[row] = self._row(row)
                self._screen.dirty.clear()
                self._lines = list(self._rows)
                while self._lines and not self._lines[-1]:
                    self._lines.pop()
            return self._lines

    def _row(self, number: int) -> str:
        """As `display` of pyte has it, which draws all rows anew, also the empty ones."""
        cells = self._screen.buffer[number]
        return "".join(cells[column].data for column in range(max(cells, default=-1) + 1)).rstrip()

    def type(self, text: str) -> None:
        os.write(self._outside, text.encode())

    def recalls(self, key: str, line: str) -> None:
        """Press a key until the last line begins so: a prompt that is new may still be reading its history."""
        for _ in range(10):
            self.type(key)
            with suppress(AssertionError):
                return wait_until(lambda: (self.lines or [""])[-1].startswith(line), f"{line!r} is shown", seconds=2)
        raise AssertionError(f"{line!r} is not recalled\n{os.linesep.join(self.lines)}")

    def shows(self, *last: str) -> None:
        """Wait until these are the last lines."""
        wanted = [line.rstrip() for line in last]
        try:
            wait_until(lambda: self.lines[-len(wanted) :] == wanted, f"the last lines are {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{os.linesep.join(self.lines)}") from None

    def holds(self, text: str) -> None:
        """Wait until some line holds this."""
        try:
            wait_until(lambda: any(text in line for line in self.lines), f"{text!r} is shown")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{os.linesep.join(self.lines)}") from None

    def end(self, number: signal.Signals | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(20)
