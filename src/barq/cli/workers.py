"""`barq workers`: who is alive; and telling one to claim no more, to go on, or to end."""

from datetime import UTC, datetime

import click

import barq
from barq.cli import exits, text
from barq.cli.common import done, emit, job_command, me
from barq.workers import WorkerInfo


@click.command()
@click.argument("act", required=False, type=click.Choice(["drain", "resume", "stop"]), metavar="[drain|resume|stop]")
@click.argument("id", required=False, metavar="[ID]")
@job_command
async def workers(queue: barq.Queue, *, as_json: bool, act: str | None, id: str | None) -> None:
    """List the workers that are alive, or tell one of them what to do.

    drain: claim nothing more, and stay. resume: claim again. stop: end, with the grace time for what runs. The worker
    hears it within about two seconds.
    """
    if act is not None:
        await _tell(queue, act, id, as_json=as_json)
        return
    alive = await queue.workers()
    if as_json:
        emit({"ok": True, "workers": alive})
    elif alive:
        click.echo(workers_table(alive))
    else:
        exits.say(f"no workers for queue {queue.name}")


async def _tell(queue: barq.Queue, act: str, id: str | None, *, as_json: bool) -> None:
    if id is None:
        raise click.UsageError(f"{act} which worker? Give its id; `barq workers` lists them")
    verbs = {"drain": queue.drain_worker, "resume": queue.resume_worker, "stop": queue.stop_worker}
    changed = await verbs[act](id, by=me())
    message = f"worker {id} is told to {act}" if changed else f"worker {id} was told so before"
    done(as_json, message, worker=id, changed=changed)


def workers_table(alive: list[WorkerInfo]) -> str:
    rows = [
        [
            one.id,
            f"{one.host}:{one.pid}",
            f"{one.running}/{one.concurrency}",
            f"{one.memory_bytes / 1e6:.0f} MB" if one.memory_bytes else "",
            text.when(datetime.fromtimestamp(one.started_ms / 1000, UTC)),
            "stopping" if one.stopping else "draining" if one.draining else "working",
            one.version,
            ", ".join(one.types),
        ]
        for one in sorted(alive, key=lambda one: one.started_ms)
    ]
    head = ["WORKER", "PROCESS", "BUSY", "MEMORY", "STARTED", "STATE", "VERSION", "TYPES"]
    return text.table(head, rows, right="MEMORY")
