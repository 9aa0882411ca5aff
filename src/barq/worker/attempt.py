"""Attempt: one run of one job, from its claim until the server knows how it ended."""

import asyncio
from typing import TYPE_CHECKING

from barq.record import Record, number
from barq.worker.slots import Lane

if TYPE_CHECKING:
    from barq.protocol.calls import Holding


class Attempt:
    """A job in a slot of this worker."""

    __slots__ = (
        "claimed_at",
        "ended",
        "handed_back",
        "lane",
        "member",
        "record",
        "settle_until",
        "task",
        "timed_out",
        "timer",
        "token",
    )

    def __init__(self, member: bytes, token: bytes, record: Record, lane: Lane, claimed_at: float) -> None:
        self.member = member
        self.token = token
        self.record = record
        self.lane = lane
        self.claimed_at = claimed_at
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.timed_out = False
        self.handed_back = False
        self.settle_until: float | None = None  # set when the server refuses to settle it
        self.ended = False  # its outcome is on its way: what its function still does no longer counts

    @property
    def holding(self) -> "Holding":
        return self.lane.name, self.member, self.token

    @property
    def label(self) -> str:
        return f"job {number(self.member)} ({self.lane.type})"
