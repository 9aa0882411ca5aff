"""`barq logs`: the log of a job, and what is added to it until the job ends."""

from datetime import datetime

import click

import barq
from barq.cli import exits, text, values
from barq.cli.common import emit, job_command
from barq.states import ENDINGS


@click.command()
@values.job_id
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends; that is told on stderr.")
@job_command
async def logs(queue: barq.Queue, *, as_json: bool, id: int, follow: bool) -> None:
    """Print the log lines of a job, with the local time of each.

    With --json a line of JSON for each: {"at": …, "text": …}, times in UTC. Exit code 3 when there is no such job.
    """
    job = await queue.get(id)
    if not follow:
        for at, line in await job.logs():
            _print(at, line, as_json=as_json)
        return
    async for event in job.events(logs=True):
        if event.name == "log":
            _print(event.at, event.data, as_json=as_json)
        elif event.name in ENDINGS:
            exits.say(f"job {id} ({text.one_line(job.type)}) {HOW_ENDED[event.name]}")


HOW_ENDED = {"complete": "completed", "failed": "failed", "cancel": "was cancelled", "remove": "was removed"}


def _print(at: datetime, line: str, *, as_json: bool) -> None:
    if as_json:
        emit({"at": at, "text": line})
    else:
        click.echo(f"{text.clock_time(at)}  {exits.clean(line)}")
