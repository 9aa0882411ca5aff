"""Examine: gather what doctor.py judges, over one connection, also of a server that barq would refuse."""

import asyncio
import time
from typing import Any, Final

from barq.doctor import Facts
from barq.errors import PermissionDenied
from barq.rights import WRITES, Role, missing
from barq.store.connect import made, nobody_there, parse_info, permission
from barq.store.target import Target

_PINGS: Final = 15
_SECONDS: Final = 10.0

# Each command that scripts use is tried on a key of its own; what is refused for other reasons than rights is no matter.
TRIED: Final = """
SET v PX 1000; GET; PEXPIRE 1000; EXPIRE 1; EXISTS; HSET f v; HSETNX f v; HMGET f; HGET f; HGETALL; HDEL f; HEXISTS f; HKEYS;
HSTRLEN f; HSCAN 0; ZADD 1 m; ZREM m; ZCARD; ZCOUNT 0 0; ZLEXCOUNT - +; ZSCORE m; ZRANK m; ZRANGE 0 0; ZRANGEBYSCORE 0 0;
ZREVRANGE 0 0; ZREVRANGEBYLEX + -; ZREMRANGEBYRANK 0 0; RPUSH v; LLEN; LRANGE 0 0; LTRIM 0 0; INCR; INCRBY 1; XADD * f v; XLEN;
XREVRANGE + -; XTRIM MAXLEN 1; DEL
"""
_TRY: Final = """
local denied = {}
for line in string.gmatch(ARGV[1], '[^;]+') do
  local words = {}
  for word in string.gmatch(line, '%S+') do words[#words + 1] = word end
  local key = KEYS[1] .. 'doctor:' .. words[1]
  local answer = redis.pcall(words[1], key, unpack(words, 2))
  local why = type(answer) == 'table' and answer.err
  if why and (string.find(why, 'NOPERM') or string.find(why, 'user executing the script') or string.find(why, 'permission')) then
    denied[#denied + 1] = words[1]
  end
  if ARGV[2] == '1' then redis.pcall('DEL', key) end
end
local usage = redis.pcall('MEMORY', 'USAGE', KEYS[1] .. 'doctor:memory')
if type(usage) == 'table' and usage.err and string.find(usage.err, 'ermission') then denied[#denied + 1] = 'MEMORY|USAGE' end
return denied
"""


async def examine(target: Target, queue: str, role: Role | None = None) -> Facts:
    """`role`: try the rights of that part alone. Raises ServerUnreachable or PermissionDenied when nothing can be learned."""
    try:
        async with asyncio.timeout(_SECONDS):
            connection = await made(target)
            try:
                await connection.connect()  # type: ignore[no-untyped-call]
                return await _facts(connection, b"barq:{%b}:" % queue.encode(), role)
            finally:
                await connection.disconnect(nowait=True)
    except PermissionDenied:
        raise
    except Exception as error:
        if denied := permission(error, target):
            raise denied from None
        raise nobody_there(error, target) from None


async def _facts(connection: Any, prefix: bytes, role: Role | None) -> Facts:
    from redis.exceptions import ResponseError

    async def ask(*words: Any) -> Any:
        await connection.send_command(*words, check_health=False)
        return await connection.read_response()

    denied: list[str] = []

    async def ask_or(otherwise: Any, *words: Any) -> Any:
        """For what a server may refuse. That a right is missing is noted where barq needs it (`otherwise` is None)."""
        try:
            return await ask(*words)
        except ResponseError as error:
            if otherwise is None and _about_rights(error):
                denied.append(str(words[0]))
            return otherwise

    info = parse_info(await ask("INFO"))
    times = []
    for _ in range(_PINGS):
        start = time.perf_counter()
        await ask("PING")
        times.append(time.perf_counter() - start)
    seconds, micros = await ask_or((0, 0), "TIME")
    clock_ms = round((int(seconds) + int(micros) / 1e6 - time.time()) * 1000) if int(seconds) else 0
    settings = await ask_or((), "CONFIG", "GET", "append*")
    config = {name.decode(): value.decode() for name, value in zip(settings[::2], settings[1::2], strict=True)}
    evaluate = "EVAL_RO" if role == "viewer" else "EVAL"  # which refuses writes, but not for want of rights
    tried = [line for line in TRIED.split(";") if evaluate == "EVAL" or line.split()[0] not in WRITES]
    prefixes = [prefix]
    if int(await ask_or(None, "GET", prefix + b"partitions") or 1) > 1:
        # one stands for all; another node says MOVED, which is no matter
        prefixes.append(prefix.replace(b"}:", b"/0}:"))
    for each in prefixes:
        in_scripts = await ask_or(None, evaluate, _TRY, 1, each, ";".join(tried), int(evaluate == "EVAL"))
        denied += [name for word in in_scripts or () if (name := word.decode()) not in denied]
    key = prefix + b"doctor:wait"
    if role in (None, "worker"):
        await ask_or(None, "BZPOPMIN", key, "0.001")
    await ask_or(None, "XREAD", "COUNT", "1", "STREAMS", key, "0")
    await ask_or(None, "LRANGE", key, "0", "0")
    state = None
    if info.get("cluster_enabled") == "1":
        state = parse_info(await ask_or(b"cluster_state:unknown", "CLUSTER", "INFO")).get("cluster_state", "unknown")
    return Facts(
        info=info,
        config=config or None,
        clock_ms=clock_ms,
        latency_ms=sorted(times)[len(times) // 2] * 1000,
        denied=denied if role is None else missing(role, denied),
        role=role,
        cluster_state=state,
    )


def _about_rights(error: Exception) -> bool:
    return type(error).__name__ == "NoPermissionError" or str(error).startswith("NOPERM")
