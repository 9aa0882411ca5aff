"""Proxy: a gate per client process on its way to the server. It knows which calls are under way, and can break them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, cast

import hiredis

from barq.protocol.scripts import command_names, script

_SCRIPTS = {name: script(name) for name in command_names()}
_BY_SHA = {sha: name for name, one in _SCRIPTS.items() for sha in (one.sha, one.plain_sha)}
_BY_SOURCE = {source: name for name, one in _SCRIPTS.items() for source in (one.source, one.plain_source)}
_PLAIN = {
    b"BZPOPMIN": "wait",
    b"XREAD": "inbox",
    b"XREVRANGE": "watch",
    b"CLIENT": "connect",
    b"INFO": "connect",
    b"CONFIG": "connect",
}

WAITS = ("wait", "inbox")
"""Calls that the server holds back by intention."""

SLICE_SECONDS = 0.0005
_SLICES = 24

Strike = Callable[["Pair"], None]


def called(request: list[Any]) -> str:
    """The name of what a request asks."""
    word = request[0]
    if word in (b"EVALSHA", b"EVALSHA_RO"):
        return _BY_SHA.get(request[1].lower(), "evalsha")
    if word in (b"EVAL", b"EVAL_RO"):
        return _BY_SOURCE.get(request[1], "eval")
    return _PLAIN.get(word) or word.decode().lower()


class Gate:
    """A port that leads to the server.

    `hole`: what comes in either way vanishes, and so do new connections (a black hole). `delay`: seconds that every piece
    takes longer. `sliced`: pieces arrive in small parts.
    """

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.hole = False
        self.delay = 0.0
        self.sliced = False
        self.connections = 0
        self.pairs: set[Pair] = set()
        self._armed: dict[str, list[tuple[Strike, bool]]] = {}
        self._listener: asyncio.Server

    async def open(self) -> "Gate":
        self._listener = await asyncio.get_running_loop().create_server(lambda: Pair(self).client, "127.0.0.1", 0)
        return self

    async def close(self) -> None:
        self._listener.close()
        self.reset()
        await self._listener.wait_closed()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def under_way(self) -> list[str]:
        """Calls without an answer so far."""
        return [name for pair in self.pairs for name in pair.under_way]

    # ---- faults

    def when(self, name: str, strike: Strike, *, before: bool) -> Callable[[], None]:
        """Call `strike` once, at the next call of that name: before it is passed on, or right after. Returns what disarms it."""
        armed = self._armed.setdefault(name, [])
        armed.append((strike, before))

        def disarm() -> None:
            if (strike, before) in armed:
                armed.remove((strike, before))

        return disarm

    def reset(self) -> None:
        """Hang up on everybody, without a goodbye."""
        for pair in list(self.pairs):
            pair.reset()

    def heal(self, *, hang_up: bool) -> None:
        """End what lasts. Connections that lost something are hung up on, or stay as they are: silent for ever."""
        self.hole, self.delay, self.sliced = False, 0.0, False
        if hang_up:
            for pair in [pair for pair in self.pairs if pair.dead]:
                pair.reset()

    def take_armed(self, names: list[str], *, before: bool) -> list[Strike]:
        taken = []
        for name in names:
            armed = self._armed.get(name)
            for one in [one for one in armed or () if one[1] is before]:
                cast(list[tuple[Strike, bool]], armed).remove(one)
                taken.append(one[0])
        return taken


class Pair:
    """A client's connection, and the one to the server that belongs to it.

    `dead`: something that passed was lost, so nothing may pass any more. `mute`: answers are lost.
    `cut_at`: of the next answer only so much passes, then it hangs up.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.dead = False
        self.mute = False
        self.cut_at: float | None = None
        self.swallowed = 0
        self.under_way: deque[str] = deque()
        self.client, self.server = _ClientEnd(self), _ServerEnd(self)
        self._requests, self._replies = hiredis.Reader(), hiredis.Reader()

    async def dial(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.server, "127.0.0.1", self.gate.server_port)
        except OSError:
            self.reset()

    def reset(self) -> None:
        self.gate.pairs.discard(self)
        for end in (self.client, self.server):
            if end.transport is not None:
                end.transport.abort()

    # ---- what passes

    def asked(self, data: bytes) -> None:
        """From the client."""
        names = [called(request) for request in _whole(self._requests, data)]
        self.under_way.extend(names)
        for strike in self.gate.take_armed(names, before=True):
            strike(self)
        self._pass(self.server, data)
        for strike in self.gate.take_armed(names, before=False):
            strike(self)

    def answered(self, data: bytes) -> None:
        """From the server."""
        for _ in _whole(self._replies, data):
            if self.under_way:
                self.under_way.popleft()
        if self.mute:
            self.dead = True
            self.swallowed += len(data)
        elif self.cut_at is not None and not self.dead:
            self.client.send(data[: max(1, int(len(data) * self.cut_at))], 0.0, sliced=False)
            self.gate.pairs.discard(self)
            self.client.hang_up()
            self.server.hang_up()
        else:
            self._pass(self.client, data)

    def _pass(self, end: "_End", data: bytes) -> None:
        if self.gate.hole:
            self.dead = True
        if self.dead:
            self.swallowed += len(data)
        else:
            end.send(data, self.gate.delay, sliced=self.gate.sliced)


def _whole(reader: hiredis.Reader, data: bytes) -> Iterator[Any]:
    """The messages that are complete with this piece."""
    reader.feed(data)
    while (message := reader.gets()) is not False:
        yield message


class _End(asyncio.Protocol):
    """One side of a pair. Pieces that can't leave at once leave in order."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.transport: asyncio.Transport | None = None
        self._late: deque[bytes] = deque()
        self._early: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        for data in self._early:
            self.transport.write(data)
        self._early.clear()

    def send(self, data: bytes, delay: float, *, sliced: bool) -> None:
        if not delay and not sliced and not self._late:
            self._write(data)
            return
        size = max(1, len(data) // _SLICES) if sliced else len(data)
        for at in range(0, len(data), size):
            self._late.append(data[at : at + size])
            self._loop.call_later(delay, self._leave)
            delay += SLICE_SECONDS if sliced else 0.0

    def hang_up(self) -> None:
        """After what was written."""
        if self.transport is not None:
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.pair.reset()

    def pause_writing(self) -> None:
        self._of_other("pause_reading")

    def resume_writing(self) -> None:
        self._of_other("resume_reading")

    def _of_other(self, act: str) -> None:
        other = self.pair.server if self is self.pair.client else self.pair.client
        if other.transport is not None and not other.transport.is_closing():
            getattr(other.transport, act)()

    def _leave(self) -> None:
        if self._late:
            self._write(self._late.popleft())

    def _write(self, data: bytes) -> None:
        if self.transport is None:
            self._early.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)


class _ClientEnd(_End):
    _dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        gate = self.pair.gate
        gate.connections += 1
        gate.pairs.add(self.pair)
        if gate.hole:
            self.pair.dead = True
        else:
            self._dialling = self._loop.create_task(self.pair.dial())

    def data_received(self, data: bytes) -> None:
        self.pair.asked(data)


class _ServerEnd(_End):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.pair not in self.pair.gate.pairs:  # the client is gone already
            transport.abort()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.pair.answered(data)
