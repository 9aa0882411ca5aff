"""Sums: what workers count of attempts that ended, and how long jobs waited and ran, as values. No I/O.

A worker counts here (worker/tally.py), the server adds what all workers say (lua/commands/tally.lua), stats.py reads it.
Times are kept as histograms: cells that grow by the square root of two, so a percentile is off by a fifth at most.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

COMPLETED: Final = 0
FAILED: Final = 1
RETRIED: Final = 2
"""Where a count stands in what is stored: [completed, failed for good, failed and tried again, (cell, number)*]."""
_COUNTS: Final = 3

CELLS: Final = 74
"""0 is below a ms; the last takes what is longer than about two years."""
WAITING: Final = 0
RUNNING: Final = 100
TOTAL: Final = 99
"""Behind the cells of a histogram stands the sum of its times in ms."""

_EDGES: Final = [0.0, *(2 ** (cell / 2) for cell in range(CELLS - 1)), math.inf]


def cell_of(ms: float) -> int:
    """
    >>> cell_of(0.3), cell_of(1), cell_of(1.5), cell_of(1000)
    (0, 1, 2, 20)
    """
    return 0 if ms < 1 else min(CELLS - 1, int(2 * math.log2(ms)) + 1)


class Sums(msgspec.Struct):
    """Counts of one type over some time. `cells`: a histogram's cell, or its sum, -> number."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * _COUNTS)
    cells: dict[int, int] = msgspec.field(default_factory=dict)

    def took(self, histogram: int, ms: float, times: int = 1) -> None:
        """Jobs waited (WAITING) or ran (RUNNING) so long."""
        ms = max(0.0, ms)
        cells, cell, total = self.cells, histogram + cell_of(ms), histogram + TOTAL
        cells[cell] = cells.get(cell, 0) + times
        cells[total] = cells.get(total, 0) + round(ms * times)

    def add(self, other: "Sums") -> None:
        for at, number in enumerate(other.counts):
            self.counts[at] += number
        for cell, number in other.cells.items():
            self.cells[cell] = self.cells.get(cell, 0) + number

    @property
    def ended(self) -> int:
        """Attempts that ended."""
        return sum(self.counts)

    def percentile(self, histogram: int, part: float) -> float | None:
        """Seconds within which so large a part waited or ran; None when there was none."""
        if not self.cells:
            return None
        numbers = list(self._histogram(histogram))
        wanted, seen = part * sum(number for _, number in numbers), 0
        for cell, number in numbers:
            if seen + number >= wanted:
                low, high = _EDGES[cell], min(_EDGES[cell + 1], _EDGES[cell] * 2 or 1.0)
                return round((low + (high - low) * (wanted - seen) / number) / 1000, 6)
            seen += number
        return None

    def below(self, histogram: int, seconds: float) -> int:
        """How many waited or ran for less than that, which is a power of two in ms."""
        return sum(number for cell, number in self._histogram(histogram) if _EDGES[cell] < seconds * 1000)

    def seconds(self, histogram: int) -> float:
        """How long all of them waited or ran together."""
        return self.cells.get(histogram + TOTAL, 0) / 1000

    def _histogram(self, histogram: int) -> Iterator[tuple[int, int]]:
        cells = (cell for cell in sorted(self.cells) if histogram <= cell < histogram + CELLS)
        return ((cell - histogram, self.cells[cell]) for cell in cells)


NOTHING: Final = Sums()
"""Of a time in which nothing ended. Nobody adds to it."""


def flat(sums: Sums) -> list[int]:
    """As it is sent and stored."""
    told = list(sums.counts)
    for cell, number in sorted(sums.cells.items()):
        told += (cell, number)
    return told


def of_flat(told: list[int]) -> Sums:
    return Sums(told[:_COUNTS], dict(zip(told[_COUNTS::2], told[_COUNTS + 1 :: 2], strict=True)))


def together(parts: Iterable[Sums]) -> Sums:
    total = Sums()
    for part in parts:
        if part is not NOTHING:
            total.add(part)
    return total
