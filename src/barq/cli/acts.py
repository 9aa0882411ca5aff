"""`barq retry`, `cancel`, `promote`, `remove`: what is done with jobs, named by their ids or found by a query."""

import contextlib
import functools
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Literal

import click

import barq
from barq.cli import exits, values
from barq.cli.common import done, emit, job_command, me
from barq.errors import InvalidValue

Verb = Literal["retry", "cancel", "promote", "remove"]

_AT_ONCE: Final = 1_000
"""Jobs that match, of one round: so often a long act shows how far it is."""

_DONE: Final = {"retry": "will run again", "cancel": "cancelled", "promote": "promoted", "remove": "removed"}


def _which(function: Any) -> Any:
    """The options of all acts. What does not fit together is told before the server is asked."""

    @functools.wraps(function)
    def command(*, ids: tuple[int, ...], where: str | None, dry_run: bool, **rest: Any) -> None:
        if (where is None) == (not ids):
            raise InvalidValue(f"barq {function.__name__} takes ids of jobs, or --where QUERY")
        if ids and dry_run:
            raise InvalidValue("--dry-run counts what --where finds; ids need no counting")
        function(ids=ids, where=where, dry_run=dry_run, **rest)

    for option in (
        click.option("--yes", is_flag=True, help="Do not ask before acting on what --where finds."),
        click.option("--dry-run", is_flag=True, help="Only count what --where finds."),
        click.option(
            "--where", metavar="QUERY", callback=values.query, help="All jobs that a query finds, as in barq ls QUERY."
        ),
        click.argument("ids", metavar="[ID...]", type=values.JobId(), nargs=-1),
    ):
        command = option(command)
    return command


@click.command()
@_which
@job_command
async def retry(queue: barq.Queue, **asked: Any) -> None:
    """Run finished jobs again, with all their attempts.

    With --where failed, cancelled and parked ones; completed ones when the query says state:completed.
    """
    await _act(queue, "retry", queue.retry, **asked)


@click.command()
@_which
@job_command
async def cancel(queue: barq.Queue, **asked: Any) -> None:
    """The jobs never run (again); where one runs now it is ended."""
    await _act(queue, "cancel", queue.cancel, **asked)


@click.command()
@_which
@job_command
async def promote(queue: barq.Queue, **asked: Any) -> None:
    """Delayed jobs wait from now on."""
    await _act(queue, "promote", queue.promote, **asked)


@click.command()
@_which
@job_command
async def remove(queue: barq.Queue, **asked: Any) -> None:
    """Forget jobs with all that belongs to them. Cancel running ones first."""
    await _act(queue, "remove", queue.remove, **asked)


async def _act(
    queue: barq.Queue,
    verb: Verb,
    by_id: Callable[..., Awaitable[None]],
    *,
    as_json: bool,
    ids: tuple[int, ...],
    where: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    if where is None:
        await by_id(*ids, by=me())
        done(as_json, f"{_named(len(ids), ids[0])} {_DONE[verb]}", ids=ids)
        return
    await _act_on_all(queue, verb, where, as_json=as_json, dry_run=dry_run, yes=yes)


async def _act_on_all(queue: barq.Queue, verb: Verb, where: str, *, as_json: bool, dry_run: bool, yes: bool) -> None:
    found = await queue.act_on(verb, where=where, dry_run=True)
    number = f"{'more than ' * found.more}{found.matched} job{'s' * (found.matched != 1)}"
    if dry_run or not found.matched:
        done(
            as_json,
            f"{number} can be taken by {verb}: {where}",
            matched=found.matched,
            done=0,
            refused=0,
            more=found.more,
        )
        return
    if not yes:
        _confirm(f"{verb} {number} that match {where}?", as_json=as_json)
    matched = acted = 0
    with _bar(found.matched, shown=found.matched > _AT_ONCE and not as_json) as forward:
        after: str | None = None
        while True:
            part = await queue.act_on(verb, where=where, most=_AT_ONCE, after=after, by=me())
            matched, acted, after = matched + part.matched, acted + part.done, part.next
            forward(part.matched)
            if after is None:
                break
    if as_json:
        emit({"ok": True, "matched": matched, "done": acted, "refused": matched - acted, "more": False})
        return
    changed = f"; {matched - acted} had changed meanwhile" if matched > acted else ""
    exits.say(f"{_named(acted)} {_DONE[verb]}{changed}")


def _confirm(question: str, *, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise InvalidValue(f"{question} Say it with --yes, as there is nobody to ask here; --dry-run only counts")
    if not click.confirm(exits.clean(question), err=True):
        exits.end("nothing was done")


@contextlib.contextmanager
def _bar(total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; elsewhere nothing."""
    if not shown or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=total, file=sys.stderr, show_pos=True) as drawn:
        yield drawn.update


def _named(number: int, id: int | None = None) -> str:
    return f"job {id}" if number == 1 and id is not None else f"{number} job{'s' * (number != 1)}"
