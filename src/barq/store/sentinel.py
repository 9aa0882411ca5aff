"""Sentinel: which server is the primary, by what the majority of the sentinels say.

One that was cut off from the others may still name the old primary, whose new jobs would be lost. So all that are listed
are asked, and more than half of them have to say the same.
"""

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final

from barq.errors import PermissionDenied, ServerUnsuitable
from barq.store.vote import ASK_SECONDS, Address, Ballot, Make, as_text, named, vote

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

LOOKOUT_SECONDS: Final = 1.0


class Sentinels:
    """The sentinels that watch the primary called `name`. `make` makes connections to them."""

    def __init__(self, addresses: list[Address], name: str, make: Make) -> None:
        self.addresses = addresses
        self.name = name
        self._question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        self._make = make

    async def primary(self) -> Address:
        """Raises ConnectionError when no majority names one, ServerUnsuitable when a majority knows none of that name."""
        needed = len(self.addresses) // 2 + 1
        asked = {address: self._make(address) for address in self.addresses}
        ballot = await vote(asked, self._question, _read, enough=needed)
        if ballot.most < needed:
            raise self._no_majority(ballot, needed)
        found = ballot.winner()
        if found is None:
            raise ServerUnsuitable(f"the sentinels at {named(self.addresses)} know no primary called {self.name!r}")
        return found

    async def replaced(self, address: Address) -> None:
        """Return when a majority names another primary. One sentinel is asked every second, all when it says so.

        A primary that stood still, or was cut off, does not know that it is none any more: for seconds after it wakes it
        answers as before, and what it takes is lost.
        """
        connection: AbstractConnection | None = None
        try:
            while True:
                await asyncio.sleep(LOOKOUT_SECONDS)
                try:
                    async with asyncio.timeout(ASK_SECONDS):
                        if connection is None:
                            connection = self._make(random.choice(self.addresses))
                            await connection.connect()  # type: ignore[no-untyped-call]
                        await connection.send_command(*self._question, check_health=False)
                        if _read(address, await connection.read_response()) == address:
                            continue
                    if await self.primary() != address:
                        return
                except Exception:  # it is of no use: another one next time
                    if connection is not None:
                        await connection.disconnect(nowait=True)
                    connection = None
        finally:
            if connection is not None:
                await connection.disconnect(nowait=True)

    def _no_majority(self, ballot: Ballot[Address | None], needed: int) -> Exception:
        said = [f"{count} name {named([address]) if address else 'none'}" for address, count in ballot.votes.items()]
        said += [str(failure) or type(failure).__name__ for failure in ballot.failures]
        message = f"{needed} of the {len(self.addresses)} sentinels have to name the same primary: {'; '.join(said)}"
        refused = [error for error in ballot.failures if "Authentication" in type(error).__name__]
        return PermissionDenied(message) if refused else ConnectionError(message)


def _read(_: Address, reply: Any) -> Address | None:
    return None if reply is None else (as_text(reply[0]), int(reply[1]))
