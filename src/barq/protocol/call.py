"""Call: one round trip to the server and one atomic script (or one plain command), as a value that a store sends; and
Space, what the calls of one queue share. Sending a call again changes nothing."""

import functools
import os
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec

from barq.options import NO_LIMITS, Limits, Retention
from barq.protocol.scripts import Script
from barq.record import Described, decode_described, member, number

R = TypeVar("R")


Reply = Any


MOST_PER_CALL: Final = 250
"""Jobs in one call: 100 hold the server 0.4 to 0.9 ms, 1,000 hold it 5 to 8 ms."""


YES, NO = b"1", b"0"


class Call(msgspec.Struct, Generic[R], frozen=True):
    """A script with its arguments, or a plain command (script None), and how its reply is read."""

    script: Script | None
    prefix: bytes
    args: tuple[bytes, ...]
    decode: Callable[[Reply], R]
    is_batch: bool = False
    """It need not wait for others to leave with: it is many in one."""

    def again(self) -> "Call[R]":
        """The same call as it is sent when the first answer was lost."""
        if self.script is None or not self.script.writes:
            return self
        return msgspec.structs.replace(self, args=(YES, *self.args[1:]))


class Space(msgspec.Struct, frozen=True):
    """What all calls of one queue share: the prefix of its keys, and how much of its past is kept."""

    queue: str
    events_keep: int = 10_000
    logs_keep: int = 1_000
    completed: Retention = Retention()
    failed: Retention = Retention()
    limits: Limits = NO_LIMITS
    events_bytes: int | None = None
    log_bytes: int | None = None
    partition: int = 0
    partitions: int = 1
    """Of a queue that is cut into several, each is a space of its own; ids are unique over all of them."""

    def part(self, number: int, parts: int) -> "Space":
        """Partition `number` of the queue, which keeps and takes its part of what the queue does."""
        return msgspec.structs.replace(
            self,
            queue=f"{self.queue}/{number}",
            events_keep=-(-self.events_keep // parts),
            events_bytes=None if self.events_bytes is None else -(-self.events_bytes // parts),
            completed=self.completed.part(parts),
            failed=self.failed.part(parts),
            limits=self.limits.part(parts),
            partition=number,
            partitions=parts,
        )

    @property
    def prefix(self) -> bytes:
        return _prefix(self.queue)

    def id_of(self, number: int) -> int:
        """The id of the job that is the `number`-th here. Its remainder by `partitions` says where it is.

        >>> Space("mail").id_of(7), Space("mail/3", partition=3, partitions=16).id_of(7)
        (7, 115)
        """
        return number * self.partitions + self.partition

    def id(self, member_of_line: bytes) -> int:
        """The id of a job that stands here as this member."""
        return number(member_of_line) * self.partitions + self.partition

    def member(self, id: int) -> bytes:
        """A job as it stands here."""
        return member((id - self.partition) // self.partitions)

    def place(self, id: int) -> bytes:
        """Where an id stands among the members here; one of another partition between two of them."""
        return self.member(id) + (b"" if id % self.partitions == self.partition else b"~")


@functools.lru_cache(1024)
def _prefix(queue: str) -> bytes:
    return b"barq:{%b}:" % queue.encode()


def name_of_call() -> bytes:
    """Names a call, so that the server knows it when it is sent again."""
    return os.urandom(8).hex().encode()


def same(reply: list[bytes]) -> list[bytes]:
    return reply


def described(space: Space) -> Callable[[Reply], list[Described]]:
    return functools.partial(decode_described, id_of=space.id)
