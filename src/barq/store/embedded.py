"""Embedded: the bundled server, one for each folder, started when first needed. What an `embedded:` URL stands for.

A server holds the lock of its folder as long as it lives: it inherits the locked file from whoever starts it. So the
kernel says whether one runs, and neither a stale address file nor a reused process id can claim so.

    server.lock   locked by the living server; its text is the last port, taken again if free so that clients find it
    server.json   {"host", "port", "pid"} of the living server
    server.log    what the server says
"""

import atexit
import contextlib
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from barq.errors import EmbeddedServerError, InvalidValue, ServerError
from barq.store.process import (
    Child,
    begins_with_dump,
    explained,
    find_binary,
    free_port,
    has_log,
    held,
    last_port,
    log_size,
    log_tail,
    record,
    recorded,
    try_lock,
)
from barq.store.talk import Wire

Durability = Literal["local", "fsync"]

HOST = "127.0.0.1"
PATIENCE = 15.0  # seconds without any answer; a server that says that it is loading gets all the time it needs
POLL = 0.002
PORT_TRIES = 5


@dataclass(frozen=True)
class Address:
    """Where a bundled server listens, and how it keeps its data."""

    host: str
    port: int
    pid: int
    folder: Path
    durability: Durability

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}"


def default_folder() -> Path:
    """The folder for the data of this user: $XDG_DATA_HOME/barq, or what is usual on the system."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "barq"
    given = os.environ.get("XDG_DATA_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".local" / "share") / "barq"


def ensure(
    folder: Path | None = None, *, port: int | None = None, durability: Durability = "local", bound: bool = True
) -> Address:
    """Start the server of a folder and wait until it answers; or adopt the one that runs there already.

    `port`: None takes a free one. `durability`: "local" writes to disk every second, "fsync" before each answer;
    adopting may raise a server to "fsync" and never lowers it. `bound`: the server ends with this process (on Linux
    even if that is killed); otherwise it stays till `stop`. An adopted server keeps the bond it was started with.

    Raises EmbeddedServerError when it can't be started, InvalidValue for a port or durability that does not exist.
    """
    if port is not None and not 0 < port < 65536:
        raise InvalidValue(f"port must be between 1 and 65535, got {port!r}")
    if durability not in ("local", "fsync"):
        raise InvalidValue(f"durability must be 'local' or 'fsync', got {durability!r}")
    folder = _resolve(folder)
    with explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        give_up_at = time.monotonic() + PATIENCE
        while time.monotonic() < give_up_at:
            if (found := _look(folder)) is not None:
                if _is_ready(found):
                    return _adopt(found.address, port=port, durability=durability)
                give_up_at = time.monotonic() + PATIENCE
            elif (lock := try_lock(folder)) is not None:
                with held(lock):
                    return _launch(folder, lock, port=port, durability=durability, bound=bound)
            time.sleep(POLL)
    raise EmbeddedServerError(f"the server of {folder}{_who(folder)} does not answer; end it, or use another folder")


def running(folder: Path | None = None) -> Address | None:
    """The address of the server that runs in a folder; None if none runs or none answers. Starts nothing."""
    found = _look(_resolve(folder))
    return found.address if found else None


def stop(folder: Path | None = None, *, timeout: float = 10) -> bool:
    """End the server of a folder, whoever started it, after it has written everything to disk. False if none ran.

    Raises EmbeddedServerError when it has not ended after `timeout` seconds.
    """
    folder = _resolve(folder)
    if not folder.exists():
        return False
    told: int | None = None
    give_up_at = time.monotonic() + timeout
    with explained(folder):
        while time.monotonic() < give_up_at:
            found = _look(folder)
            if found is not None and told is None:
                told = found.address.pid
                _shut_down(found.address)
            elif found is not None and found.address.pid != told:
                return True  # ours has ended and somebody has started the next one
            elif found is None and (lock := try_lock(folder)) is not None:
                with held(lock):
                    (folder / "server.json").unlink(missing_ok=True)
                return told is not None
            time.sleep(POLL)
    raise EmbeddedServerError(f"the server of {folder}{_who(folder)} did not end within {timeout:g} seconds")


def started_here(address: Address) -> bool:
    """Whether this very process has started that server."""
    child = _started.get(address.folder)
    return child is not None and child.pid == address.pid


def wait(address: Address) -> None:
    """Block until that server has ended. Only for a server that this process has started."""
    if started_here(address):
        _started[address.folder].join()


def _resolve(folder: Path | None) -> Path:
    return (default_folder() if folder is None else Path(folder)).expanduser().resolve()


# ---- who runs


@dataclass(frozen=True)
class _Found:
    address: Address
    loading: bool
    appending: bool  # to its append-only file, or about to
    failing: bool  # to write that file


def _look(folder: Path) -> _Found | None:
    """Ask the server that the address file names whether it is the one, and how far it is."""
    named = recorded(folder)
    if named is None:
        return None
    port, pid = named
    try:
        with Wire.dial(HOST, port, timeout=1) as wire:
            info = wire.info()
            settings = wire.settings("dir", "appendfsync", "appendonly")
        if info["process_id"] != str(pid) or not os.path.samefile(settings["dir"], folder):
            return None
        return _Found(
            Address(HOST, port, pid, folder, "fsync" if settings["appendfsync"] == "always" else "local"),
            loading=info["loading"] != "0",
            appending=settings["appendonly"] == "yes",
            failing=info["aof_last_bgrewrite_status"] != "ok",
        )
    except (OSError, ServerError, KeyError, ValueError):
        return None


def _who(folder: Path) -> str:
    named = recorded(folder)
    return f" (process {named[1]}, port {named[0]})" if named else ""


def _adopt(address: Address, *, port: int | None, durability: Durability) -> Address:
    if port not in (None, address.port):
        other = f"the server of {address.folder} already runs, on port {address.port}"
        raise EmbeddedServerError(f"{other}; stop it first, or leave out port {port}")
    if durability == "fsync" and address.durability == "local":
        _set(address, "appendfsync", "always")
        return replace(address, durability="fsync")
    return address


def _set(address: Address, name: str, value: str) -> None:
    try:
        with Wire.dial(HOST, address.port, timeout=5) as wire:
            wire.ask("CONFIG", "SET", name, value)
    except (OSError, ServerError) as error:
        raise EmbeddedServerError(f"the server of {address.folder} did not take {name} {value}: {error}") from error


def _shut_down(address: Address) -> None:
    try:
        with Wire.dial(HOST, address.port, timeout=5) as wire:
            wire.ask("SHUTDOWN")
    except OSError:
        pass  # it hangs up instead of answering
    except ServerError as error:
        raise EmbeddedServerError(f"the server of {address.folder} refused to end: {error}") from error


# ---- dump.rdb: a server with an append-only file ignores it, so a folder with nothing else is started without one


def _is_ready(found: _Found) -> bool:
    """Whether it has loaded its data and appends to a file; else bring that about, whoever sees it first."""
    folder = found.address.folder
    if found.loading or has_log(folder):  # the manifest is written last
        return not found.loading
    if not found.appending:
        _set(found.address, "appendonly", "yes")
    elif found.failing:
        raise EmbeddedServerError(f"the server of {folder} can't write its data to disk:\n{log_tail(folder)}")
    return False


# ---- starting


def _launch(folder: Path, lock: int, *, port: int | None, durability: Durability, bound: bool) -> Address:
    """Holding the lock: start the server, on another port if its own is taken at the last moment."""
    binary = find_binary()
    for _ in range(PORT_TRIES):
        chosen = port or free_port(HOST, preferred=last_port(lock))
        begin = log_size(folder)
        command = _command(binary, folder, port=chosen, durability=durability)
        child = Child(command, log=folder / "server.log", lock=lock, tied=bound)
        if bound:
            _started[folder] = child
        record(folder, lock, host=HOST, port=chosen, pid=child.pid)
        if (address := _await_answer(folder, child)) is not None:
            return address
        last_words = log_tail(folder, skip=begin)
        if "already in use" not in last_words:
            raise EmbeddedServerError(f"the server of {folder} ended at its start:\n{last_words}")
        if port is not None:
            break
    raise EmbeddedServerError(f"port {chosen} is in use by another program; choose another port, or end that program")


def _command(binary: Path, folder: Path, *, port: int, durability: Durability) -> list[str]:
    settings = {
        "bind": HOST,
        "port": str(port),
        "protected-mode": "yes",
        "dir": str(folder),
        "appendonly": "no" if begins_with_dump(folder) else "yes",
        "appendfsync": "always" if durability == "fsync" else "everysec",
        "save": "",  # the append-only file holds everything; a dump.rdb is still read, but none is written
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": "",
    }
    return [str(binary), *(word for name, value in settings.items() for word in (f"--{name}", value))]


def _await_answer(folder: Path, child: Child) -> Address | None:
    """None when the server has ended instead."""
    give_up_at = time.monotonic() + PATIENCE
    while child.alive:
        if (found := _look(folder)) is not None:
            if _is_ready(found):
                return found.address
            give_up_at = time.monotonic() + PATIENCE
        elif time.monotonic() > give_up_at:
            child.end()
            raise EmbeddedServerError(f"the server of {folder} gave no answer:\n{log_tail(folder)}")
        time.sleep(POLL)
    return None


_started: dict[Path, Child] = {}


def _stop_what_we_started() -> None:
    for folder, child in list(_started.items()):
        if child.alive:
            with contextlib.suppress(EmbeddedServerError):
                stop(folder)
            child.join(timeout=1)


os.register_at_fork(after_in_child=_started.clear)
atexit.register(_stop_what_we_started)
