"""Text: tables and times for people. Data of jobs is shown without control characters, which would reach the terminal."""

import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from barq.cli.exits import clean

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def table(head: Sequence[str], rows: Sequence[Sequence[object]], *, right: str = "") -> str:
    """Aligned columns; those named in `right` to the right. In a terminal the last one is cut to its width.

    >>> print(table(["TYPE", "JOBS"], [["email", 7]], right="JOBS"))
    TYPE   JOBS
    email     7
    """
    lines = [list(head), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    aligned = []
    for line in lines:
        cells = [
            cell.rjust(width) if name in right.split() else cell.ljust(width)
            for cell, width, name in zip(line, widths, head, strict=True)
        ]
        aligned.append(cut("  ".join(cells).rstrip()))
    return "\n".join(aligned)


def cut(line: str) -> str:
    """As much of a line as fits into the terminal; all of it where stdout is none."""
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return line if len(line) <= width else line[: width - 1] + "…"


def one_line(value: object) -> str:
    return clean(" ".join(str(value).split())) if value is not None else ""


def as_json(value: Any) -> str:
    return clean(msgspec.json.encode(value).decode())


def when(at: datetime | None, now: datetime | None = None) -> str:
    """How long ago, or in how long.

    >>> when(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 2, 20, tzinfo=UTC))
    '2h ago'
    """
    if at is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    for unit, size in _UNITS:
        if abs(seconds) >= size:
            number = round(abs(seconds) / size)
            return f"{number}{unit} ago" if seconds > 0 else f"in {number}{unit}"
    return "now"


def exact(at: datetime | None) -> str:
    """Local time to the second, and how long ago that is."""
    return "" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S} ({when(at)})"


def clock_time(at: datetime) -> str:
    return f"{at.astimezone():%H:%M:%S.%f}"[:-3]


def indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in clean(text).rstrip().splitlines())
