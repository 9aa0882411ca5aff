"""Tally: what this worker counts of its attempts, by type, until upkeep.py hands the sums to the server. Beside settle.py.

Jobs that were claimed together and ended together are counted together, so a job costs no more than a look at its token.
"""

import secrets
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

from barq.outcome import Failure, Outcome, Success
from barq.record import Record
from barq.sums import COMPLETED, FAILED, RETRIED, RUNNING, WAITING, Sums
from barq.worker.attempt import Attempt

_LOOKED_AT: Final = 4
"""Of jobs that one claim brought, so many stand for all when it is told how long they waited."""
MOST_TYPES: Final = 100
"""Types whose sums travel in one call."""

Handover = tuple[str, dict[str, Sums]]


class Tally:
    def __init__(self) -> None:
        self._sums: dict[str, Sums] = {}
        self._handed: Handover | None = None

    def claimed(self, type: str, token: bytes, jobs: Sequence[tuple[bytes, bytes]]) -> None:
        """Jobs were claimed under one token. How long a job waited is told of its first run: when those behind it could
        begin is not in what a claim brings."""
        if not token.startswith(b"1 "):
            return
        started_ms, sums = int(token.split(b" ", 4)[3]), self._of(type)
        looked_at = jobs if len(jobs) <= _LOOKED_AT else jobs[:: -(-len(jobs) // _LOOKED_AT)]
        each, more = divmod(len(jobs), len(looked_at))
        for at, (_, text) in enumerate(looked_at):
            sums.took(WAITING, started_ms - Record(text).ready_ms, each + (at < more))

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
        sums = self._of(attempt.lane.type)
        sums.counts[ending] += times
        sums.took(RUNNING, (at - attempt.claimed_at) * 1000, times)

    def _of(self, type: str) -> Sums:
        sums = self._sums.get(type)
        if sums is None:
            sums = self._sums[type] = Sums()
        return sums

    # ---- handing over

    def handover(self) -> Handover | None:
        """Sums under a name of their own, the same until the server is known to have them; None when there are none."""
        if self._handed is None and self._sums:
            types = list(islice(self._sums, MOST_TYPES))
            self._handed = secrets.token_hex(8), {type_: self._sums.pop(type_) for type_ in types}
        return self._handed

    def handed_over(self) -> None:
        self._handed = None
