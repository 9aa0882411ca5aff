"""Link: one connection with many calls in flight. A lone call leaves at once, others with all those of their turn of the
loop in one write; replies come in order."""

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

import hiredis

from barq.aio import cancelled, start
from barq.store.connect import Server

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

ANSWER_SECONDS = 5.0


class LinkLost(ConnectionError):
    """The connection is gone. Calls without an answer may or may not have run."""


class Link:
    """A multiplexer over redis-py's connection. A call whose answer does not come within `answer_seconds` ends the link."""

    def __init__(
        self, connection: "AbstractConnection", server: Server, *, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self.server = server
        self.scripts: set[bytes] = set()
        """Hashes of the scripts that were sent whole; the server knows them from then on."""
        self._connection = connection
        self._answer_seconds = answer_seconds
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._unanswered: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._lost: BaseException | None = None
        self._reader = self._loop.create_task(self._read(), name="barq link reader")
        self._writer: asyncio.Task[None] | None = None  # only while the connection takes no more
        self._scheduled = False
        self._watchdog = self._loop.call_later(answer_seconds / 4, self._watch)

    @property
    def lost(self) -> bool:
        return self._lost is not None

    def call(self, *command: bytes, may_block: float = 0.0) -> "asyncio.Future[Any]":
        """Send a command. The future gets its reply, an error reply of the server as an exception, or LinkLost.

        `may_block` is how long (seconds) the server itself may hold the answer back.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._lost is not None:
            future.set_exception(LinkLost(str(self._lost)))
            return future
        self._unanswered.append((future, self._loop.time() + self._answer_seconds + may_block))
        self._out.append(hiredis.pack_command(command))  # type: ignore[arg-type]
        if len(self._unanswered) == 1 and not may_block:
            self.flush()  # a lone call: nothing to wait for
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)
        return future

    def flush(self) -> None:
        """Write what waits, now instead of at the end of this turn of the loop."""
        if self._out and self._writer is None and self._lost is None:
            self._writer = start(self._write(), name="barq link writer")
        self._scheduled = False

    async def close(self) -> None:
        """End the link; calls in flight get LinkLost."""
        self._break(LinkLost("the link was closed"))
        await cancelled([task for task in (self._reader, self._writer) if task is not None])
        await self._hang_up()

    async def _write(self) -> None:
        try:
            while self._out:
                out, self._out = self._out, []
                await self._connection.send_packed_command(out, check_health=False)
        except Exception as error:
            self._break(error)  # cancels the reader, which hangs up
        finally:
            self._writer = None

    async def _read(self) -> None:
        from redis.exceptions import ResponseError

        read_response, unanswered = self._connection.read_response, self._unanswered
        try:
            while True:
                try:
                    reply = await read_response(disable_decoding=True)
                except ResponseError as error:
                    future, _ = unanswered.popleft()
                    if not future.done():
                        future.set_exception(error)
                else:
                    future, _ = unanswered.popleft()
                    if not future.done():
                        future.set_result(reply)
        except Exception as error:  # besides redis-py's own, RuntimeError and AttributeError leak from the transport
            self._break(error)
        except asyncio.CancelledError:  # the loop ends without a close()
            self._break(LinkLost("the loop ended"))
            await self._hang_up()
            raise

    def _watch(self) -> None:
        if self._lost is not None:
            return
        if self._unanswered and self._unanswered[0][1] < self._loop.time():
            self._break(LinkLost(f"no answer for {self._answer_seconds:g} s"))
            return
        self._watchdog = self._loop.call_later(self._answer_seconds / 4, self._watch)

    def _break(self, error: BaseException) -> None:
        if self._lost is not None:
            return
        self._lost = error
        self._watchdog.cancel()
        self._reader.cancel()
        if self._writer is not None:
            self._writer.cancel()
        while self._unanswered:
            future, _ = self._unanswered.popleft()
            if not future.done():
                future.set_exception(LinkLost(str(error) or type(error).__name__))

    async def _hang_up(self) -> None:
        with contextlib.suppress(Exception):  # it is broken: nothing to learn from how it closes
            await self._connection.disconnect(nowait=True)
