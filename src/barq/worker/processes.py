"""Processes: the child processes for handlers with run='process'. Beside pool.py, whose threads use it; before child.py."""

import asyncio
import contextlib
import functools
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Pipe
from typing import Any, Final

import msgspec

from barq.aio import cancelled
from barq.errors import InvalidValue, ProcessDied, ServerError
from barq.handlers import Handler
from barq.outcome import Outcome, Release, Success
from barq.queue import Queue
from barq.worker.attempt import Attempt
from barq.worker.child import Start
from barq.worker.line import (
    TERM_SECONDS,
    Answered,
    Began,
    Close,
    Given,
    Line,
    Logged,
    Raised,
    Returned,
    Step,
    ToWorker,
    Word,
)
from barq.worker.place import MAINS, main_again, place_of, preparation
from barq.worker.pool import ThreadPool
from barq.worker.run import Runner
from barq.worker.settle import Words

log = logging.getLogger("barq.worker")

START_SECONDS: Final = 60.0
"""How long a child may take to import the application."""
LOOK_SECONDS: Final = 1.0
"""How often is looked whether a child that is silent is still alive."""
_DEATH_SECONDS: Final = 1.0
_LOOK_AGAIN_SECONDS: Final = 0.01

_BOOT = (
    "import sys; from multiprocessing.connection import Connection; line = Connection(int(sys.argv[1])); "
    "sys.path[:] = line.recv(); from barq.worker.child import main; main(line)"
)


def usual_count() -> int:
    """As many as there are processors for this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_of(queues: Iterable[tuple[Queue, Iterable[Handler]]]) -> Start:
    """What children of a worker need for these handlers. Raises InvalidValue when they could not run them."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise InvalidValue("handlers with run='process' need a Python interpreter, and this program has none")
    places = [(queue, [place_of(handler) for handler in handlers]) for queue, handlers in queues]
    try:
        pickled = pickle.dumps(places)
    except Exception as error:
        raise InvalidValue(
            f"handlers with run='process' get a copy of their queue, and this one can't be pickled: {error}"
        ) from error
    prepared = preparation()
    if any(name.encode() in pickled for name in MAINS):
        prepared |= main_again()
    return Start(prepared, pickled, logging.getLogger().level)


class Children:
    """A worker's child processes: started when they are needed, kept for later jobs, killed with what they run."""

    def __init__(
        self,
        start: Start,
        runner_of: Callable[[Attempt], Runner],
        words_of: Callable[[Attempt], Words],
        *,
        most: int,
        began: Callable[[Attempt], None],
        ended: Callable[[Attempt, Outcome], None],
    ) -> None:
        self._start = pickle.dumps(start.preparation["sys_path"]), pickle.dumps(start)
        self._runner_of = runner_of
        self._words_of = words_of
        self._began = began
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPool(self._run, ended, most=most)
        self._lock = threading.Lock()
        self._all: set[Process] = set()
        self._idle: list[Process] = []
        self._asked: set[asyncio.Task[bytes | None]] = set()
        self._closed = False

    def submit(self, attempt: Attempt) -> None:
        self._pool.submit(attempt)

    def kill(self, attempt: Attempt) -> None:
        """End what runs it: politely, then by force."""
        with self._lock:
            process = attempt.process
            if process is not None:
                process.signal(signal.SIGTERM)
        if process is not None:
            self._loop.call_later(TERM_SECONDS, process.signal, signal.SIGKILL)

    async def gone(self, attempts: Iterable[Attempt]) -> None:
        """Wait until the killed processes of these are dead."""
        give_up_at = self._loop.time() + TERM_SECONDS + _DEATH_SECONDS
        while any(attempt.process for attempt in attempts) and self._loop.time() < give_up_at:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def close(self) -> None:
        """End them all."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._all.difference_update(idle)
            busy = list(self._all)
        self._pool.close()
        for process in busy:
            process.signal(signal.SIGKILL)
        await cancelled(self._asked)  # who asked is dead
        await asyncio.to_thread(_close, idle)
        give_up_at = self._loop.time() + _DEATH_SECONDS
        while self._all and self._loop.time() < give_up_at:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    # ---- in a thread of the pool

    def _run(self, attempt: Attempt, _loop: asyncio.AbstractEventLoop) -> Outcome:
        """Have a child run it."""
        try:
            ending: Returned | Raised | Exception = self._ending(attempt)
        except Exception as error:
            ending = error
        if attempt.timed_out:
            return self._runner_of(attempt).timed_out(attempt)
        match ending:
            case Returned():
                return Success(ending.result, ending.discard)
            case Raised():
                return self._runner_of(attempt).failed(attempt, ending.error, ending.then)
            case _ if attempt.handed_back or attempt.ended:
                return Release()
            case _:
                return self._runner_of(attempt).failure(attempt, ending)

    def _ending(self, attempt: Attempt) -> Returned | Raised:
        while True:
            process, is_new = self._taken(attempt)
            began = False
            try:
                self._check_wanted(attempt)  # from now on kill() finds the process
                process.line.say(
                    Given(attempt.lane.type, attempt.member, attempt.token, attempt.record.text, attempt.lane.queue)
                )
                while True:
                    match process.hear(None if began else START_SECONDS):
                        case Began():
                            began = True
                            if attempt.lane.timed or attempt.record.has_options:
                                self._loop.call_soon_threadsafe(self._began, attempt)
                        case (Word() | Step()) as said:
                            self._loop.call_soon_threadsafe(self._say, process, attempt, said)
                        case Logged() as logged:
                            _log(logged, process.pid)
                        case ending:
                            return ending
            except (EOFError, OSError, msgspec.DecodeError) as error:
                how = process.bury()
                if began or is_new:
                    how = str(error) if isinstance(error, TimeoutError) else how
                    raise ProcessDied(f"the process of its handler has died: {how}") from None
                log.warning("the idle process %d has died: %s; another one runs %s", process.pid, how, attempt.label)
            finally:
                self._give_back(process, attempt)

    def _taken(self, attempt: Attempt) -> "tuple[Process, bool]":
        """A process for it, and whether that is new."""
        self._check_wanted(attempt)
        with self._lock:
            if self._idle:
                attempt.process = self._idle.pop()
                return attempt.process, False
        process = Process(*self._start)
        with self._lock:
            self._all.add(process)
            attempt.process = process
        return process, True

    def _check_wanted(self, attempt: Attempt) -> None:
        if self._closed or attempt.handed_back or attempt.ended:
            raise ProcessDied("the worker no longer runs it")

    def _give_back(self, process: "Process", attempt: Attempt) -> None:
        with self._lock:
            fit = not process.doomed and not self._closed
            if fit:
                self._idle.append(process)
                attempt.process = None
        if not fit:
            process.bury()
            with self._lock:
                self._all.discard(process)
                attempt.process = None

    # ---- in the loop

    def _say(self, process: "Process", attempt: Attempt, said: Word | Step) -> None:
        """Pass on what a handler says; it gets the answer."""
        answer: asyncio.Future[Any]
        words = self._words_of(attempt)
        if isinstance(said, Word):
            answer = words.say(attempt.holding, said.kind, said.body)
        else:
            step = words.step(attempt.holding, said.name, said.body)
            answer = asked = self._loop.create_task(step, name="barq step")
            self._asked.add(asked)
            asked.add_done_callback(self._asked.discard)
        answer.add_done_callback(functools.partial(_pass_on, process, said.number))


class Process:
    """One child process. The thread of the pool that runs something in it talks with it; any thread may kill it."""

    def __init__(self, sys_path: bytes, start: bytes) -> None:
        ours, theirs = Pipe()
        try:
            # a process group of its own: Ctrl-C in a terminal is for the worker, and what its handler starts ends with it
            self._process = subprocess.Popen(
                [sys.executable, *_flags(), "-P", "-c", _BOOT, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        self.doomed = False
        self.line: Line[ToWorker] = Line(ours, ToWorker)
        self._how = ""
        self._lock = threading.Lock()
        with contextlib.suppress(OSError):  # who gives it a job finds out
            ours.send_bytes(sys_path)
            ours.send_bytes(start)

    def hear(self, timeout: float | None = None) -> ToWorker:
        """The next message. Raises EOFError or OSError when there will be none, TimeoutError when there is none in time."""
        give_up_at = None if timeout is None else time.monotonic() + timeout
        while True:
            dead = self._is_dead()  # a process that its handler has forked may keep the line open
            message = self.line.hear(0 if dead else LOOK_SECONDS)
            if message is not None:
                return message
            if dead:
                raise EOFError
            if give_up_at is not None and time.monotonic() >= give_up_at:
                raise TimeoutError(f"it has not begun within {timeout:g} s")

    def signal(self, number: int) -> None:
        """To the process and those that it has started. It is not to be used again."""
        with self._lock:
            self.doomed = True
            if not self._how:  # else its number may be another process's
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)

    def bury(self) -> str:
        """Kill what is left of it; how it has ended."""
        self.signal(signal.SIGKILL)
        with self._lock:
            if not self._how:
                self._how = _how(self._process.wait())
                self.line.close()
        return self._how

    def end(self, give_up_at: float) -> None:
        """Have it end by itself, as long as there is time."""
        with contextlib.suppress(EOFError, OSError, msgspec.DecodeError):
            while True:
                self.hear(max(0.0, give_up_at - time.monotonic()))
        self.bury()

    def _is_dead(self) -> bool:
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            return False
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # somebody has waited for it already
            return True


def _close(idle: "Sequence[Process]") -> None:
    give_up_at = time.monotonic() + TERM_SECONDS
    for process in idle:
        with contextlib.suppress(OSError):
            process.line.say(Close())
    for process in idle:
        process.end(give_up_at)


def _pass_on(process: Process, number: int, answer: "asyncio.Future[Any]") -> None:
    error = ServerError("the worker has stopped") if answer.cancelled() else answer.exception()
    with contextlib.suppress(OSError):  # it is dead
        if error is None:
            process.line.say(Answered(number, body=answer.result()))
        else:
            process.line.say(Answered(number, error=(type(error).__name__, str(error))))


def _log(logged: Logged, pid: int) -> None:
    logger = logging.getLogger(logged.name)
    if logger.isEnabledFor(logged.level):
        known = {"name": logged.name, "levelno": logged.level, "levelname": logging.getLevelName(logged.level)}
        logger.handle(
            logging.makeLogRecord({**known, "msg": logged.message, "created": logged.created, "process": pid})
        )


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
    return f"exit code {code} ({name}{hint})"


def _flags() -> list[str]:
    """Those of this interpreter, as multiprocessing passes them on."""
    return list(subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]
