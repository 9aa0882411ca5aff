"""A process that has the command line loaded and forks for each command, for starting Python costs more than most commands.

`Ready().run(…)` does what `subprocess.run` would: a process of its own with its own environment, folder and streams. Tests
of starts, signals and imports run `python -m barq` itself.
"""

import contextlib
import functools
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

_STREAMS = 3


class Ready:
    """One for all tests of a process of pytest; it ends with it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._asked = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.cli.ready", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=Path(__file__).parents[2],
            )

    def run(
        self, command: list[str], *, env: dict[str, str], cwd: Path, input: str | None, timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        with contextlib.ExitStack() as stack:
            out, err, given = (stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(_STREAMS))
            given.write(input or "")
            given.seek(0)
            answers, theirs = socket.socketpair()
            stack.enter_context(answers)
            with theirs:
                fds = [*(file.fileno() for file in (given, out, err)), theirs.fileno()]
                socket.send_fds(self._asked, [json.dumps([command, env, str(cwd)]).encode()], fds)
            answers.settimeout(timeout)
            told: IO[str] = stack.enter_context(answers.makefile())
            pid = int(told.readline())
            try:
                code = int(told.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(command, timeout) from None
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, code, out.read(), err.read())


@functools.cache
def ready() -> Ready:
    return Ready()


def serve(asked: socket.socket) -> None:
    """Fork for what is asked, until who asks has gone."""
    from barq.cli import _WHERE

    for where in {where.partition(":")[0] for where in _WHERE.values()} - {"top.command", "dashboard", "demo"}:
        importlib.import_module(f"barq.cli.{where}")
    importlib.import_module("redis.asyncio")
    while True:
        request, fds, _, _ = socket.recv_fds(asked, 1 << 20, _STREAMS + 1)
        if not request:
            return
        if os.fork() == 0:  # this one waits for the command, the next one is it
            asked.close()
            _attend(request, fds)
        for fd in fds:
            os.close(fd)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _attend(request: bytes, fds: list[int]) -> None:
    *streams, answers = fds
    pid = os.fork()
    if pid == 0:
        os.close(answers)
        _become(request, streams)
    os.write(answers, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(request: bytes, streams: list[int]) -> None:
    command, env, cwd = json.loads(request)
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
    for fd in streams:
        os.close(fd)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[0] = cwd
    sys.argv = ["barq", *command]
    from barq.cli import main

    main(prog_name="barq")  # ends the process, as it does everywhere


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        serve(parent)
