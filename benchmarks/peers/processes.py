"""Processes: a peer's producer or worker with the processes it starts itself: their CPU, their memory, their end."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

STOP_SECONDS = 3.0


class Broken(Exception):
    """A step that gave no figure; its text says why."""


class Family:
    """A process in a session of its own, with all its children."""

    def __init__(
        self, command: list[str], *, variables: dict[str, str], log: Path, pass_fds: tuple[int, ...] = ()
    ) -> None:
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **variables},
                cwd=log.parent,
                start_new_session=True,
                pass_fds=pass_fds,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        if self.process.poll() is not None:
            raise Broken(f"ended with {self.process.returncode}: {self.last_words()}")

    def cpu_seconds(self) -> float:
        """CPU used so far by all of them, those that ended and were waited for included."""
        total = 0.0
        for member in self._members():
            with contextlib.suppress(psutil.Error, OSError):
                ended = member.cpu_times()
                total += cpu_seconds(member.pid) + ended.children_user + ended.children_system
        return total

    def resident_bytes(self) -> int:
        total = 0
        for member in self._members():
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
        return total

    def stop(self, *, gently: bool = True) -> None:
        """SIGTERM, then SIGKILL for whoever is left of its session."""
        members = self._members()
        if gently and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        for member in members:
            with contextlib.suppress(psutil.Error):
                member.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(10)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def last_words(self) -> str:
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:200] if lines else "it said nothing"

    def _members(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self.pid)
            return [first, *first.children(recursive=True)]
        except psutil.Error:
            return []


class Producer:
    """A family that runs drive.py or drive.js and obeys."""

    def __init__(self, command: list[str], *, variables: dict[str, str], log: Path) -> None:
        self._answers, theirs = os.pipe()
        self._rest = b""
        try:
            self._family = Family(
                command, variables={**variables, "PEER_ANSWERS": str(theirs)}, log=log, pass_fds=(theirs,)
            )
        finally:
            os.close(theirs)
        try:
            self.has_bulk = bool(self._answer(30)["bulk"])
        except Broken:
            self.stop()
            raise

    def ask(self, patience: float, /, **command: Any) -> dict[str, Any]:
        stdin = self._family.process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(command).encode() + b"\n")
            stdin.flush()
        except OSError:
            self._family.process.wait(5)
            self._family.check()
        return self._answer(patience)

    def stop(self) -> None:
        self._family.stop()
        if self._answers >= 0:
            os.close(self._answers)
            self._answers = -1

    def _answer(self, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise Broken(f"the producer did not answer within {seconds:g} s: {self._family.last_words()}")
            piece = os.read(self._answers, 1 << 20)
            if not piece:
                raise Broken(f"the producer ended: {self._family.last_words()}")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used, to the nanosecond where the system has a clock for it."""
    if hasattr(time, "clock_gettime") and os.path.exists("/proc/self/stat"):
        return time.clock_gettime((~pid << 3) | 2)  # the kernel's number for that clock
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system
