"""`barq check`: before a deploy, find jobs that the application would not know how to run."""

import asyncio
import os
import sys
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

    Nothing is run and nothing is changed. The exit code is 1 when something was found.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    looked, misfits, unknown = asyncio.run(_found(app.load(place), most))
    bad = bool(misfits or unknown)
    if as_json:
        emit({"ok": not bad, "looked_at": looked, "misfits": misfits, "unknown": unknown})
    else:
        for lost in unknown:
            click.echo(f"type {text.one_line(lost.type)}: no handler for its {lost.jobs} jobs")
        for misfit in misfits:
            click.echo(f"job {misfit.id} ({text.one_line(misfit.type)}): {text.one_line(misfit.why)}")
        exits.say(f"{looked} jobs looked at, {len(misfits)} do not fit, {len(unknown)} types without a handler")
    if bad:
        raise SystemExit(exits.FAILED)


async def _found(queue: barq.Queue, most: int) -> tuple[int, list[Misfit], list[Unknown]]:
    looked, misfits, unknown = 0, list[Misfit](), list[Unknown]()
    async with queue:
        await queue.ping()
        for type, row in (await queue.types()).items():
            to_run = sum(row.counts[state] for state in _TO_RUN)
            if not to_run:
                continue
            if queue.handlers.get(type) is None:
                unknown.append(Unknown(type, to_run))
                continue
            for state in _TO_RUN:
                left, after = most, None
                while left > 0:
                    page = await queue.jobs(state, type, limit=min(left, _PAGE), after=after)
                    looked += len(page)
                    left -= len(page)
                    misfits += [Misfit(job.id, type, why) for job in page if (why := _misfit(queue, job))]
                    if (after := page.next) is None:
                        break
    return looked, misfits, unknown


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
