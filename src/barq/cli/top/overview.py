"""Overview: totals, throughput, types, what runs, failures by error, workers. The first page."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.widgets import Static

from barq.cli.top import rows
from barq.cli.top.draw import STATE_STYLES, chart, number, one_line, rate, seconds, sparkline
from barq.cli.top.page import Page
from barq.cli.top.panel import Panel
from barq.cli.top.seen import Eye, Seen
from barq.states import State

WIDE: Final = 140
_TALL: Final = 36
_LEAST: Final = 3


class Overview(Page):
    CSS = """
    #throughput { height: auto; }
    #body { height: 1fr; }
    #body.wide { layout: horizontal; }
    .side { width: 1fr; height: auto; }
    .wide .side { height: 1fr; }
    """
    KEYS: ClassVar[str] = " ? help  / search  j k Enter open  r retry  p pause  c cancel  g go to  q quit"

    def __init__(self) -> None:
        super().__init__()
        self._eye: Eye | None = None
        self.seen: Seen | None = None

    def body(self) -> ComposeResult:
        yield Static(id="totals")
        yield Static(id="throughput")
        with Container(id="body"):
            with Vertical(classes="side"):
                yield Panel(rows.TYPE_COLUMNS, id="types", empty="no jobs yet")
                yield Panel(rows.FAILURE_COLUMNS, id="failures", empty="none")
            with Vertical(classes="side"):
                yield Panel(rows.RUNNING_COLUMNS, id="running", empty="nothing runs")
                yield Panel(rows.WORKER_COLUMNS, id="workers", empty="no workers")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#types").focus()

    async def look(self) -> None:
        if self._eye is None:
            self._eye = Eye(self.top.queue)
        self.seen = await self._eye.look()

    # ---- how it looks

    def draw(self) -> None:
        seen = self.seen
        if seen is None:
            return
        self.query_one("#totals", Static).update(_totals(seen, self.size.width))
        rows_of_chart = 4 if self.size.height >= _TALL else 1
        self.query_one("#throughput", Static).update(_throughput(seen, self.size.width, rows_of_chart))
        self._panel("types").show(rows.type_rows(seen.types, seen.at), title=f"Types {len(seen.types) or ''}")
        slots = sum(worker.concurrency for worker in seen.workers)
        self._panel("running").show(
            rows.running_rows(seen.running, seen.at),
            title=f"Running {number(seen.counts['active'])} of {number(slots)} slots",
            empty="nothing runs" if seen.workers else "no worker is alive",
        )
        failed = number(seen.counts["failed"]) if seen.counts["failed"] else ""
        self._panel("failures").show(rows.failure_rows(seen.failures, seen.at), title=f"Failed {failed}")
        self._panel("workers").show(rows.worker_rows(seen.workers, seen.at), title=f"Workers {len(seen.workers) or ''}")
        self._arrange(2 + rows_of_chart + (1 if rows_of_chart == 1 else 2) + 1)

    def _arrange(self, above_and_below: int) -> None:
        """Panels side by side where that is wide enough; each as high as it needs, as far as there is room."""
        wide = self.size.width >= WIDE
        self.query_one("#body").set_class(wide, "wide")
        room = self.size.height - above_and_below
        sides = [["types", "failures"], ["running", "workers"]]
        for names in sides if wide else [[*sides[0], *sides[1]]]:
            panels = [self._panel(name) for name in names]
            needs = [panel.needs for panel in panels]
            apart = 1 if sum(needs) + len(needs) <= room else 0  # an empty line below each, where there is room
            for panel, height in zip(panels, shared([need + apart for need in needs], room), strict=True):
                panel.styles.height = height

    def _panel(self, name: str) -> Panel:
        return self.query_one(f"#{name}", Panel)

    # ---- keys

    @property
    def _focused(self) -> Panel | None:
        return self.focused if isinstance(self.focused, Panel) else None

    @on(Panel.Opened)
    def _opened(self, event: Panel.Opened) -> None:
        key: Any = event.panel.key
        match event.panel.id:
            case "types" if key is not None:
                self.top.open_jobs(rows.of_type(key))
            case "running":
                self.top.open_job(key)
            case "failures" if (group := self._group()) is not None:
                self.top.open_jobs(group.where)
            case "workers":
                self.top.open_worker(key)

    def _group(self) -> Any:
        return rows.group_of(self.seen.failures if self.seen else [], self._panel("failures").key)

    def _type(self) -> str | None:
        """Of the row that the cursor is on."""
        key: Any = self._focused.key if self._focused else None
        match self._focused.id if self._focused else None:
            case "types" if key is not None:
                return str(key)
            case "failures" if key is not None:
                return str(key[0])
            case "running" if self.seen is not None:
                return next((job.type for job in self.seen.running if job.id == key), None)
        return None

    def action_retry(self) -> None:
        match self._focused.id if self._focused else None, self._type():
            case "types", str(type_):
                self.top.steer.retry_failed(type_)
            case "failures", str(type_) if (group := self._group()) is not None:
                what = f"failed jobs of type {one_line(type_)} with {one_line(group.error)}"
                self.top.steer.all("retry", group.where, what)
            case _:
                super().action_retry()

    def action_pause(self) -> None:
        type_ = self._type()
        if type_ is None or self.seen is None or type_ not in self.seen.types:
            super().action_pause()
        else:
            self.top.steer.pause(type_, paused=self.seen.types[type_].paused is not None)

    def action_cancel(self) -> None:
        if self._focused is not None and self._focused.id == "running" and isinstance(self._focused.key, int):
            self.top.steer.cancel(self._focused.key)
        else:
            super().action_cancel()


def shared(needs: Sequence[int], room: int) -> list[int]:
    """Heights: what each needs where that fits; else the small ones whole, and what is left among the others.

    >>> shared([3, 20, 5], 18), shared([3, 4], 18)
    ([3, 10, 5], [3, 4])
    """
    heights = [min(need, _LEAST) for need in needs]
    while sum(heights) < room:
        short = [at for at, need in enumerate(needs) if heights[at] < need]
        if not short:
            break
        lowest = min(short, key=lambda at: heights[at])
        heights[lowest] += 1
    return heights


def _totals(seen: Seen, width: int) -> Text:
    line = Text(" ", no_wrap=True, overflow="ellipsis")
    if seen.paused is not None:
        line.append("QUEUE PAUSED ", "bold yellow").append(rows.pause_text(seen.paused, seen.at) + "   ", "yellow")
    for state in State:
        if (count := seen.counts[state]) or state in (State.WAITING, State.ACTIVE, State.COMPLETED, State.FAILED):
            name = "running" if state is State.ACTIVE else str(state)
            line.append(number(count), f"bold {STATE_STYLES[state]}" if count else "dim").append(f" {name}  ")
    backlog = [row.backlog_seconds for row in seen.types.values() if row.backlog_seconds]
    if backlog and line.cell_len + 14 < width:
        line.append(f" backlog {seconds(max(backlog))}", "dim")
    return line


def _throughput(seen: Seen, width: int, high: int) -> Text:
    """The last hour, a cell a minute."""
    done = [point.completed for point in seen.history]
    failed = [point.failed + point.retried for point in seen.history]
    room = min(60, width - 34)
    lines = []
    for at, row in enumerate(chart(done, high, room)):
        said = (
            f" {rate(seen.rate) or '0'}/s completed"
            if at == high - 1
            else f" up to {number(max([0, *done]))}"
            if at == 0
            else ""
        )
        lines.append(Text(" ").append(f"{row:<{room}}", "green").append(said, "bold" if at == high - 1 else "dim"))
    failing = f" {rate(seen.failed_rate) or '0'}/s failed, in the last hour"
    lines.append(
        Text(" ").append(f"{sparkline(failed, room):<{room}}", "red").append(failing, "" if any(failed) else "dim")
    )
    return Text("\n", no_wrap=True, overflow="crop").join([*lines, Text()] if high > 1 else lines)
