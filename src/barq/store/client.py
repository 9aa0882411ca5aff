"""Client: the target that a redis-py or valkey-py client talks to. Its addresses and options are used, not its pools."""

import functools
import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from barq.errors import InvalidType, InvalidValue
from barq.store.cluster import Cluster
from barq.store.sentinel import Sentinels
from barq.store.target import OURS, Target
from barq.store.vote import Address, named

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

_KEPT = ("host", "port", "path", "db", "username", "password", "credential_provider", "client_name")


def target_of_client(client: Any) -> Target:
    """Takes a client of one server, of a cluster, or a sentinel's `master_for(…)`, blocking or not."""
    pool = getattr(client, "connection_pool", None)
    kwargs = getattr(pool, "connection_kwargs", None)
    if (nodes := getattr(client, "nodes_manager", None)) is not None:
        return _of_cluster(nodes, client.get_connection_kwargs())
    if not isinstance(kwargs, dict):
        raise InvalidType(
            "client must be a redis.Redis, redis.asyncio.Redis, RedisCluster, a sentinel's master_for(…), or the same of "
            f"valkey-py, got {client!r}"
        )
    secure = _is_secure(pool)
    if (manager := getattr(pool, "sentinel_manager", None)) is not None:
        return _of_sentinels(manager, pool, _chosen(kwargs), secure=secure)
    chosen = _chosen(kwargs)
    if "path" in chosen:
        return Target(shown=f"unix://{chosen['path']}", make=functools.partial(_made, chosen, False, None))
    address = chosen.get("host", "localhost"), int(chosen.get("port", 6379))
    make_at = functools.partial(_made, chosen, secure)
    return Target(
        shown=f"{'rediss' if secure else 'redis'}://{named([address])}",
        make=functools.partial(make_at, None),
        make_at=make_at,
        cluster=Cluster([address], make_at, known=False),
    )


def _of_cluster(nodes: Any, kwargs: Mapping[str, Any]) -> Target:
    seeds = _distinct((node.host, int(node.port)) for node in nodes.startup_nodes.values())
    secure = bool(kwargs.get("ssl")) or "SSL" in getattr(kwargs.get("connection_class"), "__name__", "")
    chosen = {key: value for key, value in _chosen(kwargs).items() if key not in ("host", "port", "db")}
    make_at = functools.partial(_made, chosen, secure)
    shown = f"{'rediss' if secure else 'redis'}+cluster://{named(seeds)}"
    return Target(shown, functools.partial(make_at, seeds[0]), make_at, cluster=Cluster(seeds, make_at, known=True))


def _of_sentinels(manager: Any, pool: Any, chosen: dict[str, Any], *, secure: bool) -> Target:
    if not pool.is_master:
        raise InvalidType("client must be of the primary, master_for(…): replicas can't be written to")
    pools = [sentinel.connection_pool for sentinel in manager.sentinels]
    addresses = _distinct((str(one.connection_kwargs["host"]), int(one.connection_kwargs["port"])) for one in pools)
    ask_at = functools.partial(_made, _chosen(pools[0].connection_kwargs), _is_secure(pools[0]))
    make_at = functools.partial(_made, chosen, secure)
    shown = f"{'rediss' if secure else 'redis'}+sentinel://{named(addresses)}/{pool.service_name}"
    sentinels = Sentinels(addresses, pool.service_name, ask_at)
    return Target(shown, functools.partial(ask_at, addresses[0]), make_at, sentinels)


def _is_secure(pool: Any) -> bool:
    return "SSL" in getattr(pool, "connection_class", type(None)).__name__


def _chosen(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key in _KEPT or key.startswith("ssl_")}


def _distinct(addresses: Iterable[Address]) -> list[Address]:
    return list(dict.fromkeys(addresses))


def _made(chosen: Mapping[str, Any], secure: bool, address: Address | None) -> "AbstractConnection":
    from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

    kwargs = {**chosen, **OURS}
    if address is not None:
        kwargs["host"], kwargs["port"] = address
    if "path" in kwargs:
        return UnixDomainSocketConnection(**kwargs)
    if not secure:
        return Connection(**{key: value for key, value in kwargs.items() if not key.startswith("ssl_")})
    taken = inspect.signature(SSLConnection.__init__).parameters
    for option in [key for key in kwargs if key.startswith("ssl_") and key not in taken]:
        if kwargs.pop(option):  # redis-py's blocking connections know more options than its asyncio ones
            raise InvalidValue(f"client has the option {option}, which barq's connections can't keep")
    return SSLConnection(**kwargs)
