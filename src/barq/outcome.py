"""Outcome: how an attempt ended, as a value. Worked out by run.py, sent by settle.py."""

import functools
import os
import traceback
from typing import Final, Literal

import msgspec

LONGEST_MESSAGE = 1000
LONGEST_TRACEBACK = 32_000


class ErrorInfo(msgspec.Struct, frozen=True):
    """An error as the worker recorded it."""

    type: str
    message: str
    traceback: str = ""
    place: str = ""
    """FILE:LINE of the innermost frame that is the application's own; '' where there is none."""

    def __str__(self) -> str:
        return self.message or self.type


class Success(msgspec.Struct, frozen=True):
    """The handler returned; `result` is encoded already."""

    result: bytes
    discard: bool = False


class Failure(msgspec.Struct, frozen=True):
    """The handler raised. Tried again in `retry_ms`, or never when that is None."""

    error: bytes
    retry_ms: int | None


class Release(msgspec.Struct, frozen=True):
    """Handed back without burning an attempt: the worker stops."""


class Park(msgspec.Struct, frozen=True):
    """The data does not fit the handler: nothing burnt, and blocked until somebody retries it."""

    error: bytes


Outcome = Success | Failure | Release | Park

Then = Literal["again", "end", "park"]
"""What follows a failure: another attempt if one is left, none at all, or the job waits for somebody to retry it."""


class _Brief(msgspec.Struct, omit_defaults=True):
    type: str
    message: str
    place: str = ""


def encode_error(error: BaseException) -> bytes:
    """One line of JSON with type and message, then the traceback; both are cut to what is worth keeping."""
    message = _cut(_message(error), LONGEST_MESSAGE)
    brief = msgspec.json.encode(_Brief(_clean(type(error).__name__), message, place_of(error)))
    return brief + b"\n" + _cut(_traceback(error), LONGEST_TRACEBACK).encode()


def decode_error(body: bytes) -> ErrorInfo:
    brief, _, trace = body.partition(b"\n")
    told = msgspec.json.decode(brief, type=_Brief)
    return ErrorInfo(told.type, told.message, trace.decode("utf-8", "replace"), told.place)


_HERE: Final = os.path.join(os.path.dirname(__file__), "")
_DEMO: Final = os.path.join(_HERE, "cli", "demo_")  # an application, though it comes with barq


@functools.cache
def _not_own() -> tuple[str, ...]:
    """Where the standard library and what is installed live."""
    import sysconfig  # of use to who has an error only

    return tuple(
        {os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    )


def place_of(error: BaseException) -> str:
    """The innermost frame that is neither of the standard library, of an installed package, nor of barq; where all are,
    as those of an application that is installed itself, the outermost one that is not of barq."""
    every = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    others = [place for place in every if place[0].startswith(_DEMO) or not place[0].startswith((_HERE, "<"))]
    own = [place for place in others if not place[0].startswith(_not_own())]
    chosen = own[-1:] or others[:1]
    return "".join(_clean(f"{os.path.basename(file)}:{line}") for file, line in chosen)


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
