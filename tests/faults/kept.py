"""Kept: all that the server still holds of a queue when a run is over, for the checker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from barq.protocol import streams
from barq.protocol.call import Space
from barq.record import Record, number
from barq.states import State
from tests.faults.jobs import TYPES, Data
from tests.faults.records import payload_hash
from tests.faults.servers import NAME, ChaosServer

PAGE = 2000

Entry = tuple[int, int, list[tuple[str, str, int]]]
"""One call's entry in the stream: its number, when (ms), and (event, type, id)*."""

Slow = tuple[int, int, str]
"""A command that took long: at which second of the machine's clock, how many microseconds, and what it was."""


@dataclass(repr=False)
class Kept:
    """`places`: (type, state, score) of each job. `run`, `end`: as the server has them, without bodies. `past`: jobs of which
    attempts before the last are kept. `counted`: what workers counted of each type. `keys`: the keys
    besides those that every queue has, with the ms they live (-1: for ever)."""

    entries: list[Entry] = field(default_factory=list)
    places: dict[int, list[tuple[str, State, float]]] = field(default_factory=dict)
    hashes: dict[int, str] = field(default_factory=dict)
    keys_of_jobs: dict[int, str] = field(default_factory=dict)
    run: dict[int, str] = field(default_factory=dict)
    end: dict[int, str] = field(default_factory=dict)
    past: set[int] = field(default_factory=set)
    counted: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[tuple[str, State], int] = field(default_factory=dict)
    watched: int = 0
    keys: dict[str, int] = field(default_factory=dict)
    clients: list[str] = field(default_factory=list)
    slow: list[Slow] = field(default_factory=list)


async def read(server: ChaosServer, queue: str) -> Kept:
    reader = _Reader(server, f"barq:{{{queue}}}:".encode())
    kept = Kept()
    kept.entries = [entry async for entry in reader.entries()]
    await reader.lines(kept)
    async for member, record in reader.hash(b"job"):
        parsed = Record(record)
        kept.hashes[number(member)] = payload_hash(parsed.payload)
        kept.keys_of_jobs[number(member)] = msgspec.json.decode(parsed.payload, type=Data).key
    async for member, text in reader.hash(b"run"):
        kept.run[number(member)] = text.decode()
    async for member, text in reader.hash(b"end"):
        kept.end[number(member)] = text.partition(b"\n")[0].decode()
    kept.past = {number(member) async for member, _ in reader.hash(b"past")}
    async for member, sums in reader.hash(b"ever"):
        kept.counted[member.decode()] = msgspec.msgpack.decode(sums, type=list[int])[:3]
    kept.watched = await server.ask("HLEN", reader.prefix + b"watch")
    kept.keys = {key: lives async for key, lives in reader.lives_of_keys()}
    clients = (await server.ask("CLIENT", "LIST")).decode().splitlines()
    kept.clients = [line for line in clients if f" name={NAME} " not in line]
    return kept


class _Reader:
    def __init__(self, server: ChaosServer, prefix: bytes) -> None:
        self._ask = server.ask
        self.prefix = prefix
        self.space = Space("")  # ids of a queue that is not divided

    async def entries(self) -> AsyncIterator[Entry]:
        after = b"-"
        while True:
            found = await self._ask("XRANGE", self.prefix + b"events", after, "+", "COUNT", PAGE)
            for position, fields in found:
                told = [(one.event, one.type, one.id) for one in streams.expand(self.space, position, fields)]
                yield int(position.split(b"-")[0]), int(fields[1]), told
            if len(found) < PAGE:
                return
            after = b"(" + found[-1][0]

    async def lines(self, kept: Kept) -> None:
        for type_ in TYPES:
            for state in State:
                key = self.prefix + f"{type_}:{state}".encode()
                at = count = 0
                while found := await self._ask("ZRANGE", key, at, at + PAGE - 1, "WITHSCORES"):
                    for member, score in zip(found[::2], found[1::2], strict=True):
                        if not member.startswith(b"_"):
                            kept.places.setdefault(number(member), []).append((type_, state, float(score)))
                            count += 1
                    at += PAGE
                kept.counts[type_, state] = count

    async def hash(self, name: bytes) -> AsyncIterator[tuple[bytes, bytes]]:
        cursor: Any = b"0"
        while True:
            cursor, found = await self._ask("HSCAN", self.prefix + name, cursor, "COUNT", PAGE)
            for member, text in zip(found[::2], found[1::2], strict=True):
                if not member.startswith(b"_"):
                    yield member, text
            if int(cursor) == 0:
                return

    async def lives_of_keys(self) -> AsyncIterator[tuple[str, int]]:
        for key in await self._ask("KEYS", self.prefix + b"*"):
            yield key[len(self.prefix) :].decode("utf-8", "replace"), await self._ask("PTTL", key)
