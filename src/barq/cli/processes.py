"""Processes: several worker processes of one command: signals go to all, and who is killed starts again."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Final

from barq.cli import exits

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 30.0
LIVED_LONG: Final = 60.0

log = logging.getLogger("barq.worker")


class Place:
    """One of the processes, and those that take its place."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_again_at: float | None = None
        self.wait = FIRST_WAIT


class Processes:
    """Runs `command` `count` times until all have ended by themselves, or a signal ends them."""

    def __init__(self, command: Sequence[str], count: int) -> None:
        self._command = command
        self._places = [Place(number) for number in range(1, count + 1)]
        self._happened: SimpleQueue[int | Place] = SimpleQueue()  # a signal, or whose process has ended
        self._stopped_by: int | None = None
        self._code = 0

    def run(self) -> int:
        """Returns the exit code."""
        for taken in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(taken, self._note)
        for place in self._places:
            self._start(place)
        while any(place.process is not None or place.start_again_at is not None for place in self._places):
            try:
                match self._happened.get(timeout=self._seconds_to_next_start()):
                    case Place() as place:
                        self._ended(place)
                    case number:
                        self._signalled(number)
            except Empty:
                self._start_again()
        if self._stopped_by is not None:
            return exits.INTERRUPTED if self._stopped_by == signal.SIGINT else 0
        return self._code

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._happened.put(number)

    def _start(self, place: Place) -> None:
        # a process group of its own: Ctrl-C in a terminal would reach it twice, and twice means at once
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, process_group=0)
        place.process, place.started_at, place.start_again_at = process, time.monotonic(), None
        log.info("process %d of %d has pid %d", place.number, len(self._places), process.pid)

        def follow() -> None:
            process.wait()
            self._happened.put(place)

        threading.Thread(target=follow, name=f"barq process {place.number}", daemon=True).start()

    def _seconds_to_next_start(self) -> float | None:
        starts = [place.start_again_at for place in self._places if place.start_again_at is not None]
        return max(0.0, min(starts) - time.monotonic()) if starts else None

    def _start_again(self) -> None:
        for place in self._places:
            if place.start_again_at is not None and place.start_again_at <= time.monotonic():
                self._start(place)

    def _ended(self, place: Place) -> None:
        assert place.process is not None
        code = place.process.returncode
        if place.process.stdin is not None:
            place.process.stdin.close()
        place.process = None
        if code >= 0 or self._stopped_by is not None:
            self._code = self._code or max(0, code)
            return
        if time.monotonic() - place.started_at > LIVED_LONG:
            place.wait = FIRST_WAIT
        log.error("process %d died by %s; starts again in %g s", place.number, _name(-code), place.wait)
        place.start_again_at = time.monotonic() + place.wait
        place.wait = min(LONGEST_WAIT, place.wait * 2)

    def _signalled(self, number: int) -> None:
        self._stopped_by = number
        for place in self._places:
            place.start_again_at = None
            if place.process is not None:
                place.process.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def tie() -> None:
    """End this process as SIGTERM does when its stdin ends: who started it is gone."""
    threading.Thread(target=_stop_with_stdin, name="barq tied", daemon=True).start()


def _stop_with_stdin() -> None:
    while os.read(0, 1024):  # not sys.stdin, whose lock a thread must not hold when Python ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)
