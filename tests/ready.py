"""A process that has imported what others need, and forks for each: a start of Python costs more than most of what is tested.

What is forked is a process as any other, in a session of its own, with its own environment, folder and streams. Tests of
starts and of imports run Python itself.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE
from types import TracebackType
from typing import IO, Any, Final, Self

ROOT: Final = Path(__file__).parent.parent
IMPORTED: Final = (
    "barq.cli.client.command",
    "barq.sync",
    "barq.worker.processes",
    "barq.worker.run",
    "redis.asyncio",
    "tests.worker.in_process",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
"""Beside the commands of the command line: what is imported late."""


class Forked:
    """What `subprocess.Popen(command, …)` is, of a command of `sys.executable`: -m MODULE or FILE, and arguments.

    `terminal`: the end of one, to become its only process with; nothing else is a stream then.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: dict[str, str] | None = None,
        cwd: Path = ROOT,
        stdin: int | IO[Any] = DEVNULL,
        stdout: int | IO[Any] = PIPE,
        stderr: int | IO[Any] = PIPE,
        terminal: int | None = None,
    ) -> None:
        assert command[0] == sys.executable, f"{command[0]} is not this Python"
        self.args = command
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        with contextlib.ExitStack() as stack:
            if terminal is None:
                self.stdin, given = _stream(stdin, stack, writes=True)
                self.stdout, out = _stream(stdout, stack, writes=False)
                self.stderr, err = _stream(stderr, stack, writes=False)
                fds = [given, out, err]
            else:
                fds = [terminal]
            self._answers, theirs = socket.socketpair()
            stack.enter_context(theirs)
            asked = [command[1:], dict(os.environ) if env is None else env, str(cwd)]
            socket.send_fds(server(), [json.dumps(asked).encode()], [*fds, theirs.fileno()])
        self._words = self._answers.makefile("rb")
        self.pid = int(self._words.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: BaseException | type[BaseException] | TracebackType | None) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._words.readline())
            self._words.close()
            self._answers.close()
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    command: Sequence[str], *, env: dict[str, str], cwd: Path, input: str | None = None, timeout: float
) -> "subprocess.CompletedProcess[str]":
    """What `subprocess.run(…, capture_output=True, text=True)` does."""
    with contextlib.ExitStack() as stack:
        given, out, err = (stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
        given.write(input or "")
        given.seek(0)
        process = Forked(command, env=env, cwd=cwd, stdin=given, stdout=out, stderr=err)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


def _stream(wanted: int | IO[Any], stack: contextlib.ExitStack, *, writes: bool) -> tuple[IO[bytes] | None, int]:
    """Our end, if there is one, and what the process gets."""
    if wanted == DEVNULL:
        return None, stack.enter_context(open(os.devnull, "r+b", buffering=0)).fileno()
    if wanted == PIPE:
        reads_from, writes_to = os.pipe()
        ours, theirs = (writes_to, reads_from) if writes else (reads_from, writes_to)
        stack.callback(os.close, theirs)
        return os.fdopen(ours, "wb" if writes else "rb"), theirs
    return None, wanted if isinstance(wanted, int) else wanted.fileno()


@functools.cache
def server() -> socket.socket:
    """It is started when it is first needed: one for all tests of a process of pytest, with which it ends."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.ready", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=DEVNULL,
            stdout=DEVNULL,
            start_new_session=True,
            cwd=ROOT,
        ).returncode = 0  # nobody waits for it
    return ours


# ---- the process itself


def _serve(asked: socket.socket) -> None:
    """Fork for what is asked, until who asks has gone; returns in a process that has been asked for, once it is done."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who attends to a process needs nobody to wait for it
    while True:
        request, fds, _, _ = socket.recv_fds(asked, 1 << 20, 4)
        if not request:
            return
        if os.fork() == 0:  # this one waits for the process, the next one is it
            asked.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            *streams, answers = fds
            pid = os.fork()
            if pid == 0:
                os.close(answers)
                _become(json.loads(request), streams)
                return
            _attend(pid, streams, answers)
        for fd in fds:
            os.close(fd)


def _attend(pid: int, streams: list[int], answers: int) -> None:
    for fd in streams:
        os.close(fd)
    os.write(answers, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):  # nobody asks any more
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(asked: list[Any], streams: list[int]) -> None:
    argv, env, cwd = asked
    if len(streams) == 1:
        os.login_tty(streams[0])
    else:
        os.setsid()
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
            os.close(fd)
    for output in (sys.stdout, sys.stderr):
        output.reconfigure(line_buffering=output.isatty() or output is sys.stderr)  # type: ignore[union-attr]
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.dont_write_bytecode = bool(env.get("PYTHONDONTWRITEBYTECODE"))
    if argv[0] == "-m":
        sys.path[0], sys.argv = cwd, argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv = str(Path(argv[0]).parent), argv
        runpy.run_path(argv[0], run_name="__main__")


def main(descriptor: int) -> None:
    from barq.cli import _WHERE

    commands = {f"barq.cli.{where.partition(':')[0]}" for where in _WHERE.values()}
    for module in (*commands, *IMPORTED):
        importlib.import_module(module)
    gc.freeze()
    with socket.socket(fileno=descriptor) as asked:
        _serve(asked)


if __name__ == "__main__":
    main(int(sys.argv[1]))
