"""A job: all that is known of it, and its log as it grows."""

from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from barq.cli import text
from barq.cli.exits import clean
from barq.cli.top.draw import STATE_STYLES, bar, one_line, seconds
from barq.cli.top.page import Page
from barq.errors import JobNotFound
from barq.explain import Explanation
from barq.failures import Attempt
from barq.job import Job
from barq.states import FINISHED, State

_MOST_LOG: Final = 200


class JobPage(Page):
    KEYS: ClassVar[str] = " ? help  / search  j k scroll  r retry  c cancel  p pause its type  q back"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, id: int) -> None:
        super().__init__()
        self._job_id = id
        self._job: Job[Any] | None = None
        self._gone = False
        self._why: Explanation | None = None
        self._attempts: list[Attempt] = []
        self._logs: list[tuple[datetime, str]] = []

    @property
    def name_of_page(self) -> str:
        return f"Job {self._job_id}"

    def body(self) -> ComposeResult:
        with VerticalScroll(id="scroll"):
            yield Static(id="job")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#scroll").focus()

    async def look(self) -> None:
        queue = self.top.queue
        try:
            self._job = await queue.get(self._job_id)
            self._why, self._attempts = await queue.explain(self._job_id), await queue.attempts(self._job_id)
            self._logs = await queue.logs(self._job_id)
            self._gone = False
        except JobNotFound:
            self._gone = True

    def draw(self) -> None:
        if self._job is not None:
            told = described(self._job, why=self._why, attempts=self._attempts, logs=self._logs)
            if self._gone:
                told = Text("This job is not there any more; so it was:\n\n", "bold yellow").append_text(told)
            self.query_one("#job", Static).update(told)
        elif self._gone:
            self.query_one("#job", Static).update(Text(f"job {self._job_id} is not there (any more)", "yellow"))

    # ---- keys

    def action_scroll(self, by: int) -> None:
        self.query_one("#scroll", VerticalScroll).scroll_relative(y=by, animate=False)

    def action_retry(self) -> None:
        self.top.steer.retry(self._job_id)

    def action_cancel(self) -> None:
        self.top.steer.cancel(self._job_id)

    def action_pause(self) -> None:
        if self._job is not None:
            self.top.steer.pause_or_resume(self._job.type)


def described(
    job: Job[Any], *, why: Explanation | None, attempts: list[Attempt], logs: list[tuple[datetime, str]]
) -> Text:
    parts = [_first_line(job), *_facts(job)]
    if why is not None and job.state not in FINISHED:
        parts += [Text(f"  {one_line(reason.text)}", "yellow") for reason in why.reasons]
    parts += _time_line(job, attempts)
    if job.error is not None:
        parts.append(_head("Error"))
        parts.append(Text(f"  {one_line(f'{job.error.type}: {job.error.message}')}", "bold red"))
        parts.append(Text(_indented(job.error.traceback)))
    parts += [_head("Data"), Text(_indented(_pretty(job.data)))]
    if job.state is State.COMPLETED:
        parts += [_head("Result"), Text(_indented(_pretty(job.returned)))]
    if logs:
        left_out = f", the last {_MOST_LOG} of {len(logs)}" if len(logs) > _MOST_LOG else ""
        parts.append(_head(f"Log{left_out}"))
        parts += [
            Text(f"  {text.clock_time(at)}  ", "dim").append(clean(line), "not dim") for at, line in logs[-_MOST_LOG:]
        ]
    return Text("\n").join(parts)


def _first_line(job: Job[Any]) -> Text:
    line = (
        Text(f" {one_line(job.type)}", "bold")
        .append("  ")
        .append(f" {job.state} ", f"{STATE_STYLES[job.state]} reverse")
    )
    if job.title:
        line.append(f"  {one_line(job.title)}", "not bold")
    return line


def _facts(job: Job[Any]) -> list[Text]:
    timeout = None if job.options.timeout_ms is None else seconds(job.options.timeout_ms / 1000)
    facts = {
        "attempt": f"{job.attempt} of {job.attempts}" + (f", {job.failures} failed" if job.failures else ""),
        "priority": job.priority or None,
        "timeout": timeout,
        "worker": job.worker,
        "due": text.exact(job.due_at) or None,
    }
    lines = [Text(f"  {name:<9} ", "dim").append(one_line(fact), "not dim") for name, fact in facts.items() if fact]
    if job.state is State.ACTIVE and job.progressed is not None:
        said = "" if job.progressed.data is None else f"  {text.as_json(job.progressed.data)}"
        lines.append(Text("  progress  ", "dim").append_text(bar(job.progressed.percent, 30)).append(said))
    return lines


def _time_line(job: Job[Any], attempts: list[Attempt]) -> list[Text]:
    lines = [_head("Time line")]
    if job.created_at is not None:
        lines.append(_moment(job.created_at, "enqueued"))
    for attempt in attempts:
        ran = _ran(attempt)
        at = attempt.started_at or attempt.ended_at
        if attempt.ended_at is None:
            lines.append(_moment(at, f"attempt {attempt.attempt} runs{ran}", STATE_STYLES["active"]))
        elif attempt.error is not None:
            error = one_line(f"{attempt.error.type}: {attempt.error.message}")
            lines.append(_moment(at, f"attempt {attempt.attempt} failed{ran}: {error}", "red"))
        else:
            lines.append(_moment(at, f"attempt {attempt.attempt} ended{ran}", "green"))
    if job.state in FINISHED and job.ended_at is not None:
        lines.append(_moment(job.ended_at, str(job.state), STATE_STYLES[job.state]))
    return lines


def _ran(attempt: Attempt) -> str:
    if attempt.started_at is None:
        return ""
    took = ((attempt.ended_at or datetime.now(UTC)) - attempt.started_at).total_seconds()
    return f" after {seconds(took)}" if attempt.ended_at else f" for {seconds(took)}"


def _moment(at: datetime | None, what: str, style: str = "") -> Text:
    when = "" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
    return Text(f"  {when:<19}  ", "dim").append(what, style or "not dim")


def _head(name: str) -> Text:
    return Text(f"\n{name}", "bold cyan")


def _indented(told: str) -> str:
    return "\n".join(f"  {line}" for line in clean(told).rstrip().splitlines())


def _pretty(value: Any) -> str:
    encoded = msgspec.json.encode(value)
    return (encoded if len(encoded) < 70 else msgspec.json.format(encoded, indent=2)).decode()
