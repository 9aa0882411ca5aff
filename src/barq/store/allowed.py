"""Allowed: whether a user may run all commands of a script, asked before the script begins. Beside store.py.

The server checks the commands of a script one by one while it runs, and takes nothing back: what was moved out of one line
when the right to put it into the next is missing would be in none.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from barq.aio import Reply
from barq.errors import PermissionDenied
from barq.protocol.call import Call
from barq.protocol.scripts import Script
from barq.rights import WRITES, commands_of
from barq.store.connect import allowing
from barq.store.examine import TRIED
from barq.store.link import Link, LinkLost

_NOTHING: Final[frozenset[str]] = frozenset()

# Whole commands with a key of the queue, none of which is run: servers crash when they are asked about one without its key.
_ASK: Final = b"""
local denied = {}
for line in string.gmatch(ARGV[1], '[^;]+') do
  local words = {}
  for word in string.gmatch(line, '%S+') do words[#words + 1] = word end
  if not redis.acl_check_cmd(words[1], KEYS[1], unpack(words, 2)) then denied[#denied + 1] = words[1] end
end
return denied
"""
_ALL_WRITES: Final = {line.split()[0].lower() for line in TRIED.split(";")} & {word.lower() for word in WRITES}


async def _whenever(answer: Reply) -> Any:
    return await answer


async def denied(
    link: Link, prefix: bytes, *, may_block: float = 0.0, by: Callable[[Reply], Awaitable[Any]] = _whenever
) -> frozenset[str] | None:
    """Which commands of scripts the user of a connection may not run; None when the server can't say for now.

    `by`: waits for the answer, or raises TimeoutError.
    """
    if not link.server.takes_shebang:  # Redis 6.2 does not tell
        return _NOTHING
    if not prefix:
        return None
    try:
        told: Iterable[bytes] = await by(link.call(b"EVAL_RO", _ASK, b"1", prefix, TRIED.encode(), may_block=may_block))
    except TimeoutError:
        raise
    except LinkLost:
        return None
    except Exception as error:
        # who may not ask, or not for these keys, may run no script, and is told so by the server
        return _NOTHING if type(error).__name__ == "NoPermissionError" else None
    words = frozenset(word.decode().lower() for word in told)
    may_only_read = words >= _ALL_WRITES  # whom the server refuses its scripts as a whole
    return _NOTHING if may_only_read else words


def lacks(link: Link, script: Script) -> bool:
    """The user may not run all commands of a script that writes, as far as is known, or nothing is known."""
    return script.writes and (link.denied is None or not link.denied.isdisjoint(commands_of(script.name)))


async def allow(
    link: Link, call: Call[Any], where: str, *, may_block: float, by: Callable[[Reply], Awaitable[Any]]
) -> None:
    """Ask again, as rights may have been given meanwhile. Raises PermissionDenied before a script would break off."""
    assert call.script is not None
    link.denied = await denied(link, call.prefix, may_block=may_block, by=by)
    if link.denied and lacks(link, call.script):
        word = min(link.denied & commands_of(call.script.name))
        says = f"this user has no permissions to run the '{word}' command, which {call.script.name} needs"
        raise PermissionDenied(f"{where} would refuse: {allowing(says)}")
