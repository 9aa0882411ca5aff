"""Line: what a worker and a child process of its say to each other. Between processes.py and child.py."""

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from barq.outcome import Then

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")

TERM_SECONDS = 1.0
"""How long a handler that is to end may take after SIGTERM, before SIGKILL."""


class Given(msgspec.Struct, tag_field="is", tag=True):
    """To the child: run this attempt."""

    type: str
    member: bytes
    token: bytes
    record: bytes
    queue: int = 0


class Answered(msgspec.Struct, tag_field="is", tag=True):
    """To the child: what it said under that number is stored, or the name and message of the error why not.

    `body`: what is kept of a step.
    """

    number: int
    error: tuple[str, str] | None = None
    body: bytes | None = None


class Close(msgspec.Struct, tag_field="is", tag=True):
    """To the child: there is no more to do."""


class Began(msgspec.Struct, tag_field="is", tag=True):
    """To the worker: the function is found, and called now."""


class Word(msgspec.Struct, tag_field="is", tag=True):
    """To the worker: the handler says progress, or a log line."""

    number: int
    kind: bytes
    body: bytes


class Step(msgspec.Struct, tag_field="is", tag=True):
    """To the worker: the handler asks for the result of a step, or has a result to be kept."""

    number: int
    name: str
    body: bytes | None = None


class Logged(msgspec.Struct, tag_field="is", tag=True):
    """To the worker: a record of `logging`, for there is no handler for it in the child."""

    name: str
    level: int
    message: str
    created: float


class Returned(msgspec.Struct, tag_field="is", tag=True):
    """To the worker: the attempt has succeeded."""

    result: bytes
    discard: bool


class Raised(msgspec.Struct, tag_field="is", tag=True):
    """To the worker: the attempt has failed."""

    error: bytes
    then: Then = "again"


ToChild = Given | Answered | Close
ToWorker = Began | Word | Step | Logged | Returned | Raised


class Line(Generic[T]):
    """One end of a pipe. Any thread may say something, one listens. `heard`: the types that come in."""

    def __init__(self, connection: "Connection[Any, Any]", heard: Any) -> None:
        self._connection = connection
        self._decode: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(heard)
        self._encode = msgspec.msgpack.Encoder().encode
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def say(self, message: msgspec.Struct) -> None:
        """Raises OSError when the other end is closed."""
        if os.getpid() != self._pid:
            raise OSError("a process that a handler has forked has no line to the worker")
        with self._lock:
            self._connection.send_bytes(self._encode(message))

    def hear(self, timeout: float | None = None) -> T | None:
        """The next message; None when there is none in time. Raises EOFError or OSError when the other end is closed."""
        if timeout is not None and not self._connection.poll(timeout):
            return None
        return self._decode.decode(self._connection.recv_bytes())

    def close(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._connection.close()
