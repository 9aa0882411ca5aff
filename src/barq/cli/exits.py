"""Exits: the exit codes, and the one place that makes an exit code, a line on stderr and JSON of an error."""

import json
from typing import Any, Final, NoReturn

import click

from barq.errors import (
    BarqError,
    InvalidType,
    InvalidValue,
    JobFailed,
    JobNotFound,
    ResultTimeout,
    ServerUnreachable,
    WorkerNotFound,
)

FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
TIMED_OUT: Final = 4
UNREACHABLE: Final = 69
INTERRUPTED: Final = 130

_CONTROL: Final = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}

AS_JSON: Final = "barq.as_json"
"""Key in the context of click: whether --json was given."""


def exit_code(error: BarqError) -> int:
    match error:
        case JobNotFound() | WorkerNotFound():
            return NOT_FOUND
        case ResultTimeout():
            return TIMED_OUT
        case ServerUnreachable():
            return UNREACHABLE
        case InvalidValue() | InvalidType():
            return USAGE
        case _:
            return FAILED


def fail(error: BarqError, *, as_json: bool, **known: Any) -> NoReturn:
    """End the process with what an error of barq says. `known` goes into the JSON as well."""
    failure = {}
    if isinstance(error, JobFailed) and error.error is not None:
        failure = {"failure": {name: getattr(error.error, name, None) for name in ("type", "message", "traceback")}}
    end(str(error), code=exit_code(error), as_json=as_json, **known, **failure)


def end(message: str, *, code: int = FAILED, as_json: bool = False, **known: Any) -> NoReturn:
    say(message)
    if as_json:
        print_json({"ok": False, "error": message, **known})
    raise SystemExit(code)


def say(message: str) -> None:
    click.echo(f"barq: {clean(message)}", err=True)


def clean(text: str) -> str:
    """Without control characters other than newline and tab: text of jobs must not reach the terminal as commands."""
    return text.translate(_CONTROL)


def print_json(value: object) -> None:
    click.echo(json.dumps(value))
