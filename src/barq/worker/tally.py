"""Tally: what this worker counts of its attempts, by type, until upkeep.py hands the sums to the server. Beside settle.py.

Jobs that were claimed together and ended together are counted together, so a job costs no more than a look at its token.
"""

import os
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

from barq.outcome import Failure, Outcome, Success
from barq.record import ready_ms
from barq.sums import CELLS, COMPLETED, FAILED, RETRIED, RUNNING, TOTAL, WAITING, Sums, cell_of
from barq.worker.attempt import Attempt

MOST_TYPES: Final = 40
"""Types whose sums travel in one call."""

Handover = tuple[str, dict[str, Sums]]

_CELLS_OF_SHORT: Final = [cell_of(ms) for ms in range(2000)]


class Count:
    """What is counted of one type. Lists, not a Sums: this is done for every claim and every settle."""

    __slots__ = ("counts", "ran", "ran_ms", "waited", "waited_ms")

    def __init__(self) -> None:
        self.counts = [0, 0, 0]
        self.waited = [0] * CELLS
        self.ran = [0] * CELLS
        self.waited_ms = self.ran_ms = 0

    def add_wait(self, ms: int, times: int) -> None:
        if ms < 0:
            ms = 0
        self.waited[_CELLS_OF_SHORT[ms] if ms < 2000 else cell_of(ms)] += times
        self.waited_ms += ms * times

    def add_run(self, ms: int, times: int, ending: int) -> None:
        self.counts[ending] += times
        self.ran[_CELLS_OF_SHORT[ms] if ms < 2000 else cell_of(ms)] += times
        self.ran_ms += ms * times

    def sums(self) -> Sums:
        cells: dict[int, int] = {}
        for histogram, numbers, ms in ((WAITING, self.waited, self.waited_ms), (RUNNING, self.ran, self.ran_ms)):
            told = {histogram + cell: number for cell, number in enumerate(numbers) if number}
            if told:
                cells |= told | {histogram + TOTAL: ms}
        return Sums(self.counts, cells)


class Tally:
    def __init__(self) -> None:
        self._counted: dict[str, Count] = {}
        self._handed: Handover | None = None

    def claimed(self, type: str, token: bytes, jobs: Sequence[tuple[bytes, bytes]]) -> None:
        """Jobs were claimed under one token. How long a job waited is told of its first run: when those behind it could
        begin is not in what a claim brings. Of jobs that came together the first and the last stand for all."""
        if not token.startswith(b"1 "):
            return
        started_ms, count, more = int(token.split(b" ", 4)[3]), self._of(type), len(jobs) // 2
        count.add_wait(started_ms - ready_ms(jobs[0][1]), len(jobs) - more)
        if more:
            count.add_wait(started_ms - ready_ms(jobs[-1][1]), more)

    def ended(self, batch: Sequence[tuple[Attempt, Outcome]], stale: Collection[bytes], at: float) -> None:
        """The server has heard of attempts that ended at that monotonic time; those that are stale do not count."""
        if stale:
            batch = [one for one in batch if one[0].member not in stale]
        first, token, times = None, None, 0  # completed jobs of one claim
        for attempt, outcome in batch:
            if outcome.__class__ is Success:
                if attempt.token is token:
                    times += 1
                    continue
                if first is not None:
                    self._add(first, COMPLETED, times, at)
                first, token, times = attempt, attempt.token, 1
            elif isinstance(outcome, Failure):
                self._add(attempt, FAILED if outcome.retry_ms is None else RETRIED, 1, at)
        if first is not None:
            self._add(first, COMPLETED, times, at)

    def _add(self, attempt: Attempt, ending: int, times: int, at: float) -> None:
        self._of(attempt.lane.type).add_run(int((at - attempt.claimed_at) * 1000), times, ending)

    def _of(self, type: str) -> Count:
        count = self._counted.get(type)
        if count is None:
            count = self._counted[type] = Count()
        return count

    # ---- handing over

    def handover(self) -> Handover | None:
        """Sums under a name of their own, the same until the server is known to have them; None when there are none."""
        if self._handed is None and self._counted:
            types = list(islice(self._counted, MOST_TYPES))
            self._handed = os.urandom(8).hex(), {type_: self._counted.pop(type_).sums() for type_ in types}
        return self._handed

    def handed_over(self) -> None:
        self._handed = None
