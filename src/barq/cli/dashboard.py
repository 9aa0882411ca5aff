"""`barq dashboard`: serve a queue's pages, HTTP API and Kue's API, to this machine or, with a token, to others."""

import asyncio
import contextlib
import logging
import signal
import socket
from types import FrameType

import click

import barq
from barq.cli import exits
from barq.cli.common import LenientCodec, emit, json_option, log_to_stderr, opened, queue_option
from barq.cli.options import url_option
from barq.cli.processes import tie

_STOP_SECONDS = 1
_BACKLOG = 1024


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need a --token.")
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True, help="0 picks a free port.")
@click.option("--token", envvar="BARQ_TOKEN", show_envvar=True, help="Let in only who knows it.")
@click.option("--read-only", is_flag=True, help="Show, but change nothing.")
@click.option("--mask", multiple=True, metavar="FIELD", help="Hide a field of data and results; may be given again.")
@click.option("--name", "names", multiple=True, metavar="HOST", help="A name it is called by; may be given again.")
@click.option("--origin", "origins", multiple=True, metavar="ORIGIN", help="Another origin whose pages may call it.")
@click.option("--tied", is_flag=True, hidden=True, help="Stop when stdin ends: who started it is gone.")
@json_option
@url_option
@queue_option
def dashboard(
    *,
    host: str,
    port: int,
    token: str | None,
    read_only: bool,
    mask: tuple[str, ...],
    names: tuple[str, ...],
    origins: tuple[str, ...],
    tied: bool,
    as_json: bool,
    url: str | None,
    queue_name: str,
) -> None:
    """Serve the queue over HTTP until Ctrl-C: pages to look into it and to steer it, its API, and Kue's.

    The password of a browser's dialogue is the token, with any name; acts are recorded under that name.
    """
    try:
        import uvicorn

        from barq.dashboard import app as application
        from barq.http.access import is_local
    except ImportError as error:
        exits.end(f"the web server is not installed ({error.name}): pip install 'barq[web]'", as_json=as_json)
    if token is None and not is_local(host):
        raise click.UsageError(f"--host {host} lets others in: give a --token (or BARQ_TOKEN)")
    log_to_stderr(logging.WARNING)
    queue = asyncio.run(_found(queue_name, url))
    app = application(queue, token=token, read_only=read_only, mask=mask, hosts=names or None, origins=origins)
    bound = _listening(host, port, as_json=as_json)
    # before anybody knows its address; uvicorn raises the signal again once it has stopped
    signal.signal(signal.SIGTERM, _leave)
    if tied:
        tie()
    address = f"http://{_shown(host)}:{bound.getsockname()[1]}"
    exits.say(f"queue {queue.name} of {queue.target.shown} at {address}; Ctrl-C stops it")
    if as_json:
        emit({"ok": True, "url": address})
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_STOP_SECONDS
    )

    async def serve() -> None:
        async with queue:
            connecting = asyncio.create_task(_connect(queue))  # the first page need not wait for it
            await uvicorn.Server(config).serve(sockets=[bound])
            connecting.cancel()

    asyncio.run(serve())


def _listening(host: str, port: int, *, as_json: bool) -> socket.socket:
    """Done here, not by uvicorn: a port that is taken is a plain message, and who reads the address can connect."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        exits.end(f"can't listen on {host}:{port}: {error.strerror or error}", as_json=as_json)
    bound.set_inheritable(True)
    return bound


async def _found(name: str, url: str | None) -> barq.Queue:
    """With as many partitions as it has; where the server can't be asked yet it is taken for one without."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            return await opened(name, url)
    except (barq.InvalidValue, barq.InvalidType):
        raise
    except (barq.BarqError, TimeoutError):
        return barq.Queue(name, url=url, codec=LenientCodec())


async def _connect(queue: barq.Queue) -> None:
    with contextlib.suppress(barq.BarqError):  # the store has logged it; pages say it too
        await queue.ping()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
