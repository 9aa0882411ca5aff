"""The application of `barq top`: one loop that has the page in front look once a second, and what leads from page to page."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches

import barq
from barq.cli.top.dialogs import Ask, Go, Help
from barq.cli.top.overview import Overview
from barq.cli.top.page import Page
from barq.cli.top.seen import EVERY_SECONDS
from barq.cli.top.steer import Steer
from barq.errors import BarqError, ServerUnreachable

_LONGEST_LOOK = 10.0
_SHARE = 0.2
"""Of the time that looking may take: beside very many types it is done more seldom."""


class Top(App[None]):
    CSS = """
    Page { layout: vertical; }
    #head, #foot, #states, #totals { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    * { scrollbar-size-vertical: 1; scrollbar-background: ansi_default; scrollbar-background-hover: ansi_default;
        scrollbar-background-active: ansi_default; scrollbar-color: ansi_bright_black;
        scrollbar-color-hover: ansi_bright_black; scrollbar-color-active: ansi_bright_black; }
    Screen, Page { background: ansi_default; color: ansi_default; }
    ModalScreen { align: center middle; background: transparent; }
    .dialog { width: auto; max-width: 96%; height: auto; max-height: 90%; padding: 1 2; border: round ansi_cyan;
              background: ansi_default; }
    .dialog Static { width: auto; max-width: 100%; }
    Ask { align: left bottom; }
    .line { layout: horizontal; height: 1; background: ansi_default; }
    #slash { width: 2; text-style: bold; }
    #words { width: 1fr; border: none; height: 1; background: ansi_default; color: ansi_default; padding: 0; }
    Toast { background: ansi_default; border: round ansi_cyan; color: ansi_default; padding: 0 1; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", show=False, priority=True)]

    def __init__(self, queue: barq.Queue, *, read_only: bool = False) -> None:
        super().__init__(ansi_color=True)
        self.queue = queue
        self.read_only = read_only
        self.steer = Steer(self)
        self.trouble: str | None = None
        self.seen_at: datetime | None = None
        self._wanted = asyncio.Event()

    async def on_mount(self) -> None:
        self.theme = "ansi-dark"
        await self.push_screen(Overview())
        self.run_worker(self._watch(), name="barq top looks", exit_on_error=True)

    async def on_unmount(self) -> None:
        await self.queue.close()

    # ---- looking

    def look_now(self) -> None:
        self._wanted.set()

    @property
    def page(self) -> Page | None:
        """The page in front, also below a dialog."""
        pages = [screen for screen in self.screen_stack if isinstance(screen, Page)]
        return pages[-1] if pages else None

    async def _watch(self) -> None:
        """Until the application ends."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            self._wanted.clear()
            if (page := self.page) is not None:
                await self._look(page)
            wait = max(EVERY_SECONDS, (loop.time() - began) / _SHARE) if self.trouble is None else EVERY_SECONDS
            try:
                await asyncio.wait_for(self._wanted.wait(), wait)
            except TimeoutError:
                pass

    async def _look(self, page: Page) -> None:
        try:
            async with asyncio.timeout(_LONGEST_LOOK):
                await page.look()
        except ServerUnreachable:
            self.trouble = "the server is gone"
        except TimeoutError:
            self.trouble = "the server does not answer"
        except BarqError as error:
            self.trouble = str(error)
        else:
            self.trouble, self.seen_at = None, datetime.now(UTC)
        with suppress(NoMatches):  # it is being closed
            page.draw_head()
            if self.trouble is None:
                page.draw()

    # ---- from page to page

    def back(self) -> None:
        pages = [screen for screen in self.screen_stack if isinstance(screen, Page)]
        if len(pages) > 1:
            self.pop_screen()
        else:
            self.exit()

    def open_job(self, id: int) -> None:
        from barq.cli.top.job import JobPage

        self.push_screen(JobPage(id))

    def open_jobs(self, query: str) -> None:
        from barq.cli.top.jobs import JobsPage

        self.push_screen(JobsPage(query))

    def open_worker(self, id: str) -> None:
        from barq.cli.top.lists import WorkersPage

        self.push_screen(WorkersPage(id))

    def search(self, words: str = "") -> None:
        def found(answer: str | None) -> None:
            if answer is None:
                return
            if answer.isdecimal():
                self.open_job(int(answer))
            else:
                self.open_jobs(answer)

        self.push_screen(Ask(words), found)

    def help(self) -> None:
        self.push_screen(Help())

    def go(self) -> None:
        self.push_screen(Go(), self._go)

    def _go(self, key: str | None) -> None:
        from barq.cli.top.lists import FailuresPage, WorkersPage

        if key is None:
            return
        while len(self.screen_stack) > 2:
            self.pop_screen()
        match key:
            case "j":
                self.open_jobs("")
            case "f":
                self.push_screen(FailuresPage())
            case "w":
                self.push_screen(WorkersPage())
