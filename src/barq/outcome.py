"""Outcome: how an attempt ended, as a value. Worked out by run.py, sent by settle.py."""

import traceback
from dataclasses import dataclass

import msgspec

LONGEST_MESSAGE = 1000
LONGEST_TRACEBACK = 32_000


class ErrorInfo(msgspec.Struct, frozen=True):
    """An error as the worker recorded it."""

    type: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return self.message or self.type


@dataclass(frozen=True, slots=True)
class Success:
    """The handler returned; `result` is encoded already."""

    result: bytes
    discard: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """The handler raised. Tried again in `retry_ms`, or never when that is None."""

    error: bytes
    retry_ms: int | None


@dataclass(frozen=True, slots=True)
class Release:
    """Handed back without burning an attempt: the worker stops."""


@dataclass(frozen=True, slots=True)
class Park:
    """The data does not fit the handler: nothing burnt, and blocked until somebody retries it."""

    error: bytes


Outcome = Success | Failure | Release | Park


class _Brief(msgspec.Struct):
    type: str
    message: str


def encode_error(error: BaseException) -> bytes:
    """One line of JSON with type and message, then the traceback; both are cut to what is worth keeping."""
    brief = msgspec.json.encode(_Brief(_clean(type(error).__name__), _cut(_message(error), LONGEST_MESSAGE)))
    return brief + b"\n" + _cut(_traceback(error), LONGEST_TRACEBACK).encode()


def decode_error(body: bytes) -> ErrorInfo:
    brief, _, trace = body.partition(b"\n")
    told = msgspec.json.decode(brief, type=_Brief)
    return ErrorInfo(told.type, told.message, trace.decode("utf-8", "replace"))


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:  # an exception's own __str__ may raise anything, SystemExit as well
        return f"<its message raised {type(broken).__name__}>"


def _traceback(error: BaseException) -> str:
    try:
        # without chained causes beyond a few frames, a recursive error prints megabytes
        return "".join(traceback.TracebackException.from_exception(error, limit=-30, compact=True).format())
    except BaseException as broken:
        return f"<its traceback raised {type(broken).__name__}>"


def _cut(text: str, longest: int) -> str:
    text = _clean(text)
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n… {len(text) - longest} characters left out …\n{text[-half:]}"


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
