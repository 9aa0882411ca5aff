"""`barq top`, the command: what it needs, and the queue that it looks at."""

import importlib.util
import logging

import click

import barq
from barq.cli import exits
from barq.cli.common import LenientCodec, queue_option
from barq.cli.options import url_option

_ANSWER_SECONDS = 3.0


@click.command()
@click.option("--read-only", is_flag=True, help="Show, but change nothing.")
@url_option
@queue_option
def top(*, read_only: bool, url: str | None, queue_name: str) -> None:
    """Watch and steer the queue in the terminal: types, what runs, failures, workers, and every job. ? tells the keys.

    It is read once a second. When the server is gone it says so, and goes on when that is back.
    """
    if importlib.util.find_spec("textual") is None:
        exits.end("barq top needs Textual: pip install 'barq[tui]'")
    from barq.cli.top.app import Top

    logging.getLogger("barq").addHandler(logging.NullHandler())  # what is wrong stands in the first line
    queue = barq.Queue(queue_name, url=url, timeout=_ANSWER_SECONDS, codec=LenientCodec())
    Top(queue, read_only=read_only).run()
