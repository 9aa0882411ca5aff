"""`barq explain`, `priority`, `edit`, `clone`, `failures`, `audit`: why jobs do not run, and what people do about it."""

from typing import Any

import click
import msgspec
from msgspec import UNSET

import barq
from barq.audit import Act
from barq.cli import exits, text, values
from barq.cli.common import done, emit, job_command, me
from barq.failures import Attempt

json_argument = click.argument("data", metavar="[JSON]", required=False, callback=values.parsed)


@click.command()
@values.job_id
@job_command
async def explain(queue: barq.Queue, *, as_json: bool, id: int) -> None:
    """Say why a job does not run, or how it ended; and how its attempts failed."""
    told, tries = await queue.explain(id), await queue.attempts(id)
    if as_json:
        emit({"ok": True, **msgspec.to_builtins(told), "attempts": tries})
        return
    click.echo(f"job {id} is {told.state}")
    for reason in told.reasons:
        click.echo(f"  {text.one_line(reason.text)}")
    for one in tries:
        if one.error is not None:
            click.echo(f"  {_attempt(one)}")


def _attempt(one: Attempt) -> str:
    error = one.error
    assert error is not None
    place = f" ({error.place})" if error.place else ""
    return text.one_line(f"run {one.attempt}, {text.when(one.ended_at)}: {error.type}: {error.message}{place}")


# ---- change


@click.command()
@values.job_id
@click.argument("priority", callback=values.priority)
@job_command
async def priority(queue: barq.Queue, *, as_json: bool, id: int, priority: int) -> None:
    """Have a job run before or behind others of its type.

    PRIORITY: low, normal, medium, high, critical, or a number; the smaller runs first. Behind -- it may be negative.
    """
    await queue.set_priority(id, priority, by=me())
    done(as_json, f"job {id} has priority {priority}", id=id, priority=priority)


@click.command()
@values.job_id
@click.argument("data", metavar="JSON", callback=values.parsed)
@click.option("--retry", is_flag=True, help="Run it again with that, when it has ended.")
@job_command
async def edit(queue: barq.Queue, *, as_json: bool, id: int, data: Any, retry: bool) -> None:
    """Give a job that does not run other data; - reads them from stdin."""
    await queue.edit(id, data, retry=retry, by=me())
    done(as_json, f"job {id} has other data" + (", and will run again" if retry else ""), id=id)


@click.command()
@values.job_id
@json_argument
@job_command
async def clone(queue: barq.Queue, *, as_json: bool, id: int, data: Any = UNSET) -> None:
    """Store another job of which the same is asked, and print its id; with JSON it gets other data."""
    job = await queue.clone(id, data, by=me())
    if as_json:
        emit({"ok": True, "id": job.id})
    else:
        click.echo(job.id)


# ---- look


@click.command()
@click.option("--type", help="Only jobs of this type.")
@job_command
async def failures(queue: barq.Queue, *, as_json: bool, type: str | None) -> None:
    """Group the failed jobs by type, error and place in the code, the largest group first."""
    found = await queue.failures(type)
    if as_json:
        emit({"ok": True, "groups": found.groups, "looked_at": found.looked_at, "total": found.total})
        return
    if not found.groups:
        exits.say("no failed jobs" + (f" of type {type}" if type else ""))
        return
    head = ["JOBS", "TYPE", "PLACE", "FIRST", "LAST", "SAMPLE", "ERROR"]
    rows = [
        [
            one.count,
            one.type,
            one.place,
            text.when(one.first_at),
            text.when(one.last_at),
            one.sample_id,
            f"{one.error}: {one.message}",
        ]
        for one in found.groups
    ]
    click.echo(text.table(head, rows, right="JOBS SAMPLE"))
    if found.looked_at < found.total:
        exits.say(f"the newest {found.looked_at} of {found.total} failed jobs were looked at")


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--before", type=click.IntRange(min=1), help="Go on behind a page: the `next` that it named.")
@job_command
async def audit(queue: barq.Queue, *, as_json: bool, limit: int, before: int | None) -> None:
    """List what people did to jobs, types and workers, the newest first."""
    found = await queue.audit(limit, before)
    if as_json:
        emit({"ok": True, "acts": found.acts, "next": found.next})
        return
    if not found.acts:
        exits.say("nobody has done anything yet")
        return
    rows = [[text.when(one.at), one.by, one.act, one.target, _change(one)] for one in found.acts]
    click.echo(text.table(["WHEN", "BY", "ACT", "TARGET", "CHANGE"], rows))
    if found.next is not None:
        exits.say(f"there are more: --before {found.next}")


def _change(act: Act) -> str:
    before, after = (value if isinstance(value, str) else text.as_json(value) for value in (act.before, act.after))
    return f"{before} -> {after}"
