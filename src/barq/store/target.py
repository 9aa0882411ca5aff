"""Target: what a URL names: one server, the bundled one, or a primary to be found by sentinels or in a cluster."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from barq.errors import InvalidType, InvalidValue, shown
from barq.store.cluster import Cluster, slot_of
from barq.store.sentinel import Sentinels
from barq.store.vote import Address, Make, named

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio.connection import AbstractConnection

SCHEMES: Final = ("redis", "rediss", "valkey", "valkeys", "unix", "embedded")
SEARCHES: Final = ("sentinel", "cluster")
CONNECT_SECONDS: Final = 5.0
SEARCH_SECONDS: Final = 1.0
"""For one of many servers: it may be the one that has failed."""

# Deadlines and repeats are barq's own: with a socket_timeout redis-py swallows cancellation on Python 3.11,
# and with its retries a call whose answer was dropped runs two or three times.
OURS: Final[dict[str, Any]] = {
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
class Target:
    """Where to connect. `shown` is the address without its password, for messages. Can be pickled.

    `make` makes a connection to the one server that is named, `make_at` to any other with the same options.
    """

    shown: str
    make: "Callable[[], AbstractConnection]" = field(repr=False)  # these know the password
    make_at: Make | None = field(default=None, repr=False)
    sentinels: Sentinels | None = field(default=None, repr=False)
    cluster: Cluster | None = field(default=None, repr=False)
    slot: int = 0
    whole: str = ""
    """Name of the queue that is used here without partitions; a connection is refused where it has some."""
    embedded_folder: "Path | None" = None
    embedded: bool = False

    @property
    def searched(self) -> bool:
        """Whether the server has to be found anew for each connection, as it may be another one by then."""
        return self.sentinels is not None or (self.cluster is not None and self.cluster.known)

    @property
    def connect_seconds(self) -> float:
        return SEARCH_SECONDS if self.searched else CONNECT_SECONDS

    def of_queue(self, name: str, *, whole: bool = True) -> Self:
        return replace(self, slot=slot_of(name), whole=name if whole else "")

    def moved(self, error: BaseException) -> None:
        """Take note of where a MOVED has sent us."""
        address = getattr(error, "host", ""), getattr(error, "port", 0)
        if self.cluster is not None and all(address):
            self.cluster.moved(self.slot, address)


def target_of_url(url: str, *, fsync: bool = False) -> Target:
    """Check a URL and make a target of it. Nothing is connected, and redis-py is not imported, before `make`.

    `fsync`: the bundled server is to write to disk before it answers; of others that is asked, not set.
    """
    if not isinstance(url, str):
        raise InvalidType(f"url must be a str such as 'redis://127.0.0.1:6379', got {shown(url)}")
    try:
        parts = urlsplit(url)
    except ValueError:  # its message may hold the password
        raise InvalidValue(f"url {hidden(url)!r} can't be used: check its host and port") from None
    scheme, _, search = parts.scheme.partition("+")
    if scheme not in SCHEMES or (parts.scheme != scheme and search not in SEARCHES):
        raise InvalidValue(
            f"url must begin with one of {':, '.join([*SCHEMES, 'redis+sentinel', 'redis+cluster'])}:, "
            f"got {hidden(url)!r}"
        )
    if scheme == "embedded":
        if parts.netloc:
            raise InvalidValue(f"url {url!r} can't be used: write embedded:PATH, without //")
        from pathlib import Path

        folder = Path(parts.path).expanduser() if parts.path else None
        return Target(
            shown=url, make=functools.partial(_embedded, folder, fsync=fsync), embedded_folder=folder, embedded=True
        )
    if search:
        return _searched(parts, url, scheme, search)
    if why := _wrong_with(parts):
        raise InvalidValue(f"url {hidden(url)!r} can't be used: {why}")
    make_at = functools.partial(_made_by_url, url.replace("valkey", "redis", 1) if scheme.startswith("valkey") else url)
    if scheme == "unix":
        return Target(shown=hidden(url), make=functools.partial(make_at, None))
    cluster = Cluster([(parts.hostname or "localhost", parts.port or 6379)], make_at, known=False)
    return Target(shown=hidden(url), make=functools.partial(make_at, None), make_at=make_at, cluster=cluster)


def _wrong_with(parts: SplitResult) -> str:
    try:
        port = parts.port
    except ValueError:  # its message may hold a part of the password
        return "its port must be a number from 1 to 65535 (and a password that holds / ? # @ or : must be %-encoded)"
    if port == 0 or (parts.scheme == "unix" and not parts.path):
        return "it names no server"
    database = parts.path.strip("/")
    if parts.scheme != "unix" and not _is_database(database):
        return f"its path must be the number of a database, got {database!r}"
    return ""


def _is_database(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal())


def _made_by_url(url: str, address: Address | None) -> "AbstractConnection":
    from redis.asyncio.connection import Connection, parse_url

    try:
        kwargs: dict[str, Any] = dict(parse_url(url))
        connection_class = kwargs.pop("connection_class", Connection)
        if address is not None:
            kwargs["host"], kwargs["port"] = address
        made: AbstractConnection = connection_class(**{**kwargs, **OURS})
    except (ValueError, TypeError) as error:
        raise InvalidValue(f"url {hidden(url)!r} can't be used: {error}") from None
    return made


# ---- redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/NAME[/DATABASE], redis+cluster://…HOST:PORT,HOST:PORT


def _searched(parts: SplitResult, url: str, scheme: str, search: str) -> Target:
    def refuse(why: str) -> InvalidValue:
        return InvalidValue(f"url {hidden(url)!r} can't be used: {why}")

    if scheme in ("unix", "embedded"):
        raise refuse(f"{scheme} names one server, not {search}")
    user, at, hosts = parts.netloc.rpartition("@")
    addresses = _addresses(hosts, 26379 if search == "sentinel" else 6379)
    if not addresses:
        raise refuse("it must name its servers as HOST:PORT,HOST:PORT")
    options = dict(parse_qsl(parts.query))
    theirs = {key: options.pop(f"sentinel_{key}") for key in ("username", "password") if f"sentinel_{key}" in options}
    driver = scheme.replace("valkey", "redis")
    path = parts.path.strip("/")

    if search == "cluster":
        if path not in ("", "0"):
            raise refuse(f"a cluster has no databases, got {path!r}")
        make_at = functools.partial(_made_by_url, f"{driver}://{user}{at}cluster?{urlencode(options)}")
        cluster = Cluster(addresses, make_at, known=True)
        return Target(
            f"{scheme}+cluster://{named(addresses)}", functools.partial(make_at, addresses[0]), make_at, cluster=cluster
        )

    name, _, database = path.partition("/")
    if not name or not _is_database(database):
        raise refuse("its path must be the name of the primary, and after a / the number of a database")
    make_at = functools.partial(_made_by_url, f"{driver}://{user}{at}primary/{database}?{urlencode(options)}")
    tls = {key: value for key, value in options.items() if key.startswith("ssl_")}
    ask_at = functools.partial(_made_by_url, f"{driver}://sentinel?{urlencode({**tls, **theirs})}")
    sentinels = Sentinels(addresses, unquote(name), ask_at)
    return Target(
        f"{scheme}+sentinel://{named(addresses)}/{unquote(name)}",
        functools.partial(ask_at, addresses[0]),
        make_at,
        sentinels,
    )


def _addresses(hosts: str, usual_port: int) -> list[Address]:
    """Empty when one of them is none."""
    found = []
    for text in hosts.split(","):
        try:
            parts = urlsplit(f"//{text}")
            port = usual_port if parts.port is None else parts.port
        except ValueError:
            return []
        if not parts.hostname or not port:
            return []
        found.append((parts.hostname, port))
    return list(dict.fromkeys(found))


def _embedded(folder: "Path | None", *, fsync: bool) -> "AbstractConnection":
    from redis.asyncio.connection import Connection

    from barq.store.embedded import ensure

    address = ensure(folder, durability="fsync" if fsync else "local")
    return Connection(host=address.host, port=address.port, **OURS)


def hidden(url: str) -> str:
    """The URL as messages show it: without user, password and options, however badly it is written."""
    scheme, slashes, rest = url.partition("//")
    if "@" in rest:
        rest = "…@" + rest.rpartition("@")[2]
    return scheme + slashes + rest.partition("?")[0]
