"""A TCP proxy in front of the server, whose faults a test switches on and off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """Passes bytes between clients and the server.

    `deaf`: accepts and reads, but nothing reaches the server (a black hole). `mute`: what the server says is dropped.
    `delay`: seconds before an answer is passed on. `cut_answers_at`: so many bytes of an answer pass, then it hangs up.
    """

    def __init__(self, server_port: int) -> None:
        self.deaf = False
        self.mute = False
        self.delay = 0.0
        self.cut_answers_at: int | None = None
        self.connections = 0
        self._server_port = server_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._accepting: set[asyncio.Task[None]] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._dropped = asyncio.Event()
        self._listener: asyncio.Server

    @property
    def port(self) -> int:
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "Proxy":
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await asyncio.sleep(0.01)  # in which what it accepted last reaches us
        await asyncio.gather(*self._accepting, return_exceptions=True)
        self.reset()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await asyncio.sleep(0)  # in which the transports close

    def reset(self) -> None:
        """Hang up on everybody, without a goodbye."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def dropped(self) -> None:
        """Wait until an answer of the server was dropped: the call has run, and nobody knows."""
        self._dropped.clear()
        await asyncio.wait_for(self._dropped.wait(), 15)

    @contextlib.asynccontextmanager
    async def losing_answers(self) -> AsyncIterator[None]:
        """Inside the block answers are dropped; at its end the connections are reset, so that everybody notices."""
        self.mute = True
        try:
            yield
        finally:
            self.mute = False
            self.reset()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._accept(reader, writer))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, up_writer}
        if not self._listener.is_serving():
            writer.transport.abort()
            up_writer.transport.abort()
            return
        for pump in (self._to_server(reader, up_writer), self._to_client(up_reader, writer)):
            task = asyncio.create_task(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _to_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not self.deaf:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()

    async def _to_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.mute:
                    self._dropped.set()
                    continue
                if self.cut_answers_at is not None:
                    writer.write(data[: self.cut_answers_at])
                    await writer.drain()
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
