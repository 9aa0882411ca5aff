"""Draw: numbers, times, bars and charts as text of a terminal, in its own sixteen colours."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from barq.cli.exits import clean

_BARS: Final = " ▁▂▃▄▅▆▇█"
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))

STATE_STYLES: Final = {
    "waiting": "cyan",
    "delayed": "blue",
    "active": "bold",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "blocked": "yellow",
}


def number(value: int) -> str:
    """
    >>> number(7), number(12_345), number(1_234_567)
    ('7', '12,345', '1.23M')
    """
    return f"{value:,}" if value < 1_000_000 else f"{value / 1e6:.3g}M"


def brief(value: int) -> str:
    """
    >>> brief(999), brief(1400), brief(10_030), brief(1_234_567)
    ('999', '1.4k', '10k', '1.23M')
    """
    if not 1000 <= value < 1_000_000:
        return number(value)
    return f"{value / 1000:.2g}k" if value < 99_500 else f"{value // 1000}k"


def rate(per_second: float) -> str:
    """
    >>> rate(0), rate(0.04), rate(3.21), rate(1234.5)
    ('', '0.04', '3.2', '1,234')
    """
    if not per_second:
        return ""
    return f"{per_second:.2f}" if per_second < 1 else f"{per_second:.1f}" if per_second < 100 else f"{per_second:,.0f}"


def seconds(value: float | None) -> str:
    """
    >>> seconds(None), seconds(0.0042), seconds(0.5), seconds(12), seconds(150), seconds(7200)
    ('', '4ms', '500ms', '12s', '2.5m', '2h')
    """
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1000:.0f}ms"
    unit, size = next((unit, size) for unit, size in _UNITS if value >= size)
    return f"{value / size:.1f}".removesuffix(".0") + unit if value / size < 10 else f"{value / size:.0f}{unit}"


def age(at: datetime | None, now: datetime | None = None) -> str:
    """How long ago."""
    return "" if at is None else seconds(max(0.0, ((now or datetime.now(UTC)) - at).total_seconds()))


def one_line(value: object) -> str:
    return clean(" ".join(str(value).split()))


def bar(percent: int, width: int) -> Text:
    full = round(width * percent / 100)
    return Text("━" * full, "green").append("─" * (width - full), "dim").append(f" {percent:>3}%")


def sparkline(values: Sequence[int], width: int | None = None) -> str:
    """The last values, a cell each; what is not nothing can be seen.

    >>> sparkline([0, 1, 4, 8])
    ' ▁▄█'
    """
    return chart(values, 1, width)[0]


def chart(values: Sequence[int], rows: int, width: int | None = None) -> list[str]:
    """A column for each of the last values, `rows` high."""
    shown = list(values)[-width:] if width else list(values)
    most = max([1, *shown])
    eighths = [math.ceil(value / most * rows * 8) for value in shown]
    return ["".join(_BARS[min(8, max(0, left - row * 8))] for left in eighths) for row in reversed(range(rows))]
