"""Output: run one command of a session and print what comes of it."""

import contextlib

import click

from barq.cli import exits
from barq.cli.client import form
from barq.cli.client.session import Session
from barq.store.resp import Failure


def answer(session: Session, command: list[bytes], *, as_raw: bool, failures_to_stderr: bool = True) -> int:
    """Print the answer to a command, or its answers as they come; returns the exit code."""
    code = 0
    plain = form.is_plain(command)
    with contextlib.closing(session.run(command)) as answers:
        for value in answers:
            text = form.raw(value, plain=plain) if as_raw else form.formatted(value, plain=plain)
            failed = isinstance(value, Failure)
            click.echo(text, err=failed and failures_to_stderr)
            code = exits.FAILED if failed else code
    return code


def is_farewell(command: list[bytes]) -> bool:
    return len(command) == 1 and command[0].lower() in (b"exit", b"quit")
