"""Rights: what the server's ACL has to allow for each part that somebody plays, worked out from the scripts that they send.

A script's commands are checked one by one against the rights of the user who runs it, so each part gets exactly the
commands of its scripts, beside the few that are sent by themselves.
"""

import functools
import re
from collections.abc import Iterable
from typing import Final, Literal

from barq.protocol.scripts import command_names, script

Role = Literal["producer", "worker", "viewer", "operator"]

_CONNECT: Final = (
    "client|id",
    "cluster|shards",
    "cluster|slots",
    "get",
    "info",
    "ping",
    "select",
)
_READ: Final = ("hgetall", "lrange", "xread", "xrevrange")
_PRODUCE: Final = ("enqueue", "watch", "fetch", "counts")
_WORK: Final = (
    "claim",
    "turn",
    "settle",
    "extend",
    "report",
    "keep",
    "recall",
    "beat",
    "tally",
    "workers",
    "prune",
    "measure",
    "evict",
    "trim",
)
READS: Final = frozenset({
    "EXISTS", "GET", "HEXISTS", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "HSCAN", "HSTRLEN", "INFO", "LLEN",
    "LRANGE", "MGET", "TIME", "XLEN", "XRANGE", "XREVRANGE", "ZCARD", "ZCOUNT", "ZLEXCOUNT", "ZRANGE", "ZRANGEBYLEX",
    "ZRANGEBYSCORE", "ZRANK", "ZREVRANGE", "ZREVRANGEBYLEX", "ZREVRANGEBYSCORE", "ZREVRANK", "ZSCORE",
})  # fmt: skip
WRITES: Final = frozenset({
    "DEL", "EXPIRE", "HDEL", "HSET", "HSETNX", "INCR", "INCRBY", "LTRIM", "PEXPIRE", "RPUSH", "SET", "UNLINK", "XADD",
    "XTRIM", "ZADD", "ZINCRBY", "ZPOPMIN", "ZREM", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE",
})  # fmt: skip
_IN_PATTERNS: Final = re.compile(r"[*?\[\]\\^]|\s")
"""What means something in a pattern of keys, or ends it."""

_WORD: Final = re.compile(r"'([A-Z]{3,})'")


def roles() -> tuple[Role, ...]:
    return "producer", "worker", "viewer", "operator"


@functools.cache
def commands_of(name: str) -> frozenset[str]:
    """The commands that a script may run."""
    asked = script(name)
    source, known = asked.plain_source.decode(), READS | WRITES if asked.writes else READS
    found = frozenset(word.lower() for word in _WORD.findall(source) if word in known)
    return found | {"memory|usage"} if "'MEMORY'" in source else found


@functools.cache
def commands(role: Role) -> frozenset[str]:
    """All that this part needs."""
    reads = {name for name in command_names() if not script(name).writes}
    scripts: set[str]
    match role:
        case "producer":
            scripts, more = {*_PRODUCE}, {"evalsha", "eval", "evalsha_ro", "eval_ro", *_READ, "wait", "config|get"}
        case "worker":
            more = {*commands("producer"), "bzpopmin", "client|unblock", "set"}
            scripts = {*_PRODUCE, *_WORK}
        case "viewer":
            scripts, more = reads, {"evalsha_ro", "eval_ro", *_READ}
        case "operator":
            scripts = set(command_names()) - {*_WORK} | reads | {"prune", "evict", "trim"}
            more = {*commands("producer"), *commands("viewer"), "config|get"}
    return frozenset({*_CONNECT, *more}.union(*map(commands_of, scripts)))


def missing(role: Role, denied: Iterable[str]) -> list[str]:
    """Which of the commands that were refused this part needs."""
    words = commands(role)
    return [word for word in denied if word.lower().replace(" ", "|") in words]


def rule(role: Role, queue: str, partitions: int = 1) -> str:
    """What stands behind ACL SETUSER NAME on >PASSWORD, on servers from version 7."""
    allowed = "%R~" if role == "viewer" else "~"
    keys = [f"{allowed}barq:{{{name}}}:*" for name in _names(queue, partitions)]
    return " ".join(["resetkeys", "resetchannels", *keys, "-@all", *(f"+{word}" for word in sorted(commands(role)))])


def _names(queue: str, partitions: int) -> list[str]:
    """The queue and its partitions as patterns: one for those of one digit, one for those of two, and so on.

    >>> _names("mail", 16), _names("what*", 1)
    (['mail', 'mail/[0-9]', 'mail/[0-9][0-9]'], ['what\\\\*'])
    """
    name = _IN_PATTERNS.sub(lambda found: "?" if found[0].isspace() else f"\\{found[0]}", queue)
    digits = len(str(partitions - 1)) if partitions > 1 else 0
    return [name, *(f"{name}/{'[0-9]' * count}" for count in range(1, digits + 1))]
