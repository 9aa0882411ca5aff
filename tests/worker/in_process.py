"""Handlers for tests of child processes. They stand here by name, for a child finds them by it."""

import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

import barq
import barq.sync

if slow := os.environ.get("SLOW_IMPORT"):  # in children only: the tests set it when this module is imported already
    time.sleep(float(slow))
if os.environ.get("BROKEN_IMPORT"):
    raise RuntimeError("broken in the child")

log = logging.getLogger("shop")

Job = barq.sync.Job[Any]


def pid(job: Job) -> int:
    return os.getpid()


def about(job: Job) -> dict[str, Any]:
    job.log("one line")
    asked = {"id": job.id, "type": job.type, "data": job.data, "attempt": job.attempt, "title": job.title}
    return {**asked, "state": job.state, "logs": [text for _, text in job.refresh().logs()]}


def same(job: Job) -> Any:
    return job.data


def talk(job: Job) -> None:
    for n in range(100):
        job.progress(n, 100, {"n": n}) if n % 2 else job.log(f"line {n}")


def talk_on(job: Job) -> None:
    """Says it without waiting until it is stored."""

    async def said() -> None:
        for n in range(100):
            job.asyncio.progress(n) if n % 2 else job.asyncio.log(f"line {n}")

    asyncio.run(said())


def talk_nonsense(job: Job) -> None:
    for value in (None, 5, "x" * 20_000):
        assert refused(lambda value=value: job.log(value), barq.InvalidValue, barq.InvalidType)
    assert refused(lambda: job.progress(1, 2, object()), barq.InvalidValue)


def refused(say: Callable[[], Any], *errors: type[Exception]) -> bool:
    """Without pytest, whose import costs each child more than barq's."""
    try:
        say()
    except errors:
        return True
    return False


def talk_late(job: Job) -> list[str]:
    """Keeps its job, and speaks for it while the next one runs."""
    heard = []
    for late in _kept:
        try:
            late.log("too late")
        except barq.LeaseLost as error:
            heard.append(str(error))
    _kept.append(job)
    return heard


_kept: list[Job] = []


def step_once(job: Job) -> list[Any]:
    """Fails at its first attempt, behind a step."""
    pid = job.once("charge", lambda key: [key, os.getpid()])
    if job.attempt == 1:
        os._exit(1)
    return [pid, os.getpid()]


def write_logging(job: Job) -> None:
    log.debug("not this")
    log.info("%d %% done", 50)
    try:
        raise ValueError("no way")
    except ValueError:
        log.exception("it went wrong")


class Odd(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"odd {one} {two}")


def fail(job: Job) -> None:
    raise {
        "ValueError": lambda: ValueError("no such address"),
        "SystemExit": lambda: SystemExit(3),
        "KeyboardInterrupt": KeyboardInterrupt,
        "Odd": lambda: Odd(1, 2),
        "long": lambda: ValueError("x" * 10_000_000),
    }[job.data]()


RESULTS: dict[str, Any] = {"object": object(), "nan": float("nan"), "set": {1}, "bytes": b"x", "long": "x" * 2_000_000}


def result(job: Job) -> Any:
    return RESULTS[job.data]


def die(job: Job) -> None:
    """In the way that its data tells, at its first attempt."""
    if job.attempt > 1:
        return
    match job.data:
        case "exit":
            os._exit(7)
        case "exit 0":
            os._exit(0)
        case "fork":  # what it leaves behind holds its end of the line
            forked = os.fork()
            if not forked:
                time.sleep(60)
                os._exit(0)
            job.log(f"runs in {forked}")
            os._exit(3)
        case str(name):
            os.kill(os.getpid(), signal.Signals[name])
            time.sleep(60)


def wait(job: Job) -> int:
    """Says that it runs in which process, then waits for the file that it is given."""
    job.log(f"runs in {os.getpid()}")
    while not Path(job.data).exists():
        time.sleep(0.01)
    return os.getpid()


def wait_politely(job: Job) -> None:
    try:
        wait(job)
    finally:
        Path(f"{job.data}.cleaned").touch()


def wait_stubbornly(job: Job) -> None:
    while True:
        with contextlib.suppress(BaseException):
            wait(job)
            return


def wait_deafly(job: Job) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait(job)


def wait_busily(job: Job) -> None:
    job.log(f"runs in {os.getpid()}")
    while True:
        pass


def wait_outside(job: Job) -> None:
    """Runs another program."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    job.log(f"runs in {program.pid}")
    program.wait()


def wait_in_threads(job: Job) -> None:
    """Leaves a thread behind that does not end."""
    threading.Thread(target=time.sleep, args=(60,)).start()
    wait(job)


class Meter:
    """Counts in a folder what runs at a time."""

    def __init__(self, folder: str) -> None:
        self._mark = Path(folder, f"{os.getpid()}")
        self._most = Path(folder, "most")

    def run(self) -> None:
        self._mark.touch()
        time.sleep(0.02)
        running = len([path for path in self._mark.parent.iterdir() if path.name.isdigit()])
        with self._most.open("a") as most:
            most.write(f"{running}\n")
        self._mark.unlink()


def meter(job: Job) -> None:
    Meter(job.data).run()


def announced(function: Callable[[Job], Any]) -> Callable[[Job], Any]:
    @functools.wraps(function)
    def wrapper(job: Job) -> Any:
        return {"announced": function(job)}

    return wrapper


@announced
def wrapped(job: Job) -> str:
    return "done"


class Shop:
    @staticmethod
    def sell(job: Job) -> str:
        return f"sold {job.data}"


class Size(msgspec.Struct):
    width: int


def resize(size: Size, by: int = 2) -> Size:
    return Size(size.width // by)


class Codec(barq.JsonCodec):
    """One of the application's own."""

    def encode(self, value: Any) -> bytes:
        return b"~" + super().encode(value)

    def decode(self, payload: bytes) -> Any:
        return json.loads(payload[1:])
