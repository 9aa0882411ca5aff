"""`barq server` and `barq ping`: run the bundled server, end it, and ask whether a server answers."""

import json
import signal
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Literal, NoReturn, get_args

import click

from barq.errors import EmbeddedServerError, ServerError
from barq.store import embedded
from barq.store.dial import dial, shown
from barq.store.process import log_tail

FAILED, NOT_FOUND, UNREACHABLE, INTERRUPTED = 1, 3, 69, 130
PING_TIMEOUT = 5.0
NOT_NOW = ("LOADING", "BUSY", "MASTERDOWN")

folder_option = click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Folder for its data (default: yours)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")


@click.group(invoke_without_command=True)
@click.option("--daemon", is_flag=True, help="Start it in the background and return.")
@click.option("--port", type=click.IntRange(0, 65535), default=6379, show_default=True, help="0 picks a free port.")
@folder_option
@click.option("--durability", type=click.Choice(get_args(embedded.Durability)), default="local", show_default=True)
@json_option
@click.pass_context
def server(
    context: click.Context,
    *,
    daemon: bool,
    port: int,
    folder: Path | None,
    durability: Literal["local", "fsync"],
    as_json: bool,
) -> None:
    """Run the bundled server until Ctrl-C.

    "local" writes to disk every second, "fsync" before each answer.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        if daemon:
            _start_daemon(folder, port=port, durability=durability, as_json=as_json)
        else:
            _stay(folder, port=port, durability=durability, as_json=as_json)
    except EmbeddedServerError as error:
        _fail("server", str(error), code=FAILED, as_json=as_json)


@server.command()
@folder_option
@json_option
@click.pass_context
def stop(context: click.Context, *, folder: Path | None, as_json: bool) -> None:
    """End the bundled server, after it has written everything to disk."""
    given = context.parent.params if context.parent else {}  # barq server --dir DIR stop
    folder = folder or given.get("folder") or embedded.default_folder()
    as_json = as_json or bool(given.get("as_json"))
    address = embedded.running(folder)
    try:
        stopped = embedded.stop(folder)
    except EmbeddedServerError as error:
        _fail("server", str(error), code=FAILED, as_json=as_json)
    if not stopped:
        _fail("server", f"none runs with data in {folder}", code=NOT_FOUND, as_json=as_json)
    where = f" on {address.host}:{address.port} (pid {address.pid})" if address else ""
    _say("server", f"stopped the one{where}; its data stays in {folder}")
    if as_json:
        _print(_described(address) if address else {"ok": True})


def _start_daemon(folder: Path | None, *, port: int, durability: embedded.Durability, as_json: bool) -> None:
    before = embedded.running(folder)
    address = embedded.ensure(folder, port=None if before else port or None, durability=durability, bound=False)
    if before == address:
        _say("server", f"already runs, {_where(address)}")
    else:
        _say("server", f"listening on {_where(address)}; barq server stop --dir {address.folder} stops it")
    if as_json:
        _print(_described(address))
    else:
        click.echo(address.url)


def _stay(folder: Path | None, *, port: int, durability: embedded.Durability, as_json: bool) -> None:
    try:
        address = embedded.running(folder) or embedded.ensure(folder, port=port or None, durability=durability)
        if not embedded.started_here(address):
            _fail("server", f"already runs, {_where(address)}", code=FAILED, as_json=as_json)
        ends = _watch(address)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    _say("server", f"listening on {_where(address)}; Ctrl-C stops it")
    if as_json:
        _print(_described(address))
    match ends.get():
        case signal.SIGINT:
            embedded.stop(address.folder)
            raise SystemExit(INTERRUPTED)
        case signal.SIGTERM:
            embedded.stop(address.folder)
        case _:
            _say("server", f"it has ended; its last words:\n{log_tail(address.folder)}")
            raise SystemExit(FAILED)


def _watch(address: embedded.Address) -> "SimpleQueue[int]":
    """A queue that gets the signal that asks us to end, or 0 when the server has ended. Safe to fill from a handler."""
    ends: SimpleQueue[int] = SimpleQueue()

    def note(number: int, _frame: FrameType | None) -> None:
        ends.put(number)

    def follow() -> None:
        embedded.wait(address)
        ends.put(0)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    threading.Thread(target=follow, name="barq-server-end", daemon=True).start()
    return ends


# ---- ping


@click.command()
@click.option("--url", envvar=["BARQ_URL", "REDIS_URL"], default="redis://127.0.0.1:6379", show_default=True)
@json_option
def ping(*, url: str, as_json: bool) -> None:
    """Ask whether the server answers.

    URL: redis:// rediss:// redis+sentinel:// redis+cluster:// unix:// or embedded:FOLDER; also from BARQ_URL or REDIS_URL.
    """
    begin = time.perf_counter()
    try:
        answer = _ping_found(url) if "+" in url.partition(":")[0] else _ping_dialled(url)
    except OSError as error:
        reason = f"no server at {shown(url)} ({error.strerror or error or 'no answer'})"
        _fail("ping", f"{reason}; start one, or give its URL with --url", code=UNREACHABLE, as_json=as_json)
    except ServerError as error:
        code = UNREACHABLE if str(error).startswith(NOT_NOW) else FAILED
        _fail("ping", f"the server at {shown(url)} refused: {error}", code=code, as_json=as_json)
    except ValueError as error:
        raise click.BadParameter(f"{shown(url)!r} is no URL of a server: {error}", param_hint="'--url'") from None
    if as_json:
        _print({"ok": True, "milliseconds": round((time.perf_counter() - begin) * 1000, 3)})
    else:
        click.echo(answer)


def _ping_dialled(url: str) -> str:
    with dial(url, timeout=PING_TIMEOUT) as wire:
        return str(wire.ask("PING"))


def _ping_found(url: str) -> str:
    """The server that sentinels name, or that owns the slot of the default queue."""
    import asyncio

    from barq.queue import Queue

    async def ask() -> None:
        async with Queue(url=url, timeout=PING_TIMEOUT) as queue:
            await queue.ping()

    asyncio.run(ask())
    return "PONG"


# ---- words


def _where(address: embedded.Address) -> str:
    return f"{address.host}:{address.port}, data in {address.folder} (pid {address.pid})"


def _described(address: embedded.Address) -> dict[str, object]:
    return {
        "ok": True,
        "url": address.url,
        "host": address.host,
        "port": address.port,
        "pid": address.pid,
        "folder": str(address.folder),
        "durability": address.durability,
    }


def _say(command: str, message: str) -> None:
    click.echo(f"barq {command}: {message}", err=True)


def _print(value: dict[str, object]) -> None:
    click.echo(json.dumps(value))


def _fail(command: str, message: str, *, code: int, as_json: bool) -> NoReturn:
    _say(command, message)
    if as_json:
        _print({"ok": False, "error": message})
    raise SystemExit(code)
