"""Link: one connection with many calls in flight. A lone call leaves at once, others with all those of their turn of the
loop in one write; replies come in order.

redis-py makes the connection (connect.py); from then on its bytes come here without its streams, which would take two turns
of the loop for each answer.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import hiredis

from barq.aio import Reply, cancelled
from barq.store.connect import Server, handed_over

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

ANSWER_SECONDS = 5.0
_INCOMPLETE: Final = object()
_READ_BYTES: Final = 65_536


class LinkLost(ConnectionError):
    """The connection is gone. Calls without an answer may or may not have run."""


class Link(asyncio.BufferedProtocol):
    """A multiplexer over redis-py's connection. A call whose answer does not come within `answer_seconds` ends the link."""

    def __init__(
        self, connection: "AbstractConnection", server: Server, *, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self.server = server
        self.scripts: set[bytes] = set()
        """Hashes of the scripts that were sent whole; the server knows them from then on."""
        self.ready: dict[bytes, tuple[bytes, bytes, bytes]] = {}
        """Of scripts that were sent whole, and that the user may run: how a command begins that runs one again."""
        self._denied: frozenset[str] | None = None
        self._answer_seconds = answer_seconds
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._unanswered: deque[tuple[Reply, float]] = deque()
        self._lost: BaseException | None = None
        self._full = False  # the connection takes no more for now
        self._scheduled = False
        self._ended = self._loop.create_future()
        self._streams, parse_error = handed_over(connection)
        self._transport = self._streams.transport
        self._streams_protocol = self._transport.get_protocol()
        self._replies = hiredis.Reader(replyError=parse_error, notEnoughData=_INCOMPLETE)
        self._read = bytearray(_READ_BYTES)  # one for all that is read, instead of as much for each time
        self._transport.set_protocol(self)
        self._watchdog = self._loop.call_later(answer_seconds / 4, self._watch)
        self._keeper = self._loop.create_task(self._keep(), name="barq link")

    @property
    def lost(self) -> bool:
        return self._lost is not None

    @property
    def denied(self) -> frozenset[str] | None:
        """Commands that the user may not run (allowed.py); None: that is not known."""
        return self._denied

    @denied.setter
    def denied(self, commands: frozenset[str] | None) -> None:
        self._denied = commands
        self.ready.clear()

    def forget(self, script: bytes) -> None:
        """The server does not know it any more."""
        self.scripts.discard(script)
        self.ready.pop(script, None)

    def call(self, *command: bytes, may_block: float = 0.0, at_once: bool = False) -> Reply:
        """Send a command. The reply gets its reply, an error reply of the server as an exception, or LinkLost.

        `may_block` is how long (seconds) the server itself may hold the answer back. `at_once`: leave before the end of this
        turn of the loop, though others are in flight.
        """
        answer = Reply(loop=self._loop)
        if self._lost is not None:
            answer.set_exception(LinkLost(str(self._lost)))
            return answer
        self._unanswered.append((answer, self._loop.time() + self._answer_seconds + may_block))
        self._out.append(hiredis.pack_command(command))  # type: ignore[arg-type]
        if (at_once or len(self._unanswered) == 1) and not may_block:
            self.flush()  # a lone call: nothing to wait for
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)
        return answer

    def flush(self) -> None:
        """Write what waits."""
        self._scheduled = False
        if self._out and not self._full and self._lost is None:
            out, self._out = self._out, []
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    async def close(self) -> None:
        """End the link; calls in flight get LinkLost."""
        self._break(LinkLost("the link was closed"))
        await cancelled([self._keeper])

    # ---- what the transport says

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        replies, unanswered = self._replies, self._unanswered
        try:
            replies.feed(self._read, 0, nbytes)  # type: ignore[arg-type]
            while (reply := replies.gets()) is not _INCOMPLETE:
                answer, _ = unanswered.popleft()
                if isinstance(reply, Exception):
                    self._refused(answer, reply)
                elif not answer.done():
                    answer.set_result(reply)
        except Exception as error:  # not the protocol, or an answer that nobody asked for
            self._break(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._break(error or LinkLost("Connection closed by server."))
        self._streams_protocol.connection_lost(error)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self.flush()

    def _refused(self, answer: Reply, error: Exception) -> None:
        from redis.exceptions import ResponseError

        if not isinstance(error, ResponseError):  # of the connection: it is loading, say
            self._unanswered.appendleft((answer, 0.0))
            self._break(error)
        elif not answer.done():
            answer.set_exception(error)

    async def _keep(self) -> None:
        """Close the connection when the link is lost, or when the loop ends without a close()."""
        try:
            await self._ended
        finally:
            self._break(LinkLost("the loop ended"))
            if self._transport.get_write_buffer_size():
                self._transport.abort()  # the other side takes nothing any more: a close would wait for it
            else:
                self._transport.close()

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
        if not self._ended.done():
            self._ended.set_result(None)
        while self._unanswered:
            answer, _ = self._unanswered.popleft()
            if not answer.done():
                answer.set_exception(LinkLost(str(error) or type(error).__name__))
