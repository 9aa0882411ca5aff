"""`barq worker`: run an application's jobs, in this process or in several."""

import logging
import os
import signal
import sys
from types import FrameType

import click

import barq
from barq.cli import app, exits
from barq.cli.common import log_to_stderr
from barq.cli.processes import Processes, tie
from barq.store import embedded


@click.command()
@click.argument("place", metavar="APP:QUEUE")
@click.option("--concurrency", type=int, default=100, show_default=True, help="Jobs at a time, in each process.")
@click.option("--threads", type=int, default=32, show_default=True, help="Of these at most in plain functions.")
@click.option(
    "--children", type=int, help="Of these at most in child processes (run='process').  [default: one per processor]"
)
@click.option(
    "--type", "types", multiple=True, help="Only this type; may be given again.  [default: all with a handler]"
)
@click.option("--processes", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option("--burst", is_flag=True, help="End when nothing waits any more.")
@click.option(
    "--lease", type=float, default=30.0, show_default=True, help="Seconds until others get a dead one's jobs."
)
@click.option("--grace", type=float, default=30.0, show_default=True, help="Seconds running jobs get to end at a stop.")
@click.option("-q", "--quiet", is_flag=True, help="Log warnings only.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.option("--tied", is_flag=True, hidden=True, help="Stop when stdin ends: who started it is gone.")
def worker(
    *,
    place: str,
    concurrency: int,
    threads: int,
    children: int | None,
    types: tuple[str, ...],
    processes: int,
    burst: bool,
    lease: float,
    grace: float,
    quiet: bool,
    verbose: bool,
    tied: bool,
) -> None:
    """Run the jobs of an application's queue until Ctrl-C or SIGTERM.

    APP:QUEUE is a module and the queue in it, such as app:queue or shop.jobs:queue; with one queue in the module its
    name may be left out. Several queues, app:queue,app:other, share the slots of the worker.

    Running jobs get the grace time to end; a second signal hands them back at once.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    queues = [app.load(one) for one in place.split(",")]
    log_to_stderr(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    made = barq.Worker(
        queues if len(queues) > 1 else queues[0],
        concurrency=concurrency,
        threads=threads,
        children=children,
        types=list(types) or None,
        lease=lease,
        grace=grace,
        burst=burst,
    )
    if processes > 1:
        for queue in queues:
            if queue.target.embedded:
                embedded.ensure(queue.target.embedded_folder)  # or it would end with the first of them
        raise SystemExit(Processes(_command_of_one(), processes).run())
    signal.signal(signal.SIGTERM, _leave)  # until the worker takes its signals, it may wait for the server
    if tied:
        tie()
    made.run_blocking()
    if made.stopped_by == signal.SIGINT:
        raise SystemExit(exits.INTERRUPTED)


def _command_of_one() -> list[str]:
    """What was asked of this process, for one process."""
    words = click.get_current_context().params
    options = [f"--{name}={words[name]}" for name in ("concurrency", "threads", "lease", "grace")]
    if words["children"] is not None:
        options.append(f"--children={words['children']}")
    options += [f"--type={type_}" for type_ in words["types"]]
    options += [f"--{name}" for name in ("burst", "quiet", "verbose") if words[name]]
    return [sys.executable, "-P", "-m", "barq", "worker", "--tied", *options, "--", words["place"]]


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
