"""Jobs: what a query finds, by state, a page at a time."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from barq import bulk
from barq.cli.top import rows
from barq.cli.top.draw import STATE_STYLES, brief, number
from barq.cli.top.page import Page
from barq.cli.top.panel import Panel
from barq.cli.top.steer import Verb
from barq.errors import InvalidValue
from barq.job import Job
from barq.listing import Page as PageOfJobs
from barq.states import FINISHED, State

_PAGE: Final = 100
STATES: Final = (None, *map(str, State))


class JobsPage(Page):
    CSS = """
    #jobs { height: 1fr; }
    """
    KEYS: ClassVar[str] = " ? help  / search  ←→ state  Enter  r retry  c cancel  R C all  n b page  q back"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "state(1)", show=False),
        Binding("left,h", "state(-1)", show=False),
        Binding("n", "next_page", show=False),
        Binding("b", "page_before", show=False),
        Binding("R", "all('retry')", show=False),
        Binding("C", "all('cancel')", show=False),
    ]

    def __init__(self, query: str) -> None:
        super().__init__()
        self._state, self._words = split(query)
        self._pages: list[str | None] = [None]
        self._jobs: list[Job[Any]] = []
        self._next: str | None = None
        self._counts: dict[str, int] = {}
        self._wrong = ""

    @property
    def name_of_page(self) -> str:
        return f"Jobs  {self._words}"

    @property
    def query_text(self) -> str:
        return " ".join(filter(None, [f"state:{self._state}" if self._state else "", self._words]))

    def body(self) -> ComposeResult:
        yield Static(id="states")
        yield Panel(rows.JOB_COLUMNS, id="jobs", empty="no jobs")

    async def look(self) -> None:
        queue, after = self.top.queue, self._pages[-1]
        asked = (self._state, after)
        counts: dict[str, int] = {}
        simple = re.fullmatch(r"(?:type:([\w.-]+))?", self._words)  # then counts are there, and waiting jobs in line
        if simple is None:
            try:
                page = await queue.find(self.query_text, limit=_PAGE, after=after)
            except InvalidValue as error:
                page, self._wrong = PageOfJobs([], None), str(error)
        else:
            newest_first = self._state is None or self._state in FINISHED
            page = await bulk.listed(queue, self._state, simple[1], limit=_PAGE, after=after, newest_first=newest_first)
            counts = await queue.counts(simple[1])
        if asked == (self._state, self._pages[-1]):  # else a key has asked for something else meanwhile
            self._jobs, self._next, self._counts = list(page), page.next, counts

    def draw(self) -> None:
        self.query_one("#states", Static).update(self._chips())
        title = Text(f"{self._state or 'all'} jobs", "bold")
        if self._words:
            title.append(f"  {self._words}", "cyan not bold")
        if len(self._pages) > 1 or self._next:
            title.append(f"  page {len(self._pages)}{', n is the next' if self._next else ''}", "dim not bold")
        self.query_one("#jobs", Panel).show(
            rows.job_rows(self._jobs, datetime.now(UTC)), title=title, empty=self._wrong or "no jobs"
        )

    def _chips(self) -> Text:
        """The states with their counts, in short where there is no room."""
        full = self._chips_with(number)
        return full if full.cell_len <= self.app.size.width else self._chips_with(brief)

    def _chips_with(self, shown: Callable[[int], str]) -> Text:
        line = Text(" ", no_wrap=True, overflow="ellipsis")
        for state in STATES:
            count = self._counts.get(state, 0) if state else sum(self._counts.values())
            said = f"{state or 'all'} {shown(count)}" if self._counts else f"{state or 'all'}"
            style = STATE_STYLES[state] if state and (count or not self._counts) else "" if count else "dim"
            line.append(f" {said} ", f"{style} reverse" if state == self._state else style)
        return line

    # ---- keys

    def action_state(self, by: int) -> None:
        self._state = STATES[(STATES.index(self._state) + by) % len(STATES)]
        self._pages, self._jobs, self._next = [None], [], None
        self.draw()
        self.top.look_now()

    def action_next_page(self) -> None:
        if self._next is not None:
            self._pages.append(self._next)
            self._next = None
            self.top.look_now()

    def action_page_before(self) -> None:
        if len(self._pages) > 1:
            self._pages.pop()
            self.top.look_now()

    def action_search(self) -> None:
        self.top.search(self.query_text)

    @property
    def _job(self) -> Job[Any] | None:
        key = self.query_one("#jobs", Panel).key
        return next((job for job in self._jobs if job.id == key), None)

    @on(Panel.Opened)
    def _opened(self) -> None:
        if (job := self._job) is not None:
            self.top.open_job(job.id)

    def action_retry(self) -> None:
        if (job := self._job) is not None:
            self.top.steer.retry(job.id)

    def action_cancel(self) -> None:
        if (job := self._job) is not None:
            self.top.steer.cancel(job.id)

    def action_pause(self) -> None:
        if (job := self._job) is not None:
            self.top.steer.pause_or_resume(job.type)

    def action_all(self, verb: Verb) -> None:
        self.top.steer.all(verb, self.query_text, "jobs of this list")


def split(query: str) -> tuple[str | None, str]:
    """The one state that a query names, and its other words.

    >>> split("type:email state:failed"), split("state:failed,active")
    (('failed', 'type:email'), (None, 'state:failed,active'))
    """
    words = query.split()
    states = [word for word in words if word.startswith("state:")]
    if len(states) != 1 or states[0].removeprefix("state:") not in set(State):
        return None, query
    at = query.index(states[0])
    return states[0].removeprefix("state:"), f"{query[:at].strip()} {query[at + len(states[0]) :].strip()}".strip()
