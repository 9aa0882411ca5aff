"""Records: what the ledger of a run holds. Every process appends lines to a file of its own, which outlive its kill -9.

A line is written before what it says can have an effect (asked, started), or when the answer is there (acked, settled).
Times are microseconds of the machine's clock, which the server's clock is as well.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Record(msgspec.Struct, array_like=True, frozen=True, tag_field="record"):
    at: int


class Asked(Record, frozen=True, tag="asked"):
    """A producer is about to enqueue a job. `delay_ms` 0: at once. `fails`: so often its handler raises before it returns."""

    key: str
    hash: str
    type: str
    priority: int = 0
    delay_ms: int = 0
    attempts: int = 1
    fails: int = 0
    backoff_ms: int = 0
    discard: bool = False
    token: bool = False


class Acked(Record, frozen=True, tag="acked"):
    """The enqueue was acknowledged under this id."""

    key: str
    id: int


class Unsure(Record, frozen=True, tag="unsure"):
    """The enqueue ended with a typed error: it may have happened, once."""

    key: str
    error: str


class Cancelling(Record, frozen=True, tag="cancelling"):
    """A cancel was answered: '' when done, else the name of the error."""

    id: int
    answer: str


class Waited(Record, frozen=True, tag="waited"):
    """Somebody who waited for a job since `since` got an answer: the name of the ending, or of the error."""

    since: int
    id: int
    answer: str
    hash: str = ""


class Born(Record, frozen=True, tag="born"):
    """A process of the run began. `limits`: how many jobs of each type it may run at a time, '' of all."""

    worker: str
    slot: str
    pid: int
    limits: dict[str, int]


class Claimed(Record, frozen=True, tag="claimed"):
    """A call brought jobs: (id, attempt, nonce)*. `call` counts the claims of this worker."""

    call: int
    jobs: list[tuple[int, int, str]]


class Started(Record, frozen=True, tag="started"):
    """A handler was called."""

    id: int
    attempt: int
    key: str
    hash: str
    type: str


class Ended(Record, frozen=True, tag="ended"):
    """A handler returned, raised, or was cancelled."""

    id: int
    attempt: int
    how: str


class Step(Record, frozen=True, tag="step"):
    """The function of a step is about to be called with this key; or (`kept`) an attempt was given what is kept of it."""

    id: int
    attempt: int
    key: str
    kept: bool


class Settled(Record, frozen=True, tag="settled"):
    """The server answered to a settle: (id, attempt, kind, whether it counts)*."""

    jobs: list[tuple[int, int, str, bool]]


class Struck(Record, frozen=True, tag="struck"):
    """A fault, until when it lasted, whom it struck (the server, or a process in a slot), and the calls under way then."""

    until: int
    fault: str
    slot: str
    pid: int
    under_way: list[str]
    aim: str = ""


class Died(Record, frozen=True, tag="died"):
    """A process has ended: killed by the driver (-9), by itself, or at a stop (0)."""

    slot: str
    pid: int
    code: int


class Trouble(Record, frozen=True, tag="trouble"):
    """A look at the running queue found something that must never be."""

    what: str


class Phase(Record, frozen=True, tag="phase"):
    name: str


AnyRecord = (
    Asked
    | Acked
    | Unsure
    | Cancelling
    | Waited
    | Born
    | Claimed
    | Started
    | Ended
    | Step
    | Settled
    | Struck
    | Died
    | Trouble
    | Phase
)

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(AnyRecord)


def now() -> int:
    return time.time_ns() // 1000


class Ledger:
    """Appends records to a file. A write is one system call, so a killed process leaves whole lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, *records: Record) -> None:
        os.write(self._file, b"".join(_encode(record) + b"\n" for record in records))

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> Iterator[AnyRecord]:
    """The records of a file in order. A last line without its end is one that was never written."""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    yield from _decoder.decode_lines(whole)


def payload_hash(payload: bytes) -> str:
    """A short fingerprint of a job's data."""
    return hashlib.blake2s(payload, digest_size=6).hexdigest()
