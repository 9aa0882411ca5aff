"""`barq cli`: commands of the server itself, one as arguments, line by line from a pipe, or at a prompt."""

import contextlib
import os
import sys
from typing import NoReturn

import click

from barq.cli import exits
from barq.cli.client import words
from barq.cli.client.output import answer, is_farewell
from barq.cli.client.session import Session
from barq.cli.options import url_option
from barq.errors import BarqError

DEFAULT_URL = "redis://127.0.0.1:6379"


@click.command("cli", context_settings={"allow_interspersed_args": False})
@url_option
@click.option("--raw/--no-raw", "as_raw", default=None, help="Values as they are, or for people [default: by stdout]")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def cli(*, url: str | None, as_raw: bool | None, command: tuple[str, ...]) -> None:
    """Send a COMMAND of Redis to the server and print its answer; without one, ask for commands at a prompt.

    \b
    barq cli set Holberton School
    echo "get Holberton" | barq cli
    barq cli

    On a terminal answers look as in redis-cli ("School", (integer) 1, (nil)); elsewhere values are printed as they
    are. An error answer goes to stderr and makes the exit code 1. Options stand before the COMMAND.
    """
    as_raw = not sys.stdout.isatty() if as_raw is None else as_raw
    try:
        session = Session(url or DEFAULT_URL)
        with contextlib.closing(session):
            if command:
                raise SystemExit(answer(session, [os.fsencode(word) for word in command], as_raw=as_raw))
            if sys.stdin.isatty() and sys.stdout.isatty():
                _ask(session, as_raw=as_raw)
            else:
                raise SystemExit(_answer_lines(session, as_raw=as_raw))
    except BarqError as error:
        exits.fail(error, as_json=False)


def _answer_lines(session: Session, *, as_raw: bool) -> int:
    """Run the lines of stdin; returns the exit code, which is that of the last error answer if there was one."""
    code = 0
    for line in sys.stdin.buffer:
        try:
            command = words.split(line)
        except words.BadQuotes as error:
            exits.say(str(error))
            code = exits.FAILED
            continue
        if not command:
            continue
        if is_farewell(command):
            break
        code = answer(session, command, as_raw=as_raw) or code
    return code


def _ask(session: Session, *, as_raw: bool) -> None:
    try:
        from barq.cli.client.prompt import Prompt
    except ImportError as error:
        _explain(error)
    Prompt(session, as_raw=as_raw).run()


def _explain(error: ImportError) -> NoReturn:
    if (error.name or "").partition(".")[0] != "prompt_toolkit":
        raise error
    exits.end("the prompt is made with prompt_toolkit, which is not installed: pip install 'barq[cli]'")
