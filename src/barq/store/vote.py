"""Vote: ask several servers the same at a time, and count what they say. For sentinel.py and cluster.py."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

T = TypeVar("T")
Address = tuple[str, int]
Make = Callable[[Address], "AbstractConnection"]
"""Makes a connection to a server, which is not connected yet."""

ASK_SECONDS: Final = 1.0


class Ballot(msgspec.Struct, Generic[T]):
    """How many said what, and what hindered the others."""

    votes: Counter[T] = msgspec.field(default_factory=Counter)
    failures: list[Exception] = msgspec.field(default_factory=list)

    @property
    def most(self) -> int:
        return max(self.votes.values(), default=0)

    def winner(self) -> T:
        return self.votes.most_common(1)[0][0]


async def vote(
    asked: Mapping[Address, "AbstractConnection"],
    words: tuple[str, ...],
    read: Callable[[Address, Any], T],
    *,
    enough: int,
) -> Ballot[T]:
    """Send the same words over all connections; `read` makes a vote of an answer. Ends when `enough` say the same."""
    ballot: Ballot[T] = Ballot()
    tasks = {
        asyncio.create_task(_ask(address, connection, words, read), name=f"barq ask {address}")
        for address, connection in asked.items()
    }
    try:
        left = tasks
        while left and ballot.most < enough:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                match task.exception():
                    case None:
                        ballot.votes[task.result()] += 1
                    case Exception() as failure:
                        ballot.failures.append(failure)
    finally:
        while left := {task for task in tasks if not task.done()}:  # one cancel is not always enough on Python 3.11
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=0.1)
    return ballot


async def _ask(
    address: Address, connection: "AbstractConnection", words: tuple[str, ...], read: Callable[[Address, Any], T]
) -> T:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command(*words, check_health=False)
            return read(address, await connection.read_response())
    finally:
        await connection.disconnect(nowait=True)


def as_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def named(addresses: "Mapping[Address, object] | list[Address]") -> str:
    return ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses)
