"""`barq enqueue`, `show`, `ls`: to store jobs and to look at them."""

import difflib
import shlex
from typing import Any

import click

import barq
from barq import bulk
from barq.cli import exits, suggest, values
from barq.cli.common import emit, job_command
from barq.cli.describe import job_text, job_values, jobs_table
from barq.states import FINISHED, State

# ---- enqueue


@click.command()
@click.argument("type", shell_complete=suggest.types)
@click.argument("data", metavar="[JSON]", default="null", callback=values.parsed)
@click.option("--wait", is_flag=True, help="Wait until it has ended and print its result as JSON.")
@click.option("--timeout", type=float, help="Seconds to wait; exit code 4 when it has not ended by then.")
@click.option(
    "--priority",
    default="normal",
    callback=values.priority,
    help=values.PRIORITY_HELP,
)
@click.option("--delay", type=click.FloatRange(min=0), help="Seconds before it may run.")
@click.option(
    "--attempts",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How often it is run at most when it fails.",
)
@click.option("--run-timeout", type=float, help="Seconds after which a run is ended and counts as failed.")
@click.option("--title", help="A name for people.")
@click.option("--token", help="Idempotency token: the same one within a day gives the same job.")
@click.option(
    "--durability", type=click.Choice(["local", "fsync", "replicated"]), help="How safe it is before this ends."
)
@job_command
async def enqueue(
    queue: barq.Queue,
    *,
    as_json: bool,
    type: str,
    data: Any,
    wait: bool,
    timeout: float | None,
    priority: int,
    run_timeout: float | None,
    **options: Any,
) -> None:
    """Store a job and print its id.

    JSON is the job's data; - reads it from stdin. For a task it is an object with the arguments by name.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is how long to --wait: give both (or --run-timeout for the run itself)")
    job = queue.create(type, data, priority=priority, timeout=run_timeout, **_given(options))
    if wait:
        job.on("park", lambda why: exits.say(f"job {job.id} is parked until somebody retries it: {why}"))
    await job.save()
    if not wait:
        if as_json:
            emit({"ok": True, "id": job.id})
        else:
            click.echo(job.id)
        return
    try:
        result = await job.result(timeout)
    except barq.BarqError as error:
        exits.fail(error, as_json=as_json, id=job.id)
    emit({"ok": True, "id": job.id, "result": result} if as_json else result)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


# ---- look


@click.command()
@values.job_id
@job_command
async def show(queue: barq.Queue, *, as_json: bool, id: int) -> None:
    """Show all that is known of a job: data, result, error with traceback, and log."""
    job = await queue.get(id)
    logs = await queue.logs(id)
    result = await job.result() if job.state is State.COMPLETED else None
    alive = await queue.workers()
    known = any(job.type in worker.types for worker in alive)
    if as_json:
        told = [{"at": at, "text": line} for at, line in logs]
        emit({"ok": True, **job_values(job), "result": result, "logs": told, "known": known})
    else:
        click.echo(job_text(job, result=result, logs=logs))
        if alive and not known and job.state in (State.WAITING, State.DELAYED):
            click.echo("no living worker knows its type: it waits until one does")


def _state_of(words: tuple[str, ...]) -> str | None:
    return words[0].lower() if len(words) == 1 and words[0].lower() in list(State) else None


def _readable(context: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    if words and _state_of(words) is None:
        values.query(context, parameter, query_of(words))
    return words


@click.command()
@click.argument("words", metavar="[STATE | QUERY]", nargs=-1, callback=_readable, shell_complete=suggest.states)
@click.option("--type", shell_complete=suggest.types, help="Only jobs of this type.")
@click.option("--limit", type=int, default=50, show_default=True)
@click.option("--after", help="Go on behind a page: the `next` that it named.")
@click.option(
    "--newest-first/--line-order",
    default=None,
    help="Default: finished ones newest first, the others in the order of their line.",
)
@job_command
async def ls(
    queue: barq.Queue,
    *,
    as_json: bool,
    words: tuple[str, ...],
    type: str | None,
    limit: int,
    after: str | None,
    newest_first: bool | None,
) -> None:
    """List jobs: all, those of a STATE (waiting, delayed, active, completed, failed, cancelled, blocked), or of a QUERY.

    A query such as 'state:failed type:email "mailbox full" customer:42 age>1h' finds the latest jobs first;
    docs/search.md has the language. Without one they come type by type.
    """
    state = _state_of(words)
    if words and state is None:
        query = query_of(words) if type is None else f"{query_of(words)} {barq.where(type=type)}"
        page = await queue.find(query, limit=limit, after=after)
        near = difflib.get_close_matches(query, list(State), 1)
        meant = f"did you mean the state {near[0]}?" if near else "what stands in their data is found by data:WORD"
        nothing = f"no jobs match {query}; {meant}"
    else:
        if newest_first is None:
            newest_first = state is None or state in FINISHED
        page = await bulk.listed(queue, state, type, limit=limit, after=after, newest_first=newest_first)
        nothing = f"no {state or ''} jobs".replace("  ", " ") + (f" of type {type}" if type else "")
    if as_json:
        emit({"ok": True, "jobs": [job_values(job) for job in page], "next": page.next})
        return
    if page:
        click.echo(jobs_table(page))
    elif page.next is None:
        exits.say(nothing)
    if page.next is not None:
        exits.say(f"there are more: --after {shlex.quote(page.next)}")


def query_of(words: tuple[str, ...]) -> str:
    """The query of some arguments; one with spaces that was in quotes of the shell is a phrase beside others."""
    if len(words) == 1:
        return words[0]
    return " ".join(barq.where(word) if " " in word and not set(':"') & set(word) else word for word in words)
