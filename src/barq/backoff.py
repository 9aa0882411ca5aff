"""Backoff: how long a failed job waits before its next attempt. Used by run.py when it works out the outcome."""

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

import msgspec

from barq.errors import InvalidValue, shown


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that is stored with the job. Make one with `fixed` or `exponential`. Times are seconds."""

    kind: Literal["fixed", "exponential"]
    delay: float
    factor: float = 2.0
    most: float = 3600.0
    jitter: float = 0.0

    def seconds(self, failures: int, random: float) -> float:
        """The wait after the given number of failures (1 = the first). `random` is in [0, 1)."""
        wait = self.delay
        if self.kind == "exponential":
            # beyond 2^64 the bound decides in any case, and a float can't overflow
            wait = min(self.most, self.delay * self.factor ** min(failures - 1, 64))
        return wait * (1 + self.jitter * (2 * random - 1))


BackoffFunction = Callable[[int], float | timedelta]
"""Own rule, given to the handler: failures so far (1 = the first) -> seconds."""


def fixed(delay: float, *, jitter: float = 0.0) -> Backoff:
    """Wait `delay` seconds before each further attempt; jitter 0.1 spreads it by ±10 %.

    >>> fixed(5).seconds(3, random=0.5)
    5.0
    """
    return _checked(Backoff("fixed", float(_number("delay", delay)), jitter=_number("jitter", jitter)))


def exponential(delay: float = 1.0, *, factor: float = 2.0, most: float = 3600.0, jitter: float = 0.1) -> Backoff:
    """Wait `delay`, then `factor` times as long each time, at most `most` seconds; jitter 0.1 spreads it by ±10 %.

    >>> exponential(1.0).seconds(4, random=0.5)
    8.0
    """
    return _checked(
        Backoff(
            "exponential",
            float(_number("delay", delay)),
            factor=_number("factor", factor),
            most=_number("most", most),
            jitter=_number("jitter", jitter),
        )
    )


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(f"{name} of a backoff must be a number, got {shown(value)}")
    return float(min(value, 2**53)) if isinstance(value, int) else value


def _checked(backoff: Backoff) -> Backoff:
    for name, least, most in (("delay", 0, 31_536_000), ("factor", 1, 1000), ("most", 0, 31_536_000), ("jitter", 0, 1)):
        value = getattr(backoff, name)
        if not least <= value <= most:
            raise InvalidValue(f"{name} of a backoff must be from {least} to {most}, got {value!r}")
    return backoff


DEFAULT = exponential()
