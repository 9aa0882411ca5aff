"""Failures and workers, each on a page of its own."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult

from barq.cli.top import rows
from barq.cli.top.draw import number, one_line
from barq.cli.top.page import Page
from barq.cli.top.panel import Panel
from barq.failures import Failures
from barq.job import Job
from barq.states import State
from barq.workers import WorkerInfo

_MOST_RUNNING = 500


class FailuresPage(Page):
    KEYS: ClassVar[str] = " ? help  / search  Enter the jobs  r retry all  p pause its type  q back"

    def __init__(self) -> None:
        super().__init__()
        self._found: Failures | None = None

    @property
    def name_of_page(self) -> str:
        return "Failures"

    def body(self) -> ComposeResult:
        yield Panel(rows.FAILURE_COLUMNS, id="failures", empty="none")

    async def look(self) -> None:
        self._found = await self.top.queue.failures()

    def draw(self) -> None:
        if (found := self._found) is None:
            return
        part = f", of the last {number(found.looked_at)}" if found.looked_at < found.total else ""
        title = f"{number(found.total)} failed jobs{part}, by type, error and place"
        self._panel.show(rows.failure_rows(found.groups, datetime.now(UTC)), title=title)

    @property
    def _panel(self) -> Panel:
        return self.query_one("#failures", Panel)

    @property
    def _group(self) -> Any:
        return rows.group_of(self._found.groups if self._found else [], self._panel.key)

    @on(Panel.Opened)
    def _opened(self) -> None:
        if (group := self._group) is not None:
            self.top.open_jobs(group.where)

    def action_retry(self) -> None:
        if (group := self._group) is not None:
            what = f"failed jobs of type {one_line(group.type)} with {one_line(group.error)}"
            self.top.steer.all("retry", group.where, what)

    def action_pause(self) -> None:
        if (group := self._group) is not None:
            self.top.steer.pause_or_resume(group.type)


class WorkersPage(Page):
    """The workers, and below what the one with the cursor runs."""

    CSS = """
    #workers { height: 1fr; }
    #running { height: 1fr; }
    """
    KEYS: ClassVar[str] = " ? help  Tab its jobs  d drain, or go on  s stop  c cancel a job  q back"
    BINDINGS: ClassVar = [("d", "drain", ""), ("s", "stop", "")]

    def __init__(self, id: str | None = None) -> None:
        super().__init__()
        self._wanted = id
        self._workers: list[WorkerInfo] = []
        self._active: list[Job[Any]] = []

    @property
    def name_of_page(self) -> str:
        return "Workers"

    def body(self) -> ComposeResult:
        yield Panel(rows.WORKER_COLUMNS, id="workers", empty="no worker is alive: barq worker app:queue starts one")
        yield Panel(rows.RUNNING_COLUMNS, id="running", empty="nothing")

    async def look(self) -> None:
        queue = self.top.queue
        self._workers = sorted(await queue.workers(), key=lambda one: one.started_ms)
        self._active = list(await queue.jobs(State.ACTIVE, limit=_MOST_RUNNING))

    def draw(self) -> None:
        now, workers = datetime.now(UTC), self.query_one("#workers", Panel)
        workers.show(rows.worker_rows(self._workers, now), title=f"Workers {len(self._workers) or ''}")
        if self._wanted is not None:
            workers.put_on(self._wanted)
            self._wanted = None
        theirs = [job for job in self._active if job.worker == workers.key]
        self.query_one("#running", Panel).show(
            rows.running_rows(theirs, now), title=f"It runs {len(theirs)}" if self._workers else ""
        )

    @on(Panel.Moved)
    def _moved(self) -> None:
        self.draw()

    @on(Panel.Opened, "#running")
    def _opened(self, event: Panel.Opened) -> None:
        if isinstance(event.panel.key, int):
            self.top.open_job(event.panel.key)

    @property
    def _worker(self) -> WorkerInfo | None:
        key = self.query_one("#workers", Panel).key
        return next((one for one in self._workers if one.id == key), None)

    def action_drain(self) -> None:
        if (worker := self._worker) is not None:
            self.top.steer.drain(worker.id, draining=worker.draining)

    def action_stop(self) -> None:
        if (worker := self._worker) is not None:
            self.top.steer.stop(worker.id)

    def action_cancel(self) -> None:
        key = self.query_one("#running", Panel).key
        if isinstance(key, int) and self.focused is self.query_one("#running"):
            self.top.steer.cancel(key)
        else:
            super().action_cancel()
