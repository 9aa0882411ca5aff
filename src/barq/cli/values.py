"""Values: what several commands take as words: JSON, a priority, a time. A mistake is told with what to give instead."""

import re
import sys
from typing import Any, Final

import click
import msgspec

from barq.errors import InvalidValue
from barq.options import PRIORITIES, priority_number
from barq.query import parse

PRIORITY_HELP: Final = f"{', '.join(PRIORITIES)}, or a number; the smaller runs first."


class JobId(click.IntRange):
    name = "integer, as ids of jobs are"

    def __init__(self) -> None:
        super().__init__(min=1)


job_id: Final = click.argument("id", type=JobId())
job_ids: Final = click.argument("ids", metavar="ID...", type=JobId(), nargs=-1, required=True)

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def parsed(_: click.Context, __: click.Parameter, data: str | None) -> Any:
    """JSON, from stdin where it is -."""
    if data is None:
        return msgspec.UNSET
    source = sys.stdin.buffer.read() if data == "-" else data.encode(errors="surrogateescape")
    try:
        return msgspec.json.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        shown = "stdin" if data == "-" else repr(data[:80])
        raise click.BadParameter(
            f"{shown} is not JSON: {error}. Text needs quotes of its own: '\"like this\"'", param_hint="'JSON'"
        ) from None


def priority(_: click.Context, __: click.Parameter, word: str) -> int:
    try:
        return priority_number(int(word) if word.lstrip("-").isdecimal() else word)
    except InvalidValue as error:
        raise click.BadParameter(str(error)) from None


def seconds_of(_: click.Context, __: click.Parameter, word: str | None) -> float | None:
    """10m as seconds."""
    if word is None:
        return None
    found = _TIME.fullmatch(word)
    if found is None:
        raise click.BadParameter(f"a time is a number with s, m, h or d behind it, such as 10m; got {word!r}")
    return float(found[1]) * _UNITS[found[2]]


def query(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """A query that can be read, which is told before the server is asked."""
    if text is not None:
        parse(text)
    return text
