"""`barq check`: before a deploy, find jobs that the application would not know how to run."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import click
import msgspec

import barq
from barq.cli import app, exits, text
from barq.cli.common import emit, json_option
from barq.errors import InvalidPayload
from barq.job import Job
from barq.states import State

_TO_RUN: Final = (State.WAITING, State.DELAYED, State.ACTIVE)
_PAGE: Final = 500


class Misfit(msgspec.Struct):
    """A job whose data does not fit, and why."""

    id: int
    type: str
    why: str


class Unknown(msgspec.Struct):
    """A type that has jobs to run, and no handler."""

    type: str
    jobs: int


class Parked(msgspec.Struct):
    """Parked jobs of a type that were looked at, and how many of them this code could run."""

    type: str
    jobs: int
    fit: int


@dataclass
class Findings:
    looked_at: int = 0
    misfits: list[Misfit] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)

    @property
    def bad(self) -> bool:
        return bool(self.misfits or self.unknown)


@click.command()
@click.argument("place", metavar="APP:QUEUE")
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="How many jobs of each type and state are read, those that run next first.",
)
@json_option
def check(*, place: str, most: int, as_json: bool) -> None:
    """Find jobs that this code can't run: types without a handler, and data that does not fit a task's arguments.

    Of parked jobs it tells how many would fit. Nothing is run and nothing is changed. The exit code is 1 when jobs were
    found that can't be run.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    found = asyncio.run(_found(app.load(place), most))
    if as_json:
        emit({"ok": not found.bad, **asdict(found)})
    else:
        _print(found)
    if found.bad:
        raise SystemExit(exits.FAILED)


def _print(found: Findings) -> None:
    for lost in found.unknown:
        click.echo(f"type {text.one_line(lost.type)}: no handler for its {lost.jobs} jobs")
    for misfit in found.misfits:
        click.echo(f"job {misfit.id} ({text.one_line(misfit.type)}): {text.one_line(misfit.why)}")
    for parked in found.parked:
        click.echo(
            f"type {text.one_line(parked.type)}: {parked.fit} of {parked.jobs} parked jobs fit: `barq retry` them"
        )
    exits.say(
        f"{found.looked_at} jobs looked at, {len(found.misfits)} do not fit, {len(found.unknown)} types without a handler"
    )


async def _found(queue: barq.Queue, most: int) -> Findings:
    found = Findings()
    async with queue:
        await queue.ping()
        for type, row in (await queue.types()).items():
            if queue.handlers.get(type) is None:
                if to_run := sum(row.counts[state] for state in _TO_RUN):
                    found.unknown.append(Unknown(type, to_run))
                continue
            for state in _TO_RUN:
                if row.counts[state]:
                    async for job in _jobs(queue, type, state, most):
                        found.looked_at += 1
                        if why := _misfit(queue, job):
                            found.misfits.append(Misfit(job.id, type, why))
            if row.counts[State.BLOCKED]:
                whys = [_misfit(queue, job) async for job in _jobs(queue, type, State.BLOCKED, most)]
                found.looked_at += len(whys)
                found.parked.append(Parked(type, len(whys), whys.count(None)))
    return found


async def _jobs(queue: barq.Queue, type: str, state: State, most: int) -> AsyncIterator[Job[Any]]:
    after = None
    while most > 0:
        page = await queue.jobs(state, type, limit=min(most, _PAGE), after=after)
        for job in page:
            yield job
        most -= len(page)
        if (after := page.next) is None:
            break


def _misfit(queue: barq.Queue, job: Job[Any]) -> str | None:
    handler = queue.handlers.get(job.type)
    try:
        data = job.data
    except Exception as error:  # a codec may raise anything
        return f"its data can't be read: {error}"
    if handler is not None and handler.arguments is not None:
        try:
            handler.arguments(data)
        except InvalidPayload as error:
            return str(error)
    return None
