"""Cluster: which node owns a queue's slot, by what most of the nodes say, or by where one of them has sent us."""

import binascii
import random
from typing import Any, Final

from barq.store.vote import Address, Make, as_text, named, vote

SLOTS: Final = 16384
_MOST_ASKED: Final = 5
_MOST_NODES_KEPT: Final = 1000


def slot_of(queue: str) -> int:
    """The slot of all keys of a queue: only what stands in their braces counts.

    >>> slot_of("123456789")
    12739
    """
    return binascii.crc_hqx(queue.encode(), 0) % SLOTS


class Cluster:
    """What is known of a cluster, shared by all connections of a queue.

    `known`: that it is one. A single server's URL may turn out to be that of a node.
    """

    def __init__(self, seeds: list[Address], make: Make, *, known: bool) -> None:
        self.known = known
        self._make = make
        self._nodes = seeds
        self._seeds = seeds
        self._redirects: dict[int, Address] = {}

    def moved(self, slot: int, address: Address) -> None:
        """A node has said who owns a slot; that is tried next, once."""
        self._redirects[slot] = address

    async def owner(self, slot: int) -> Address:
        """Raises ConnectionError when nobody answers, or nobody owns the slot."""
        if (address := self._redirects.pop(slot, None)) is not None:
            return address
        nodes = self._nodes
        asked = random.sample(nodes, min(_MOST_ASKED, len(nodes)))
        seen: set[Address] = set()

        def read(address: Address, reply: Any) -> Address | None:
            owner = None
            for first, last, *holders in reply:
                here = [(as_text(holder[0] or "") or address[0], int(holder[1])) for holder in holders]
                seen.update(here)
                if int(first) <= slot <= int(last):
                    owner = here[0]
            return owner

        ballot = await vote(
            {address: self._make(address) for address in asked},
            ("CLUSTER", "SLOTS"),
            read,
            enough=len(asked) // 2 + 1,
        )
        if not ballot.votes:
            self._nodes = self._seeds + [node for node in self._nodes if node not in self._seeds]
            raise ballot.failures[0] if ballot.failures else ConnectionError("no node of the cluster answers")
        self._nodes = list(dict.fromkeys([*self._seeds, *seen]))[:_MOST_NODES_KEPT]
        owner = ballot.winner()
        if owner is None:
            raise ConnectionError(f"no node owns slot {slot}, as {named(asked)} say")
        return owner
