"""Connect: from a URL (or a redis-py or valkey-py client) to one connection that is fit for jobs."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from barq.errors import InvalidType, InvalidValue, PermissionDenied, ServerUnsuitable, shown

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix", "embedded")
OLDEST_REDIS = (6, 2)
OLDEST_VALKEY = (7, 2)
CONNECT_SECONDS = 5.0

# Deadlines and repeats are barq's own: with a socket_timeout redis-py swallows cancellation on Python 3.11,
# and with its retries a call whose answer was dropped runs two or three times.
_OURS: dict[str, Any] = {
    "socket_timeout": None,
    "socket_connect_timeout": CONNECT_SECONDS,
    "retry": None,
    "retry_on_error": [],
    "retry_on_timeout": False,
    "health_check_interval": 0,
    "decode_responses": False,
    "protocol": 2,
}


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says of itself when a connection is made."""

    version: tuple[int, ...]
    name: str
    client_id: int

    @property
    def takes_shebang(self) -> bool:
        return self.version >= (7,)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect. `shown` is the address without its password, for messages."""

    shown: str
    make: "Callable[[], AbstractConnection]"
    embedded_folder: Path | None = None
    embedded: bool = False


def target_of_url(url: str, *, fsync: bool = False) -> Target:
    """Check a URL and make a target of it. Nothing is connected, and redis-py is not imported, before `make`.

    `fsync`: the bundled server is to write to disk before it answers; of others that is asked, not set.
    """
    if not isinstance(url, str):
        raise InvalidType(f"url must be a str such as 'redis://127.0.0.1:6379', got {shown(url)}")
    try:
        parts = urlsplit(url)
    except ValueError:  # its message may hold the password
        raise InvalidValue(f"url {_hide(url)!r} can't be used: check its host and port") from None
    if parts.scheme not in SCHEMES:
        raise InvalidValue(f"url must begin with one of {', '.join(f'{s}:' for s in SCHEMES)}, got {_hide(url)!r}")
    if parts.scheme == "embedded":
        if parts.netloc:
            raise InvalidValue(f"url {url!r} can't be used: write embedded:PATH, without //")
        folder = Path(parts.path).expanduser() if parts.path else None
        return Target(shown=url, make=lambda: _embedded(folder, fsync=fsync), embedded_folder=folder, embedded=True)
    if why := _wrong_with(parts):
        raise InvalidValue(f"url {_hide(url)!r} can't be used: {why}")
    driver_url = url.replace("valkey", "redis", 1) if parts.scheme.startswith("valkey") else url

    def make() -> "AbstractConnection":
        from redis.asyncio.connection import Connection, parse_url

        try:
            kwargs: dict[str, Any] = dict(parse_url(driver_url))
            connection_class = kwargs.pop("connection_class", Connection)
            made: AbstractConnection = connection_class(**{**kwargs, **_OURS})
        except (ValueError, TypeError) as error:
            raise InvalidValue(f"url {_hide(url)!r} can't be used: {error}") from None
        return made

    return Target(shown=_hide(url), make=make)


def _wrong_with(parts: SplitResult) -> str:
    try:
        port = parts.port
    except ValueError:  # its message may hold a part of the password
        return "its port must be a number from 1 to 65535 (and a password that holds / ? # @ or : must be %-encoded)"
    if port == 0 or (parts.scheme == "unix" and not parts.path):
        return "it names no server"
    database = parts.path.strip("/")
    if parts.scheme != "unix" and database and not (database.isascii() and database.isdecimal()):
        return f"its path must be the number of a database, got {database!r}"
    return ""


def target_of_client(client: Any) -> Target:
    """The server that a redis-py or valkey-py client talks to, by connections of barq's own (its pool is not used)."""
    pool = getattr(client, "connection_pool", None)
    kwargs = getattr(pool, "connection_kwargs", None)
    if not isinstance(kwargs, dict) or hasattr(pool, "sentinel_manager"):
        raise InvalidType(f"client must be a redis.Redis, redis.asyncio.Redis or a valkey-py client, got {client!r}")
    known = ("host", "port", "path", "db", "username", "password", "credential_provider", "client_name")
    chosen = {key: value for key, value in kwargs.items() if key in known or key.startswith("ssl_")}
    secure = "SSL" in getattr(pool, "connection_class", type(None)).__name__
    host = f"{chosen.get('host', 'localhost')}:{chosen.get('port', 6379)}"
    shown = f"unix://{chosen['path']}" if "path" in chosen else f"{'rediss' if secure else 'redis'}://{host}"

    def make() -> "AbstractConnection":
        from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

        if "path" in chosen:
            return UnixDomainSocketConnection(**{**chosen, **_OURS})
        if not secure:
            return Connection(**{**chosen, **_OURS})
        taken = inspect.signature(SSLConnection.__init__).parameters
        for option in [key for key in chosen if key.startswith("ssl_") and key not in taken]:
            if chosen.pop(option):  # redis-py's blocking connections know more options than its asyncio ones
                raise InvalidValue(f"client has the option {option}, which barq's connections can't keep")
        return SSLConnection(**{**chosen, **_OURS})

    return Target(shown=shown, make=make)


def _embedded(folder: Path | None, *, fsync: bool) -> "AbstractConnection":
    from redis.asyncio.connection import Connection

    from barq.store.embedded import ensure

    address = ensure(folder, durability="fsync" if fsync else "local")
    return Connection(host=address.host, port=address.port, **_OURS)


async def connect(target: Target) -> tuple["AbstractConnection", Server]:
    """Make one connection and check that the server is fit for jobs.

    Raises ServerUnsuitable or PermissionDenied for what trying again won't mend, else what redis-py raises.
    """
    # starting the bundled server blocks for a moment
    connection = await asyncio.to_thread(target.make) if target.embedded else target.make()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("CLIENT", "ID", check_health=False)
            client_id = await connection.read_response()
            await connection.send_command("INFO", check_health=False)
            info = parse_info(await connection.read_response())
    except BaseException as error:
        await connection.disconnect(nowait=True)
        raise (_permission(error, target) or error) from None
    try:
        return connection, checked(info, target, int(client_id))
    except ServerUnsuitable:
        await connection.disconnect(nowait=True)
        raise


def parse_info(text: Any) -> dict[str, str]:
    lines = (text.decode() if isinstance(text, bytes) else str(text)).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def checked(info: dict[str, str], target: Target, client_id: int) -> Server:
    name = "valkey" if "valkey_version" in info else "redis"
    version = tuple(int(part) for part in info.get(f"{name}_version", "0").split(".") if part.isdigit())
    oldest = OLDEST_VALKEY if name == "valkey" else OLDEST_REDIS
    where = f"the server at {target.shown}"
    if version < oldest:
        raise ServerUnsuitable(
            f"{where} is {name} {'.'.join(map(str, version))}: barq needs "
            f"Redis {'.'.join(map(str, OLDEST_REDIS))} or Valkey {'.'.join(map(str, OLDEST_VALKEY))} at least"
        )
    if info.get("role", "master") != "master":
        raise ServerUnsuitable(f"{where} is a read-only replica: connect to its primary")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory", "0") != "0":
        raise ServerUnsuitable(
            f"{where} drops keys when its memory is full (maxmemory-policy {policy}), so jobs would vanish: "
            "set maxmemory-policy to noeviction"
        )
    return Server(version=version, name=name, client_id=client_id)


def _permission(error: BaseException, target: Target) -> PermissionDenied | None:
    import redis.exceptions

    text = str(error)
    if isinstance(error, redis.exceptions.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
        return PermissionDenied(f"the server at {target.shown} refused the user or password: {text}")
    if isinstance(error, redis.exceptions.NoPermissionError):
        return PermissionDenied(f"the server at {target.shown} refused: {text}")
    return None


def _hide(url: str) -> str:
    """The URL as messages show it: without user, password and options, however badly it is written."""
    scheme, slashes, rest = url.partition("//")
    if "@" in rest:
        rest = "…@" + rest.rpartition("@")[2]
    return scheme + slashes + rest.partition("?")[0]
