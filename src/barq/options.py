"""Options: what a caller may ask of a job, checked at the call and turned into what the server stores."""

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from barq.backoff import Backoff
from barq.errors import InvalidType, InvalidValue, shown
from barq.words import index_fields

PRIORITIES: Final = {"low": 10, "normal": 0, "medium": -5, "high": -10, "critical": -15}
"""Names of priorities, as in Kue. The smaller number runs first."""

LONGEST_SECONDS: Final = 100 * 366 * 86400
MOST_PRIORITY: Final = 2**53
LONGEST_TYPE: Final = 256
LONGEST_TEXT: Final = 1024

Delay = float | timedelta | datetime
Priority = str | int


class JobOptions(msgspec.Struct, frozen=True, omit_defaults=True, rename={"remove_on_complete": "discard"}):
    """What is stored in a job's record beside its type, priority and data."""

    attempts: int = 1
    backoff: Backoff | None = None
    timeout_ms: int | None = None
    title: str | None = None
    remove_on_complete: bool = False
    delay_ms: int = 0
    due_ms: int = 0
    """It was to wait so long, or until then: what tells how long it waited after that."""
    index: tuple[str, ...] = ()
    """Fields of its data that can be searched for."""


PLAIN: Final = JobOptions()
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(JobOptions)


def encode_options(options: JobOptions) -> bytes:
    return b"" if options == PLAIN else _encode(options)


@functools.lru_cache(1000)  # the same is asked of many jobs
def decode_options(text: bytes) -> JobOptions:
    return _decoder.decode(text) if text else PLAIN


class Retention(msgspec.Struct, frozen=True):
    """How long finished jobs are kept: at most `count` of each type, none older than `age` (seconds), and the newest that
    fit into so many `bytes`, over all types of the queue. None = no limit."""

    age: float | None = None
    count: int | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        if self.age is not None:  # a timedelta becomes seconds
            msgspec.structs.force_setattr(self, "age", seconds_to_ms("age of a retention", self.age) / 1000)
        if self.count is not None:
            whole_number("count of a retention", self.count, least=0, most=2**53)
        if self.bytes is not None:
            whole_number("bytes of a retention", self.bytes, least=0, most=2**53)

    def part(self, parts: int) -> "Retention":
        """What one of so many equal parts keeps."""
        count, bytes = (None if most is None else -(-most // parts) for most in (self.count, self.bytes))
        return msgspec.structs.replace(self, count=count, bytes=bytes)


def kept(name: str, value: Any, *, most: int) -> Retention:
    """How many log lines or events are kept, as a number or a Retention. Raises InvalidValue or InvalidType."""
    if not isinstance(value, Retention):
        return Retention(count=whole_number(name, value, least=1, most=most))
    if value.age is not None or value.count is None:
        raise InvalidValue(f"{name} must be a number or barq.Retention(count=…, bytes=…), got {value!r}")
    whole_number(f"count of {name}", value.count, least=1, most=most)
    return value


class Limits(msgspec.Struct, frozen=True):
    """When a queue takes no more jobs: so many of a type wait or are delayed, or the server uses so many bytes."""

    waiting: int | None = None
    waiting_by_type: Mapping[str, int] = msgspec.field(default_factory=dict)
    memory: int | None = None

    def waiting_of(self, type: str) -> int | None:
        return self.waiting_by_type.get(type, self.waiting)

    def part(self, parts: int) -> "Limits":
        """What one of so many equal parts may have."""
        if self.waiting is None and not self.waiting_by_type:
            return self
        by_type = {type: -(-most // parts) for type, most in self.waiting_by_type.items()}
        waiting = None if self.waiting is None else -(-self.waiting // parts)
        return msgspec.structs.replace(self, waiting=waiting, waiting_by_type=by_type)


NO_LIMITS: Final = Limits()


def limits(max_waiting: Any, max_memory: Any) -> Limits:
    """Check limits as a queue takes them. Raises InvalidValue or InvalidType."""
    memory = None if max_memory is None else whole_number("max_memory", max_memory, least=1, most=2**53)
    if isinstance(max_waiting, Mapping):
        by_type = {
            type_name(name): _max_waiting(f"max_waiting of {name!r}", most) for name, most in max_waiting.items()
        }
        return Limits(waiting_by_type=by_type, memory=memory)
    waiting = None if max_waiting is None else _max_waiting("max_waiting", max_waiting)
    return NO_LIMITS if waiting is None and memory is None else Limits(waiting=waiting, memory=memory)


def _max_waiting(name: str, value: Any) -> int:
    return whole_number(name, value, least=1, most=2**53)


def job_options(
    *,
    attempts: int = 1,
    backoff: Backoff | None = None,
    timeout: float | timedelta | None = None,
    title: str | None = None,
    remove_on_complete: bool = False,
    index: Sequence[str] = (),
) -> JobOptions:
    """Check options and turn them into what is stored. Raises InvalidValue or InvalidType."""
    if backoff is not None and not isinstance(backoff, Backoff):
        raise InvalidType(
            f"backoff must be barq.fixed(…) or barq.exponential(…), got {shown(backoff)}; "
            "a function of your own goes to the handler: @queue.handler(type, backoff=function)"
        )
    if not isinstance(remove_on_complete, bool):
        raise InvalidType(f"remove_on_complete must be True or False, got {shown(remove_on_complete)}")
    return JobOptions(
        attempts=whole_number("attempts", attempts, least=1, most=1_000_000),
        backoff=backoff,
        timeout_ms=None if timeout is None else seconds_to_ms("timeout", timeout, least_ms=1),
        title=None if title is None else text("title", title, longest=LONGEST_TEXT),
        remove_on_complete=remove_on_complete,
        index=index_fields(index) if index != () else (),
    )


def priority_number(priority: Priority) -> int:
    """
    >>> priority_number("high")
    -10
    """
    if isinstance(priority, str) and priority in PRIORITIES:
        return PRIORITIES[priority]
    if isinstance(priority, int) and not isinstance(priority, bool) and abs(priority) < MOST_PRIORITY:
        return int(priority)
    raise InvalidValue(
        f"priority must be one of {', '.join(PRIORITIES)} or a whole number below 2^53, got {shown(priority)}"
    )


def due(delay: Delay | None) -> bytes:
    """A delay as the enqueue script takes it: '' at once, '+MS' from now on, 'MS' at that time."""
    if delay is None:
        return b""
    if isinstance(delay, datetime):
        if delay.tzinfo is None:
            raise InvalidValue(f"delay must be a datetime with a time zone, got {delay!r}: use datetime.now(UTC) + …")
        return b"%d" % max(0, round(delay.timestamp() * 1000))
    ms = seconds_to_ms("delay", delay)
    return b"+%d" % ms if ms else b""


def placed(options: JobOptions, due: bytes) -> JobOptions:
    """Options of a job that is due as the enqueue script takes it."""
    if not due:
        return options
    when = {"delay_ms": int(due[1:])} if due.startswith(b"+") else {"due_ms": int(due)}
    return msgspec.structs.replace(options, **when)


def seconds_or_none(name: str, value: Any) -> float | None:
    """Seconds that something may take, None for ever."""
    return None if value is None else seconds_to_ms(name, value) / 1000


def seconds_to_ms(name: str, value: float | timedelta, *, least_ms: int = 0) -> int:
    """Seconds (a number or a timedelta) as whole ms, or InvalidValue."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidType(f"{name} must be a number of seconds or a timedelta, got {shown(value)}")
    if not least_ms / 1000 <= seconds <= LONGEST_SECONDS:  # NaN fails as well
        raise InvalidValue(f"{name} must be from {least_ms / 1000:g} seconds to 100 years, got {shown(value)}")
    return round(seconds * 1000)


def whole_number(name: str, value: Any, *, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidType(f"{name} must be a whole number, got {shown(value)}")
    if not least <= value <= most:
        raise InvalidValue(f"{name} must be from {least} to {most}, got {shown(value)}")
    return int(value)


def text(name: str, value: Any, *, longest: int) -> str:
    """A text without control characters, 1 to `longest` bytes of UTF-8."""
    if not isinstance(value, str):
        raise InvalidType(f"{name} must be a str, got {shown(value)}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidValue(f"{name} holds a lone surrogate, which is not text: {value[:80]!r}") from None
    if not 1 <= size <= longest:
        raise InvalidValue(f"{name} must have 1 to {longest} bytes, got {size}: {value[:80]!r}")
    if any(char < " " or char == "\x7f" for char in value):
        raise InvalidValue(f"{name} must have no control characters, got {value[:80]!r}")
    return value


def type_name(value: Any) -> str:
    return text("type of a job", value, longest=LONGEST_TYPE)


def queue_name(value: Any) -> str:
    name = text("name of a queue", value, longest=LONGEST_TYPE)
    if "{" in name or "}" in name:
        raise InvalidValue(f"name of a queue must have no braces (they choose the slot in a cluster), got {name!r}")
    return name


def job_id(value: Any) -> int:
    return whole_number("id of a job", value, least=1, most=2**53)


KEEP_COMPLETED: Final = Retention(age=7 * 86400, count=100_000)
KEEP_FAILED: Final = Retention(age=90 * 86400, count=100_000)
