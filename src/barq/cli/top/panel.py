"""Panel: a list with a title, and a cursor that stays on its row while the list changes. Cuts columns to fit."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

_GAP = 2


@dataclass(frozen=True)
class Column:
    """`drop`: where there is no room, the column with the highest number goes first; 0 stays. `flex` takes what is left."""

    name: str
    right: bool = False
    flex: bool = False
    drop: int = 0


@dataclass(frozen=True)
class Row:
    key: Hashable
    cells: Sequence[Text | str]


class Panel(Widget, can_focus=True):
    DEFAULT_CSS = "Panel { width: 1fr; height: 1fr; } "

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", show=False),
        Binding("k,up", "move(-1)", show=False),
        Binding("pagedown,ctrl+d", "page(1)", show=False),
        Binding("pageup,ctrl+u", "page(-1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
        Binding("enter", "open", show=False),
    ]

    class Opened(Message):
        """Enter, or a click on the row of the cursor."""

        def __init__(self, panel: "Panel") -> None:
            self.panel = panel
            super().__init__()

        @property
        def control(self) -> "Panel":
            return self.panel

    class Moved(Message):
        """The cursor is on another row."""

    def __init__(self, columns: Sequence[Column], *, id: str, empty: str) -> None:
        super().__init__(id=id)
        self.columns = columns
        self.rows: list[Row] = []
        self._title: Text | str = ""
        self._empty = empty
        self._at = 0
        self._top = 0

    # ---- what it holds

    def show(self, rows: list[Row], *, title: Text | str, empty: str | None = None) -> None:
        key = self.key
        self.rows, self._title, self._empty = rows, title, self._empty if empty is None else empty
        keys = [row.key for row in rows]
        self._at = keys.index(key) if key in keys else max(0, min(self._at, len(rows) - 1))
        self.refresh()

    @property
    def key(self) -> Hashable | None:
        """Of the row that the cursor is on."""
        return self.rows[self._at].key if self.rows else None

    @property
    def needs(self) -> int:
        """Lines for all of it."""
        return 2 + max(1, len(self.rows))

    # ---- the cursor

    def put_on(self, key: Hashable) -> None:
        keys = [row.key for row in self.rows]
        if key in keys:
            self._at = keys.index(key)
            self.refresh()

    def action_move(self, by: int) -> None:
        to = self._at + by
        if abs(by) == 1 and not 0 <= to < len(self.rows):
            self._leave(by)
            return
        self._at = max(0, min(to, len(self.rows) - 1))
        self.refresh()
        self.post_message(self.Moved())

    def _leave(self, by: int) -> None:
        """Into the panel after this one, or before it."""
        panels = [panel for panel in self.screen.query(Panel) if panel.rows and panel.size.height > 2]
        to = panels.index(self) + by if self in panels else 0
        if 0 <= to < len(panels) and panels[to] is not self:
            panels[to]._at = 0 if by > 0 else len(panels[to].rows) - 1
            panels[to].focus()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(2, self._lines))

    def action_open(self) -> None:
        if self.rows:
            self.post_message(self.Opened(self))

    def on_click(self, event: events.Click) -> None:
        at = self._top + event.y - 2
        if event.y >= 2 and at < len(self.rows):
            self._at, again = at, at == self._at
            self.refresh()
            self.post_message(self.Moved())
            if again or event.chain > 1:
                self.action_open()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    # ---- how it looks

    @property
    def _lines(self) -> int:
        return max(0, self.size.height - 2)

    def render(self) -> Text:
        width, lines = self.size.width, self._lines
        title = Text("▌" if self.has_focus else " ", "bold cyan")
        title.append_text(Text(self._title, "bold") if isinstance(self._title, str) else self._title)
        if not self.rows:
            return _joined([title, Text(f"  {self._empty}", "dim")], width)
        self._top = max(min(self._top, self._at, len(self.rows) - lines), self._at - lines + 1, 0)
        shown = self.rows[self._top : self._top + lines]
        if len(shown) < len(self.rows):
            title.append(f"  {self._top + 1}-{self._top + len(shown)} of {len(self.rows)}", "dim")
        columns = _fitting(self.columns, self.rows, width - 2)
        drawn = [title, _line([column.name for column, _, _ in columns], columns, "dim")]
        for at, row in enumerate(shown, self._top):
            line = _line([row.cells[index] for _, index, _ in columns], columns)
            if at == self._at and self.has_focus:
                # colours turned round could not be read
                line = Text(line.plain + " " * max(0, width - line.cell_len), "reverse")
            drawn.append(line)
        return _joined(drawn, width)


_Fitted = list[tuple[Column, int, int]]


def _fitting(columns: Sequence[Column], rows: Sequence[Row], room: int) -> _Fitted:
    """The columns that fit, each with its index and width."""
    natural = [
        max(len(column.name), *(_text(row.cells[at]).cell_len for row in rows)) for at, column in enumerate(columns)
    ]
    kept = [at for at, column in enumerate(columns) if any(_text(row.cells[at]).plain for row in rows)]
    least = {at: min(natural[at], 12) if columns[at].flex else natural[at] for at in kept}
    for at in sorted(kept, key=lambda at: -columns[at].drop):
        if columns[at].drop and sum(least[at] + _GAP for at in kept) - _GAP > room:
            kept.remove(at)
    left = room - (sum(least[at] + _GAP for at in kept) - _GAP)
    widths = dict(least)
    for at in kept:
        if columns[at].flex and left > 0:
            widths[at] += (more := min(left, natural[at] - least[at]))
            left -= more
    return [(columns[at], at, widths[at]) for at in kept]


def _line(cells: Sequence[Text | str], columns: _Fitted, style: str = "") -> Text:
    line = Text("  ", style)
    for cell, (column, _, width) in zip(cells, columns, strict=True):
        text = _text(cell).copy()
        text.truncate(width, overflow="ellipsis")
        missing = width - text.cell_len
        line.append(" " * missing if column.right else "").append_text(text)
        line.append(" " * (_GAP if column.right else missing + _GAP))
    line.rstrip()
    return line


def _text(cell: Text | str) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def _joined(lines: Sequence[Text], width: int) -> Text:
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n", no_wrap=True, overflow="crop").join(lines)
