"""`barq wait`: until jobs have ended, with bars on a terminal."""

import asyncio
import sys
from typing import Any

import click
import msgspec

import barq
from barq.cli import exits, text, values
from barq.cli.common import emit, job_command
from barq.cli.wait_bars import Bars, bars
from barq.errors import JobNotFound
from barq.events import Event, Progress
from barq.outcome import ErrorInfo
from barq.states import ENDINGS, State

_STATES = {"complete": "completed", "failed": "failed", "cancel": "cancelled", "remove": "missing"}
_MOST_ASKED = 500


class Waited(msgspec.Struct):
    """How it stands with a job: completed, failed, cancelled, missing, or not ended."""

    id: int
    type: str | None = None
    state: str = "not ended"
    result: Any = None
    error: ErrorInfo | None = None

    def line(self) -> str:
        why = f"  {text.one_line(f'{self.error.type}: {self.error.message}')}" if self.error else ""
        return f"{self.id}  {self.state}{why}"


@click.command()
@values.job_ids
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds to wait at most.")
@job_command
async def wait(queue: barq.Queue, *, as_json: bool, ids: tuple[int, ...], timeout: float | None) -> None:
    """Wait until jobs have ended. Prints how each did; on a terminal with bars of their progress meanwhile.

    The exit code is 0 when all have completed, 1 when some failed or were cancelled, 3 when some are not there,
    4 when some had not ended in time.
    """
    waited = {id: Waited(id) for id in ids}
    with bars(len(waited)) as shown:
        try:
            async with asyncio.timeout(timeout):
                await _all(queue, waited, shown, quiet=as_json or shown.shown)
        except TimeoutError:
            pass
    code, message = _verdict(list(waited.values()), timeout)
    if as_json:
        known = {} if code == 0 else {"error": message}
        emit({"ok": code == 0, **known, "jobs": list(waited.values())})
    elif shown.shown:
        click.echo("\n".join(one.line() for one in waited.values()))
    if code:
        exits.say(message)
        raise SystemExit(code)


async def _all(queue: barq.Queue, waited: dict[int, Waited], shown: Bars, *, quiet: bool) -> None:
    asking = asyncio.Semaphore(_MOST_ASKED)

    async def one(job: Waited) -> None:
        try:
            async with asking:
                stored = await queue.get(job.id)
            job.type = stored.type
            if stored.state is State.ACTIVE:
                percent = stored.progressed.percent if stored.progressed else 0
                shown.runs(job.id, _name(job), percent)
            async for event in stored.events():
                if event.name in ENDINGS:
                    _ended(job, event)
                    break
                _goes_on(job, event, shown)
        except JobNotFound:
            job.state = "missing"
        shown.ended(job.id)
        if not quiet:
            click.echo(job.line())
            sys.stdout.flush()

    async with asyncio.TaskGroup() as group:
        for job in waited.values():
            group.create_task(one(job))


def _goes_on(job: Waited, event: Event, shown: Bars) -> None:
    match event.name, event.data:
        case "start", _:
            shown.runs(job.id, _name(job), 0)
        case "progress", Progress(percent=percent):
            shown.runs(job.id, _name(job), percent)
        case "failed attempt" | "requeue", _:
            shown.rests(job.id)


def _name(job: Waited) -> str:
    return f"{job.id} {text.one_line(job.type)}"


def _ended(job: Waited, event: Event) -> None:
    job.state = _STATES[event.name]
    if event.name == "complete":
        job.result = event.data
    elif isinstance(event.data, ErrorInfo):
        job.error = event.data


def _verdict(waited: list[Waited], timeout: float | None) -> tuple[int, str]:
    """The exit code, and what to say."""
    number = {state: sum(one.state == state for one in waited) for state in ("not ended", *_STATES.values())}
    if number["not ended"]:
        return exits.TIMED_OUT, f"{_jobs(number['not ended'], 'has', 'have')} not ended within {timeout:g} s"
    if number["missing"]:
        return exits.NOT_FOUND, f"{_jobs(number['missing'], 'is', 'are')} not there (any more)"
    if number["failed"] or number["cancelled"]:
        return exits.FAILED, f"{number['failed']} failed and {number['cancelled']} cancelled of {len(waited)} jobs"
    return 0, ""


def _jobs(number: int, one: str, more: str) -> str:
    return f"1 job {one}" if number == 1 else f"{number} jobs {more}"
