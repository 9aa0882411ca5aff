"""`barq info`, `events`, `pause`, `resume`: the queue as a whole."""

import logging
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

import barq
from barq.cli import suggest, text
from barq.cli.common import done, emit, job_command, log_to_stderr, me
from barq.cli.describe import event_text, event_values
from barq.cli.values import seconds_of
from barq.cli.workers import workers_table
from barq.states import State
from barq.stats import TypeStats

# ---- look


@click.command()
@job_command
async def info(queue: barq.Queue, *, as_json: bool) -> None:
    """Show how many jobs of which type are in which state, how fast they are, what is paused, and who works.

    RATE: jobs a second that completed over the last minute. OLDEST: since when the job that waits longest could have run.
    """
    types, paused, alive = await queue.stats(), await queue.paused(), await queue.workers()
    handled = {type_ for worker in alive for type_ in worker.types}
    total = {str(state): sum(row.counts[state] for row in types.values()) for state in State}
    if as_json:
        rows = {name: {**msgspec.structs.asdict(row), "known": name in handled} for name, row in types.items()}
        known = {"queue": queue.name, "server": queue.target.shown, "paused": paused, "counts": total}
        emit({"ok": True, **known, "types": rows, "workers": alive})
        return
    parts = [f"queue {queue.name} at {queue.target.shown}" + (f", paused {_pause_text(paused)}" if paused else "")]
    if types:
        head = ["TYPE", *(state.upper() for state in State), "RATE", "OLDEST", "PAUSED"]
        lines = [_type_line(row) for row in types.values()]
        oldest = min((row.oldest_waiting_at for row in types.values() if row.oldest_waiting_at), default=None)
        rate = sum(row.rate for row in types.values())
        lines.append(["total", *total.values(), f"{rate:g}", text.when(oldest), ""])
        parts.append(text.table(head, lines, right=" ".join(head[1:-1])))
        if alive and (lost := [name for name, row in types.items() if name not in handled and _to_run(row)]):
            parts.append(
                f"no living worker knows {', '.join(map(text.one_line, lost))}: jobs of it wait until one does"
            )
        if parked := [name for name, row in types.items() if row.counts[State.BLOCKED]]:
            parts.append(
                f"jobs of {', '.join(map(text.one_line, parked))} are parked, as their data does not fit: `barq ls "
                "blocked` says why; mend the code, then `barq retry` them"
            )
    else:
        parts.append("no jobs yet")
    parts.append(workers_table(alive) if alive else "no workers")
    click.echo("\n\n".join(parts))


def _type_line(row: TypeStats) -> list[object]:
    paused = _pause_text(row.paused) if row.paused else ""
    return [row.type, *row.counts.values(), f"{row.rate:g}", text.when(row.oldest_waiting_at), paused]


def _to_run(row: TypeStats) -> bool:
    return any(row.counts[state] for state in (State.WAITING, State.DELAYED))


def _since(ms: int) -> str:
    return text.when(datetime.fromtimestamp(ms / 1000, UTC))


def _pause_text(paused: dict[str, Any]) -> str:
    by = f"by {paused['by']}, " if paused.get("by") else ""
    until = f", resumes {_since(int(paused['until']))}" if paused.get("until") else ""
    why = f": {paused['reason']}" if paused.get("reason") else ""
    return f"{by}{_since(int(paused.get('at', 0)))}{until}{why}"


@click.command()
@click.option("--after", metavar="POSITION", help="Also those behind the position of an event; 0 = all that are kept.")
@job_command
async def events(queue: barq.Queue, *, as_json: bool, after: str | None) -> None:
    """Follow what happens to jobs, a line for each event, until Ctrl-C."""
    log_to_stderr(logging.WARNING)  # says when the connection is lost
    async for event in queue.events(after):
        if as_json:
            emit(event_values(event))
        else:
            click.echo(event_text(event))


# ---- act


@click.command()
@click.argument("type", required=False, shell_complete=suggest.types)
@click.option("--reason", default="", help="Why, for those who wonder later.")
@click.option(
    "--for", "seconds", metavar="TIME", callback=seconds_of, help="It ends by itself after 90s, 10m, 2h or 1d."
)
@job_command
async def pause(queue: barq.Queue, *, as_json: bool, type: str | None, reason: str, seconds: float | None) -> None:
    """Hand out no job of a TYPE (without it: of any) until it is resumed, or for a time. Running ones go on."""
    changed = await queue.pause(type, by=me(), reason=reason, seconds=seconds)
    lasts = "" if seconds is None else f" for {seconds:g} s"
    message = f"{_named(queue, type)} {'is' if changed else 'was already'} paused{lasts}"
    done(as_json, message, type=type, changed=changed)


@click.command()
@click.argument("type", required=False, shell_complete=suggest.types)
@job_command
async def resume(queue: barq.Queue, *, as_json: bool, type: str | None) -> None:
    """End a pause of a TYPE, or without it of the queue."""
    changed = await queue.resume(type, by=me())
    message = f"{_named(queue, type)} {'goes on' if changed else 'was not paused'}"
    done(as_json, message, type=type, changed=changed)


def _named(queue: barq.Queue, type: str | None) -> str:
    return f"queue {queue.name}" if type is None else f"type {type}"
