"""Attempt: one run of one job, from its claim until the server knows how it ended."""

import asyncio
from typing import TYPE_CHECKING

from barq.record import Record
from barq.worker.slots import Lane

if TYPE_CHECKING:
    from barq.protocol.calls import Holding
    from barq.worker.processes import Process


class Attempt:
    """A job in a slot of this worker."""

    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    process: "Process | None" = None
    """The child process that it runs in."""
    timed_out = False
    handed_back = False
    settle_until: float | None = None
    """Set when the server refuses to settle it."""
    ended = False
    """Its outcome is on its way: what its function still does no longer counts."""

    def __init__(self, member: bytes, token: bytes, record: Record, lane: Lane, claimed_at: float) -> None:
        self.member = member
        self.token = token
        self.record = record
        self.lane = lane
        self.claimed_at = claimed_at

    @property
    def holding(self) -> "Holding":
        return self.lane.name, self.member, self.token

    @property
    def label(self) -> str:
        return f"job {self.lane.id_of(self.member)} ({self.lane.type})"
