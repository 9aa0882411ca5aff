"""Processes: the workers and producers of a run as its driver starts, strikes and ends them."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tests.support import ROOT


class Terms(msgspec.Struct, frozen=True):
    """What all processes of a run agree on. `most_outstanding`: so many jobs at most are unfinished, and at most half a
    second's work; with `overload` the producers fill it up whatever the workers manage."""

    queue: str = "chaos"
    seed: int = 1
    lease_ms: int = 3000
    grace_ms: int = 1000
    block_ms: int = 5000
    poison: int = 3
    workers: int = 4
    concurrency: int = 40
    threads: int = 8
    slow_at_a_time: int = 10
    producers: int = 2
    most_outstanding: int = 2000
    overload: bool = False
    keep_events: int = 10_000_000

    @property
    def beat_ms(self) -> int:
        return min(1000, self.lease_ms // 3)


class WorkerState(msgspec.Struct):
    """How a worker stands: for the dump of a failure, and to see that nothing leaked."""

    worker: str = ""
    pid: int = 0
    held: list[int] = []
    free: int = 0
    free_threads: int = 0
    free_of_types: dict[str, int] = {}
    in_flight: int = 0
    to_settle: int = 0
    waits_for_work: bool = False
    connected: list[bool] = []
    tasks: list[str] = []
    threads: list[str] = []
    sockets: int = 0
    last_error: str = ""

    def leaks(self, terms: Terms) -> str:
        """What it should have given back when it is idle; '' when it has."""
        if not self.worker:
            return "it says nothing of itself"
        idle = {
            "held": [],
            "free": terms.concurrency,
            "free_threads": terms.threads,
            "free_of_types": {"slow": terms.slow_at_a_time},
            "to_settle": 0,
        }
        wrong = {name: getattr(self, name) for name, value in idle.items() if getattr(self, name) != value}
        if len(self.tasks) > MOST_TASKS:
            wrong["tasks"] = self.tasks
        if self.sockets > MOST_SOCKETS:
            wrong["sockets"] = self.sockets
        return ", ".join(f"{name} is {value}" for name, value in wrong.items())


MOST_TASKS: Final = 12
"""What an idle worker needs, and some."""

MOST_SOCKETS: Final = 8
"""Four connections, and the sockets by which two event loops wake themselves."""

Main = Callable[[Path, str, str, Terms], None]


def process_main(main: Main, argv: list[str]) -> None:
    """What a process of a run begins with. It ends with its driver."""
    _, folder, url, slot, terms = argv
    main(Path(folder), url, slot, msgspec.json.decode(terms, type=Terms))


def end_with_driver() -> None:
    def wait_for_the_end() -> None:
        while os.read(0, 1000):  # not sys.stdin, whose lock would be held at the interpreter's end
            pass
        os._exit(3)

    threading.Thread(target=wait_for_the_end, name="faults: end with driver", daemon=True).start()


class Child:
    """One process in a slot. Its output goes to a file beside its ledger; its stdin is how it is told what to do."""

    def __init__(self, module: str, folder: Path, url: str, slot: str, terms: Terms) -> None:
        self.slot = slot
        output = folder / f"{slot}.output"
        with output.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(folder), url, slot, msgspec.json.encode(terms).decode()],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, when it has ended."""
        return self._process.poll()

    @property
    def alive(self) -> bool:
        return self.code is None

    def tell(self, line: str) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it is dead: nothing to tell
            stdin.write(line.encode() + b"\n")
            stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            self._process.send_signal(number)

    def kill(self) -> int:
        """End it at once; returns its exit code."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def wait(self, seconds: float | None = None) -> int:
        code = self._process.wait(seconds)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        return code
