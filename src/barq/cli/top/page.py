"""Page: what the screens of `barq top` share: first and last line, keys, and how one looks anew."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

if TYPE_CHECKING:
    from barq.cli.top.app import Top


class Page(Screen[None]):
    """`look` reads what it shows, `draw` shows it. The application calls both, once a second."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "back", show=False),
        Binding("slash", "search", show=False),
        Binding("question_mark", "help", show=False),
        Binding("g", "go", show=False),
        Binding("r", "retry", show=False),
        Binding("p", "pause", show=False),
        Binding("P", "pause_all", show=False),
        Binding("c", "cancel", show=False),
    ]

    KEYS: ClassVar[str] = ""
    """What the last line says of keys."""

    @property
    def top(self) -> "Top":
        from barq.cli.top.app import Top

        assert isinstance(self.app, Top)
        return self.app

    @property
    def name_of_page(self) -> str:
        return ""

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield from self.body()
        yield Static(Text(self.KEYS, "dim", no_wrap=True, overflow="ellipsis"), id="foot")

    def body(self) -> ComposeResult:
        yield from ()

    async def look(self) -> None:
        """Read. Raises BarqError."""

    def draw(self) -> None:
        """Show what was read last."""

    def on_mount(self) -> None:
        self.draw_head()

    def on_screen_resume(self) -> None:
        self.top.look_now()

    def on_resize(self) -> None:
        self.draw_head()
        self.draw()

    def draw_head(self) -> None:
        width = self.app.size.width
        queue = self.top.queue
        right = self._standing()
        head = Text(" barq top ", "bold reverse").append(f" {queue.name}", "bold not reverse")
        head.append(f"  {self.name_of_page}", "not reverse") if self.name_of_page else None
        if not self.name_of_page and head.cell_len + right.cell_len + len(queue.target.shown) + 4 < width:
            head.append(f"  {queue.target.shown}", "dim not reverse")
        head.truncate(max(20, width - right.cell_len - 1), overflow="ellipsis")
        head.append(" " * max(1, width - head.cell_len - right.cell_len), "not reverse").append_text(right)
        head.truncate(width, overflow="ellipsis")
        head.no_wrap = True
        self.query_one("#head", Static).update(head)

    def _standing(self) -> Text:
        top = self.top
        if top.trouble is not None:
            since = f" since {top.seen_at.astimezone():%H:%M:%S}" if top.seen_at else ""
            return Text(f"✗ {top.trouble}{since}", "bold red not reverse")
        mode = "read-only  " if top.read_only else ""
        now: datetime | None = top.seen_at
        return Text(f"{mode}● {now.astimezone():%H:%M:%S}" if now else "connecting …", "green not reverse")

    # ---- keys

    def action_back(self) -> None:
        self.top.back()

    def action_search(self) -> None:
        self.top.search()

    def action_help(self) -> None:
        self.top.help()

    def action_go(self) -> None:
        self.top.go()

    def action_pause_all(self) -> None:
        self.top.steer.pause_queue()

    def action_retry(self) -> None:
        self.top.steer.nothing("r retries a type's failed jobs, a group of failures, or a job")

    def action_pause(self) -> None:
        self.top.steer.nothing("p pauses the type of the row")

    def action_cancel(self) -> None:
        self.top.steer.nothing("c cancels a job")
