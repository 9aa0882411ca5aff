"""Held: the jobs that a worker holds, from the claim that brought them until the server knows how they ended.

Between claim.py or turn.py, which bring them, and run.py, pool.py or processes.py, where they run.
"""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from barq.outcome import Outcome, Release
from barq.protocol.calls import Handed
from barq.record import Record
from barq.worker.attempt import Attempt
from barq.worker.run import Runner

if TYPE_CHECKING:
    from barq.worker.claim import Waiting
    from barq.worker.pool import ThreadPool
    from barq.worker.processes import Children
    from barq.worker.slots import Slots
    from barq.worker.tally import Tally
    from barq.worker.turn import Turns

log = logging.getLogger("barq.worker")

CANCEL_SECONDS: Final = 5.0
"""How long a handler may take to end after it was cancelled by its timeout, before its slot is given up on."""


class Held(dict[bytes, Attempt]):
    """Attempts by the job's member. `connect` tells it of the worker's other parts before the first is claimed."""

    done = 0
    """Attempts that ended here."""

    def connect(
        self,
        *,
        slots: "Slots",
        tally: "Tally",
        runner: Runner,
        turns: "Turns",
        listener: "Waiting",
        pool: "ThreadPool",
        children: "Children | None",
        stop: asyncio.Event,
        something_ended: asyncio.Event,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots = slots
        self._tally = tally
        self._runner = runner
        self._turns = turns
        self._listener = listener
        self._pool = pool
        self._children: Any = children  # there are some where a handler runs in them
        self._stop = stop
        self._something_ended = something_ended

    def start(self, handed: list[Handed]) -> None:
        """Run what a claim brought."""
        claimed_at, slots = time.monotonic(), self._slots
        stopping = self._stop.is_set()  # the claim was on its way
        self._listener.found_nothing = False
        starts: list[list[Attempt]] = []
        for lane_name, token, jobs in handed:
            lane = slots.lanes[lane_name]
            attempts: list[Attempt] = []
            if not stopping:
                self._tally.claimed(lane.type, token, jobs)
                slots.take(lane, len(jobs))
            for member, text in jobs:
                if member in self:  # lost by this very worker without its hearing of it
                    self.lost([self[member]])
                attempt = self[member] = Attempt(member, token, Record(text), lane, claimed_at)
                if stopping:
                    self.settle(attempt, Release())
                    continue
                if lane.is_async:
                    if lane.timed or attempt.record.has_options:
                        self._watch_time(attempt)
                    attempts.append(attempt)
                elif lane.in_process:
                    self._children.submit(attempt)  # its time begins there
                else:
                    if lane.timed or attempt.record.has_options:
                        self._watch_time(attempt)
                    self._pool.submit(attempt)
            if attempts:
                starts.append(attempts)
        for attempts in starts:  # once the slots of all are taken: some may end, and claim, at once
            self._runner.carriers.start(attempts)

    def ended(self, attempt: Attempt, outcome: Outcome) -> None:
        """Its function has returned or raised: the slot is free."""
        if attempt.timer is not None:
            attempt.timer.cancel()
        self.done += 1
        self._slots.leave(attempt.lane)
        if attempt.ended:
            self._turns.kick()
        else:
            self.settle(attempt, outcome)

    def all_ended(self, ended: list[tuple[Attempt, Outcome]]) -> None:
        """The same for runs of one type that ended one after the other."""
        self._slots.leave(ended[0][0].lane, len(ended))
        to_settle = []
        for attempt, outcome in ended:
            if attempt.timer is not None:
                attempt.timer.cancel()
            if not attempt.ended:
                attempt.ended = True
                to_settle.append((attempt, outcome))
        self.done += len(ended)
        self._turns.settle_together(to_settle)

    def settle(self, attempt: Attempt, outcome: Outcome) -> None:
        """Only the first word on how it ended counts."""
        if not attempt.ended:
            attempt.ended = True
            self._turns.settle(attempt, outcome)

    def settled(self, attempts: list[Attempt]) -> None:
        """The server knows how they ended."""
        for attempt in attempts:
            if self.get(attempt.member) is attempt:
                del self[attempt.member]
        self._something_ended.set()

    # ---- what may befall it

    def began(self, attempt: Attempt) -> None:
        """In its child process."""
        if not attempt.ended:
            self._watch_time(attempt)

    def _watch_time(self, attempt: Attempt) -> None:
        timeout_ms = self._runner.timeout_ms(attempt)
        if timeout_ms is not None:
            attempt.timer = self._loop.call_later(timeout_ms / 1000, self._time_is_up, attempt)

    def _time_is_up(self, attempt: Attempt) -> None:
        attempt.timed_out = True
        if attempt.task is None and not attempt.lane.in_process:
            self._give_up(attempt)  # a thread can't be stopped: its slot stays taken until it returns
        else:
            self.end_early(attempt)
            attempt.timer = self._loop.call_later(CANCEL_SECONDS, self._give_up, attempt)

    def end_early(self, attempt: Attempt) -> None:
        if attempt.task is not None:
            attempt.task.cancel()
        elif attempt.lane.in_process:
            self._children.kill(attempt)

    def _give_up(self, attempt: Attempt) -> None:
        self.settle(attempt, self._runner.timed_out(attempt))

    def lost(self, attempts: list[Attempt]) -> None:
        """The server says that these are no longer ours: cancelled, or given to others when their leases ran out."""
        for attempt in attempts:
            if attempt.ended:
                continue
            attempt.ended = True
            log.warning("%s: its lease was lost or it was cancelled; its run no longer counts", attempt.label)
            self.settled([attempt])
            self.end_early(attempt)
