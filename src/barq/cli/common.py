"""Common: what the commands share: options, one queue for the time of a command, JSON out, logging."""

import asyncio
import functools
import getpass
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

import click
import msgspec

import barq
from barq.cli import exits
from barq.cli.options import url_option
from barq.codec import JsonCodec
from barq.errors import BarqError, WrongPartitions
from barq.store.connect import connect, nobody_there

queue_option = click.option(
    "--queue", "queue_name", envvar="BARQ_QUEUE", default="default", show_default=True, show_envvar=True
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")

LOG_FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class LenientCodec(JsonCodec):
    """JSON where it is JSON; a queue whose application has a codec of its own can be looked at all the same."""

    def decode(self, payload: bytes) -> Any:
        try:
            return super().decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return f"<{len(payload)} bytes that are not JSON>"


def job_command(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Decorator: adds --queue, --url and --json, and calls `function(queue, as_json=…, …)` with a connected queue."""

    @json_option
    @url_option
    @queue_option
    @functools.wraps(function)
    def command(*, queue_name: str, url: str | None, as_json: bool, **arguments: Any) -> None:
        async def inside() -> None:
            async with await opened(queue_name, url) as queue:
                await function(queue, as_json=as_json, **arguments)

        logging.getLogger("barq").addHandler(logging.NullHandler())  # errors are said once, by exits.py
        asyncio.run(inside())

    return command


async def opened(name: str, url: str | None) -> barq.Queue:
    """The queue with as many partitions as it has. Raises what is wrong with the server."""
    queue = barq.Queue(name, url=url, codec=LenientCodec())
    try:
        await _reach(queue)
    except WrongPartitions as error:
        return barq.Queue(name, url=url, codec=LenientCodec(), partitions=error.stored)
    return queue


async def _reach(queue: barq.Queue) -> None:
    """Say at once what is wrong with the server. The queue itself would wait for it to come up."""
    try:
        connection, _ = await connect(queue.target)
    except BarqError:
        raise
    except Exception as error:
        raise nobody_there(error, queue.target) from None
    await connection.disconnect(nowait=True)


def me() -> str:
    """Who acts, as it is written down: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def emit(value: object) -> None:
    """One line of JSON on stdout."""
    click.echo(msgspec.json.encode(value))


def done(as_json: bool, message: str, **known: Any) -> None:
    """Say that it worked: a line on stderr, and with --json an object on stdout."""
    if as_json:
        emit({"ok": True, **known})
    else:
        exits.say(message)


def log_to_stderr(level: int) -> None:
    """Logs with times on stderr, unless the application has set up logging of its own."""
    logging.basicConfig(level=max(level, logging.INFO), format=LOG_FORMAT)
    logging.getLogger("barq").setLevel(level)
