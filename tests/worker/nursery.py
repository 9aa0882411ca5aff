"""A process that has imported barq and app.py, and forks workers from itself: python -m tests.worker.nursery DESCRIPTOR.

A worker so started is a process like any other, of its own session, but costs a twentieth of an import of everything.
It has one thread and no event loop, so nothing of it but what is imported lives on in a worker.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import barq.worker.processes  # with all that a worker loads when it needs it  # noqa: F401
from tests.support import ROOT
from tests.worker import app


class Nursery:
    """The test's end of the line."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.worker.nursery", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                start_new_session=True,
            )
        self._line = ours.makefile("rwb", buffering=0)
        self._lock = threading.Lock()
        ours.close()

    def start(self, log: Path, *argv: str) -> int:
        """Start a worker that writes to `log`; its pid."""
        return int(self._ask([str(log), *argv]))

    def code(self, pid: int) -> int | None:
        """The exit code of a worker, as subprocess tells it; None as long as it lives. Once it is told, the pid is free."""
        answer = self._ask(pid)
        return None if answer is None else int(answer)

    def close(self) -> None:
        self._line.close()
        self._process.wait(20)

    def _ask(self, question: Any) -> Any:
        with self._lock:
            self._line.write(json.dumps(question).encode() + b"\n")
            return json.loads(self._line.readline())


def serve(line: BinaryIO) -> list[str]:
    """Answer until the test is gone; returns the arguments of a worker in the process that is to be it."""
    while asked := line.readline():
        question = json.loads(asked)
        answer = _code(question) if isinstance(question, int) else os.fork()
        if not isinstance(question, int) and answer == 0:
            return question
        line.write(json.dumps(answer).encode() + b"\n")
    return []


def _code(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def main(descriptor: int) -> None:
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb", buffering=0) as line:
        worker = serve(line)  # type: ignore[arg-type]
    if worker:
        log, *argv = worker
        os.setsid()
        with open(log, "wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        app.main(*argv)


if __name__ == "__main__":
    main(int(sys.argv[1]))
