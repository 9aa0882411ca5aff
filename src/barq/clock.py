"""Time and randomness: the one source of both for a queue and its workers. Tests pass one that they move."""

import os
import random
import time

_source = random.Random()  # not the module's own: a handler may seed that, and nonces would come again
os.register_at_fork(after_in_child=_source.seed)


class Clock:
    """The real clock. Scripts get `server_ms`, where 0 means: read the server's own clock."""

    def server_ms(self) -> int:
        return 0

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def random(self) -> float:
        return _source.random()

    def nonce(self) -> str:
        return f"{_source.getrandbits(32):08x}"


class ManualClock(Clock):
    """A clock that stands still until a test moves it, with reproducible randomness.

    >>> clock = ManualClock(start_ms=1_000)
    >>> clock.advance(2.5)
    >>> clock.wall_ms()
    3500
    """

    def __init__(self, start_ms: int = 1_700_000_000_000, seed: int = 0) -> None:
        self._now_ms = start_ms
        self._random = random.Random(seed)

    def advance(self, seconds: float) -> None:
        self._now_ms += round(seconds * 1000)

    def server_ms(self) -> int:
        return self._now_ms

    def wall_ms(self) -> int:
        return self._now_ms

    def random(self) -> float:
        return self._random.random()

    def nonce(self) -> str:
        return f"{self._random.getrandbits(32):08x}"
