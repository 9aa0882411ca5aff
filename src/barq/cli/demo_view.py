"""How the demo looks in a terminal: a picture of the tally, drawn anew ten times a second, for any width and height."""

import math
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from barq.cli.demo_tally import Ending, Run, Tally, spread

WIDE: Final = 100
_GAP: Final = 3
_TITLE: Final = 20
_BARS: Final = " ▁▂▃▄▅▆▇█"
_SIGNS: Final = {"completed": ("✓", "green"), "failed": ("✗", "red"), "retried": ("↻", "yellow")}


class Screen:
    """The whole terminal, and what was there before when it is left."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._console = Console()
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def draw(self, *, where: str, stopping: bool) -> None:
        width, height = self._console.size
        lines = picture(self._tally, width, height, where=where, stopping=stopping)
        self._live.update(Text("\n", no_wrap=True, overflow="crop").join(lines), refresh=True)


def picture(tally: Tally, width: int, height: int, *, where: str, stopping: bool) -> list[Text]:
    """Exactly `height` lines, none longer than `width`."""
    top = [_title(tally, width), Text(), _totals(tally, width), Text()]
    foot = [Text(), _foot(tally, width, where=where, stopping=stopping)]
    rows = max(0, height - len(top) - len(foot))
    if width >= WIDE:
        left = (width - _GAP) // 2
        running = _running(tally, left, rows)
        times = _times(tally, left) if rows >= len(running) + 7 else []
        body = _beside([*running, *times], _recent(tally, width - _GAP - left, rows), left)
    else:
        running = _running(tally, width, max(2, min(len(tally.running) + 1, rows - 5)))
        body = [*running, Text(), *_recent(tally, width, rows - len(running) - 1)]
    lines = [*top, *body[:rows], *[Text()] * (rows - len(body)), *foot][:height]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _title(tally: Tally, width: int) -> Text:
    left, right = Text("barq demo", "bold"), _clock(tally.seconds)
    left.append("  five types of jobs, two workers", "dim")
    left.truncate(max(9, width - len(right) - 1), overflow="ellipsis")
    return left.append(f"{right:>{max(1, width - left.cell_len)}}")


def _totals(tally: Tally, width: int) -> Text:
    parts = [
        (f"{tally.completed}", "completed", "green"),
        (f"{tally.failed}", "failed", "red"),
        (f"{tally.retried}", "retried", "yellow"),
        (f"{len(tally.waiting)}", "waiting", "cyan"),
        (f"{tally.per_second:.1f}", "a second", "bold"),
    ]
    between = "   " if width >= 70 else "  "
    text = Text()
    for number, name, style in parts:
        short = name if width >= 60 else {"completed": "done", "a second": "/s"}.get(name, name)
        text.append(between if text else "").append(number, f"bold {style}").append(f" {short}")
    return text


def _times(tally: Tally, width: int) -> list[Text]:
    counts = tally.each_second(min(60, width - 2))
    most = max(4, *counts)
    chart = "".join(_BARS[math.ceil(count / most * (len(_BARS) - 1))] for count in counts)
    return [
        Text(),
        Text("Times", "bold"),
        Text(f"  waiting  {spread(tally.waited)}"),
        Text(f"  running  {spread(tally.ran)}"),
        Text(),
        Text(f"Completed each second, up to {most}", "bold"),
        Text(f"  {chart}", "green"),
    ]


def _foot(tally: Tally, width: int, *, where: str, stopping: bool) -> Text:
    if stopping:
        jobs, them = ("1 job", "it") if tally.busy == 1 else (f"{tally.busy} jobs", "them")
        return Text(f"Stopping: {jobs} may still end; Ctrl-C again hands {them} back", "yellow")
    if not tally.completed + tally.failed + tally.busy:
        return Text("Starting two workers …", "dim")
    text = Text("Ctrl-C ends it", "dim")
    return text.append(f"   {where}", "default") if len(text) + len(where) + 3 <= width else text


def _running(tally: Tally, width: int, rows: int) -> list[Text]:
    places = tally.running
    shown = places[: max(0, rows - 1)]
    hidden = sum(run is not None for run in places[len(shown) :])  # few: the lowest places are taken first
    heading = Text(f"Running {tally.busy} of {len(places)}", "bold")
    if hidden:
        heading.append(f"  ({hidden} not shown)", "dim")
    now = datetime.now(UTC)
    return [heading, *(_run(run, tally, width, now) for run in shown)]


def _run(run: Run | None, tally: Tally, width: int, now: datetime) -> Text:
    if run is None:
        return Text("     ·", "dim")
    title = tally.titles.get(run.job_id, "")
    cells = max(10, min(_TITLE, width - 50))
    text = Text(f"{run.job_id:>6} ").append("↻" if run.again else " ", "yellow").append(f" {title[:cells]:<{cells}}  ")
    seconds = max(0.0, (now - run.started_at).total_seconds())
    tail = f" {run.percent:>3}%  {seconds:4.1f} s"
    cells = max(0, min(40, width - text.cell_len - len(tail)))
    full = round(cells * run.percent / 100)
    return text.append("━" * full, "green").append("─" * (cells - full), "dim").append(tail)


def _recent(tally: Tally, width: int, rows: int) -> list[Text]:
    endings = [_ending(ending, tally, width) for ending, _ in zip(tally.recent, range(rows - 1), strict=False)]
    return [Text("Just now", "bold"), *endings] if rows > 0 else []


def _ending(ending: Ending, tally: Tally, width: int) -> Text:
    sign, style = _SIGNS[ending.how]
    text = Text(f"{ending.job_id:>6}  ").append(f"{sign} {ending.how:<9}", style)
    title = tally.titles.get(ending.job_id, "")
    if width >= 50 and title not in ending.words:
        text.append(f"  {title}")
    return text.append(f"  {ending.words}", "dim" if ending.how == "completed" else "")


def _beside(left: list[Text], right: list[Text], width: int) -> list[Text]:
    lines = []
    for at in range(max(len(left), len(right))):
        line = left[at] if at < len(left) else Text()
        line.truncate(width, overflow="ellipsis", pad=True)
        lines.append(line.append(" " * _GAP).append_text(right[at] if at < len(right) else Text()))
    return lines


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
