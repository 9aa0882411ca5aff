"""Record: how a job is written in the server, field by field, and read back. See the key table in docs/architecture.md."""

from collections.abc import Callable

import msgspec

from barq.options import JobOptions, decode_options
from barq.states import State


def member(job_id: int) -> bytes:
    """An id as it stands in the server: its length in front, so that ids of one priority sort by number.

    >>> member(7), member(39)
    (b'a7', b'b39')
    """
    digits = b"%d" % job_id
    return b"%c%b" % (96 + len(digits), digits)


def number(member_of_line: bytes) -> int:
    return int(member_of_line[1:])


def record_head(*, priority: int, type: str, options: bytes) -> bytes:
    """What stands in a record between the time of creation, which the enqueue script puts in front, and the payload."""
    return b"%d\t%b\t%b\n" % (priority, type.encode(), options)


class Record:
    """What was asked: written once by the enqueue. Parsed no further than it is needed."""

    __slots__ = ("_head", "has_options", "payload")

    def __init__(self, record: bytes) -> None:
        self._head, _, self.payload = record.partition(b"\n")
        self.has_options = not self._head.endswith(b"\t")

    @property
    def text(self) -> bytes:
        """As it stands in the server."""
        return self._head + b"\n" + self.payload

    @property
    def created_ms(self) -> int:
        return int(self._words[0])

    @property
    def priority(self) -> int:
        return int(self._words[1])

    @property
    def type(self) -> str:
        return self._words[2].decode()

    @property
    def options(self) -> JobOptions:
        return decode_options(self._words[3])

    @property
    def _words(self) -> list[bytes]:
        return self._head.split(b"\t", 3)


def ready_ms(record: bytes) -> int:
    """Since when a job with that record, or the first line of it, could have run for the first time."""
    ends = record.find(b"\n")
    created_ms = int(record[: record.index(b"\t")])
    if record[ends - 1 : ends] == b"\t" or (ends < 0 and record.endswith(b"\t")):
        return created_ms
    options = Record(record).options
    return max(created_ms + options.delay_ms, options.due_ms)


class Run(msgspec.Struct, frozen=True):
    """The counts of a job's runs, and who holds it while it is active."""

    attempt: int = 0
    failures: int = 0
    rescues: int = 0
    worker: str | None = None
    started_ms: int | None = None


NEVER_RUN = Run()


def decode_run(text: bytes | None) -> Run:
    """`ATTEMPT FAILURES RESCUES`, or while active `ATTEMPT NONCE WORKER STARTED_MS FAILURES RESCUES` (the token)."""
    if not text:
        return NEVER_RUN
    words = text.decode().split(" ")
    if len(words) == 3:
        return Run(int(words[0]), int(words[1]), int(words[2]))
    return Run(int(words[0]), int(words[4]), int(words[5]), words[2], int(words[3]))


class Ending(msgspec.Struct, frozen=True):
    """How the last attempt ended, if one did."""

    ended_ms: int
    run: Run
    body: bytes


def decode_ending(text: bytes | None) -> Ending | None:
    if not text:
        return None
    head, _, body = text.partition(b"\n")
    ended, _, run = head.partition(b" ")
    return Ending(int(ended), decode_run(run), body)


class Status(msgspec.Struct, frozen=True):
    """How a job stands: what the server knows beside the record."""

    state: State
    score: float
    run: Run
    ending: Ending | None
    note: bytes | None


class Described(msgspec.Struct, frozen=True):
    """One job as fetch, page and watch tell it."""

    id: int
    record: Record
    status: Status


def decode_described(reply: list[bytes | None], *, id_of: Callable[[bytes], int] = number) -> list[Described]:
    """The flat (id, state, score, record, run, end, note)* of the scripts. `id_of`: the id of a member."""
    jobs = []
    for at in range(0, len(reply), 7):
        id_, state, score, record, run, end, note = reply[at : at + 7]
        assert id_ is not None
        assert state is not None
        assert score is not None
        assert record is not None
        status = Status(State(state.decode()), float(score), decode_run(run), decode_ending(end), note)
        jobs.append(Described(id_of(id_), Record(record), status))
    return jobs
