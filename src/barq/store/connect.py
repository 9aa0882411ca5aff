"""Connect: one connection to the server that a target names, or that has to be found for it, checked to be fit for jobs."""

import asyncio
import os
import re
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from barq.doctor import OLDEST_REDIS, OLDEST_VALKEY
from barq.errors import PermissionDenied, ServerUnreachable, ServerUnsuitable, WrongPartitions, WrongState
from barq.store.target import Target

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection


refusal: str | None = None
"""Why no connection is made for now, if none is to be."""


class Server(msgspec.Struct, frozen=True):
    """What the server says of itself when a connection is made."""

    version: tuple[int, ...]
    name: str
    client_id: int

    @property
    def takes_shebang(self) -> bool:
        return self.version >= (7,)


async def connect(target: Target) -> tuple["AbstractConnection", Server]:
    """Make one connection and check that the server is fit for jobs.

    Raises ServerUnsuitable, PermissionDenied or WrongState for what trying again won't mend, else what redis-py raises.
    """
    if refusal is not None:
        raise WrongState(refusal)
    connection = await made(target)
    try:
        async with asyncio.timeout(target.connect_seconds):
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("CLIENT", "ID", check_health=False)
            client_id = await connection.read_response()
            await connection.send_command("INFO", check_health=False)
            info = parse_info(await connection.read_response())
    except BaseException as error:
        await connection.disconnect(nowait=True)
        raise (permission(error, target) or error) from None
    if info.get("cluster_enabled") == "1" and target.cluster is not None and not target.cluster.known:
        target.cluster.known = True  # once more, now to the node that owns the slot
        await connection.disconnect(nowait=True)
        return await connect(target)
    if target.searched and info.get("role") != "master":
        await connection.disconnect(nowait=True)
        raise ConnectionError("the server that was found is a replica: a failover is under way")
    try:
        server = checked(info, target, int(client_id))
        if target.whole:
            async with asyncio.timeout(target.connect_seconds):
                check_partitions(target.whole, wanted=1, stored=await _partitions(connection, target))
        return connection, server
    except BaseException:
        await connection.disconnect(nowait=True)
        raise


def handed_over(connection: "AbstractConnection") -> tuple[asyncio.StreamWriter, Callable[[str], Exception]]:
    """A connection's streams, which are somebody else's from now on, and how redis-py names the errors of the server."""
    streams, parse_error = connection._writer, connection._parser.parse_error
    connection._reader = connection._writer = None  # it has nothing left to close
    assert streams is not None
    return streams, parse_error


async def _partitions(connection: "AbstractConnection", target: Target) -> int:
    """How many the queue has, as far as this server says."""
    from redis.exceptions import ResponseError

    await connection.send_command("GET", f"barq:{{{target.whole}}}:partitions", check_health=False)
    try:
        return int(await connection.read_response() or 1)
    except ResponseError:  # it is busy, or not the one that has this queue: the first call will meet the same
        return 1


def check_partitions(queue: str, *, wanted: int, stored: int) -> None:
    """Raises WrongPartitions."""
    if stored != wanted:
        told = f", partitions={stored}" if stored > 1 else ""
        raise WrongPartitions(
            f"queue {queue} has {stored} partition{'s' if stored > 1 else ''}, and is used here with {wanted}: write "
            f"Queue({queue!r}{told}), or take another name; a number can't be changed, for ids and jobs would be lost",
            stored=stored,
        )


async def made(target: Target) -> "AbstractConnection":
    if target.make_at is not None and target.sentinels is not None:
        return target.make_at(await target.sentinels.primary())
    if target.make_at is not None and target.cluster is not None and target.cluster.known:
        return target.make_at(await target.cluster.owner(target.slot))
    # starting the bundled server blocks for a moment
    return await asyncio.to_thread(target.make) if target.embedded else target.make()


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


_COMMAND: Final = re.compile(r"the '([\w|]+)' command")


_ALL: Final = "`barq acl producer` (or worker, viewer, operator) prints all rights"


def allowing(text: str) -> str:
    """What the server said about a missing right, and how to give it."""
    found = _COMMAND.search(text)
    if found is not None:
        return f"{text}: allow it with +{found[1].lower()}; {_ALL}"
    if "run this command" in text:  # Redis before 7.2 does not say which
        return f"{text}: {_ALL}"
    if "key" in text:
        return f"{text}: allow the keys of the queue with ~barq:{{QUEUE}}:*; {_ALL}"
    return text


def reason(error: BaseException) -> str:
    """Why there is no connection or no answer, in the system's words where the driver has it from there."""
    cause = error.__context__
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno and cause.strerror:
        return os.strerror(cause.errno) if cause.errno > 0 else cause.strerror
    return str(error) or type(error).__name__


def nobody_there(error: Exception, target: Target) -> ServerUnreachable:
    """A connection that could not be made."""
    return ServerUnreachable(
        f"no server at {target.shown} ({reason(error)}); `barq server` starts one, --url names another"
    )


def permission(error: BaseException, target: Target) -> PermissionDenied | None:
    import redis.exceptions

    text = str(error)
    if isinstance(error, redis.exceptions.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
        return PermissionDenied(f"the server at {target.shown} refused the user or password: {text}")
    if isinstance(error, redis.exceptions.NoPermissionError):
        return PermissionDenied(f"the server at {target.shown} refused: {allowing(text)}")
    return None
