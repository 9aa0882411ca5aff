"""Store: sends calls, and stands between them and an unreliable world: connects, repeats, gives up in time."""

import asyncio
import contextlib
import functools
import logging
import re
from typing import Any, Final, TypeVar

from barq.clock import Clock
from barq.errors import (
    BarqError,
    InvalidValue,
    PermissionDenied,
    QueueFull,
    ServerError,
    ServerUnreachable,
    ServerUnsuitable,
)
from barq.protocol.call import Call
from barq.protocol.scripts import Script
from barq.store.allowed import allow, denied, lacks
from barq.store.connect import allowing, checked, connect, parse_info, reason
from barq.store.link import ANSWER_SECONDS, Link, LinkLost
from barq.store.target import Target
from barq.store.vote import Address, named

R = TypeVar("R")
log = logging.getLogger("barq.store")

FIRST_WAIT: Final = 0.2
WAIT_GROWS: Final = 1.7
LONGEST_WAIT: Final = 2.0
LONGEST_WAIT_SEARCHED: Final = 0.4
_SAID_EVERY: Final = 10  # such attempts

_PASSING = ("LOADING", "BUSY ", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "UNBLOCKED")
# redis-py takes the code off the message where it has a class for it
_PASSING_CLASSES = (
    "BusyLoadingError",
    "ClusterDownError",
    "MasterDownError",
    "MovedError",
    "ReadOnlyError",
    "TryAgainError",
    "AskError",
)
# the slot is on its way to another node: this one says so when it is there
_STAYS = ("AskError", "TryAgainError")
_IN_SCRIPT = re.compile("ACL failure in script|user executing the script")
_FORBIDDEN = ("NOAUTH", "WRONGPASS", "NOPERM")


class Store:
    """One server, one connection made when it is first needed and again when it is lost. Belongs to one event loop.

    `timeout` (seconds) bounds every call with all its repeats; None waits for the server for ever.
    """

    def __init__(self, target: Target, clock: Clock, *, timeout: float | None) -> None:
        self.target = target
        self.connections = 0  # made so far; a reader compares it to learn that it may have missed something
        self._clock = clock
        self._timeout = timeout
        self._link: Link | None = None
        self._connecting: asyncio.Task[Link] | None = None
        self._failures = 0
        self._prefix = b""
        self._lookout: asyncio.Task[None] | None = None

    async def send(self, call: Call[R], *, may_block: float = 0.0, timeout: float | None = -1) -> R:
        """Send a call until it is answered. Raises ServerUnreachable, or what the server's refusal means.

        `may_block`: seconds the server may hold the answer back. `timeout`: other than the store's own.
        """
        bound = self._timeout if timeout == -1 else timeout
        deadline = None if bound is None else asyncio.get_running_loop().time() + bound
        while True:
            sent = False
            try:
                link = self._link
                if link is None or link.lost:
                    self._prefix = self._prefix or call.prefix
                    link = await self._connected(deadline, bound)
                sent = True
                if call.script is not None and (begins := link.ready.get(call.script.sha)):
                    answer = link.call(*begins, call.prefix, *call.args, may_block=may_block, at_once=call.is_batch)
                    reply = await (answer if deadline is None else _by(deadline, answer))
                else:
                    reply = await self._run(link, call, may_block, deadline)
            except (LinkLost, TimeoutError) as error:
                trouble: Exception = error
            except BarqError:
                raise
            except Exception as error:
                if call.script is not None and link is not None and _no_script(error):
                    link.forget(call.script.sha)
                    continue
                if link is not None and _IN_SCRIPT.search(_text(error)):
                    link.denied = None  # rights were taken away meanwhile
                trouble = self._passing(error)
                await self._look_elsewhere(link, error)
                await asyncio.sleep(FIRST_WAIT)
            else:
                self._failures = 0
                return call.decode(reply)
            if deadline is not None and asyncio.get_running_loop().time() >= deadline:
                raise self._unreachable(bound, trouble) from trouble
            if sent:
                call = call.again()

    async def prepare(self, call: Call[Any]) -> None:
        """Connect, and ask for the rights that a call needs, so that `send` writes it without a question before it."""
        with contextlib.suppress(LinkLost):  # then `send` does both
            link = await self._connected(None)
            if call.script is not None and lacks(link, call.script):
                await self._allow(link, call, 0.0, None)

    @property
    def connected(self) -> bool:
        return self._link is not None and not self._link.lost

    async def client_id(self) -> int:
        """The server's number of this connection, for CLIENT UNBLOCK."""
        return (await self._connected(None)).server.client_id

    async def check(self) -> None:
        """Look again whether the server is fit for jobs. Raises ServerUnsuitable."""
        info = await self.send(Call(None, b"", (b"INFO",), parse_info))
        checked(info, self.target, client_id=0)

    async def close(self) -> None:
        """Close the connection. The store connects again when it is used again."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._link is not None:
            await self._link.close()
            self._link = None
        while self._lookout is not None and not self._lookout.done():  # one cancel is not always enough on Python 3.11
            self._lookout.cancel()
            await asyncio.wait([self._lookout], timeout=0.1)

    async def _allow(self, link: Link, call: Call[Any], may_block: float, deadline: float | None) -> None:
        by = functools.partial(_by, deadline)
        await allow(link, call, f"the server at {self.target.shown}", may_block=may_block, by=by)

    async def _run(self, link: Link, call: Call[Any], may_block: float, deadline: float | None) -> Any:
        if call.script is None:
            return await _by(deadline, link.call(*call.args, may_block=may_block))
        if lacks(link, call.script):
            await self._allow(link, call, may_block, deadline)
        # Whole when a link first uses it: had the server to ask for it, later calls would overtake this one.
        first, modern = call.script.sha not in link.scripts, link.server.takes_shebang
        link.scripts.add(call.script.sha)
        link.ready[call.script.sha] = _begins(call.script, modern)
        begins = _begins(call.script, modern, whole=first)
        return await _by(deadline, link.call(*begins, call.prefix, *call.args, may_block=may_block))

    async def _connected(self, deadline: float | None, bound: float | None = None) -> Link:
        """The link, made by one attempt that all callers share."""
        loop = asyncio.get_running_loop()
        while True:
            if self._link is not None and not self._link.lost:
                return self._link
            if self._connecting is None or self._connecting.done():
                self._connecting = loop.create_task(self._connect(), name="barq connect")
                self._connecting.add_done_callback(seen)
            attempt = self._connecting
            left = None if deadline is None else max(0.0, deadline - loop.time())
            done, _ = await asyncio.wait([attempt], timeout=left)
            if not done:
                raise self._unreachable(bound, None)
            error = None if attempt.cancelled() else attempt.exception()
            if isinstance(error, InvalidValue) or (isinstance(error, BarqError) and not self._may_pass(error)):
                raise error
            if error is not None and deadline is not None and loop.time() >= deadline:
                raise self._unreachable(bound, error) from error

    async def _look_elsewhere(self, link: Link | None, error: Exception) -> None:
        """Leave a server that is no primary any more, or may not be."""
        kind = type(error).__name__
        if link is not None and (kind == "ReadOnlyError" or (self.target.searched and kind not in _STAYS)):
            self.target.moved(error)
            await link.close()

    def _may_pass(self, error: BarqError) -> bool:
        """Once it was fit, a server that is a replica or refuses us is in the middle of a failover or a change."""
        return self.connections > 0 and isinstance(error, ServerUnsuitable | PermissionDenied)

    async def _connect(self) -> Link:
        if self._failures:
            await asyncio.sleep(self._wait_seconds())
        try:
            connection, server = await connect(self.target)
        except Exception as error:
            self._failures += 1
            self._last_error = error
            often = self.target.searched and self._failures % _SAID_EVERY != 1
            level = logging.DEBUG if often else logging.WARNING
            log.log(level, "not connected to the server at %s: %s", self.target.shown, reason(error))
            raise
        if self.connections or self._failures:
            found = f" ({named([_address(connection)])})" if self.target.searched else ""
            log.info("connected to the server at %s%s", self.target.shown, found)
        # until it has answered a call the connection proves nothing: while loading, a server drops one after the other
        self._failures = max(1, self._failures) if self.connections else 0
        self.connections += 1
        answer_seconds = ANSWER_SECONDS if self._timeout is None else min(ANSWER_SECONDS, self._timeout)
        link = Link(connection, server, answer_seconds=answer_seconds)
        try:
            link.denied = await denied(link, self._prefix)
        except BaseException:  # cancelled
            await link.close()
            raise
        self._link = link
        if self.target.sentinels is not None:
            if self._lookout is not None:
                self._lookout.cancel()
            lookout = self._leave_when_replaced(link, _address(connection))
            self._lookout = asyncio.get_running_loop().create_task(lookout, name="barq lookout")
        return link

    async def _leave_when_replaced(self, link: Link, address: Address) -> None:
        assert self.target.sentinels is not None
        await self.target.sentinels.replaced(address)
        log.info("%s is no longer the primary of %s", named([address]), self.target.shown)
        await link.close()

    def _wait_seconds(self) -> float:
        longest = LONGEST_WAIT_SEARCHED if self.target.searched else LONGEST_WAIT
        wait = min(longest, FIRST_WAIT * WAIT_GROWS ** min(self._failures - 1, 10))
        return wait * (0.9 + 0.2 * self._clock.random())

    _last_error: BaseException | None = None

    def _unreachable(self, bound: float | None, error: BaseException | None) -> ServerUnreachable:
        trouble = error or self._last_error
        return ServerUnreachable(
            f"no answer from the server at {self.target.shown} within {round(bound or 0, 2):g} s"
            f"{f' ({reason(trouble)})' if trouble else ''}"
            f"{'' if self.target.searched else ': is it running? `barq server` starts one'}"
        )

    def _passing(self, error: Exception) -> Exception:
        """Return the error if trying again may mend it, else raise what it means."""
        text = _text(error)
        where = f"the server at {self.target.shown}"
        if text.startswith(_PASSING) or type(error).__name__ in _PASSING_CLASSES:
            return error
        if type(error).__name__ == "OutOfMemoryError" or text.startswith(("OOM", "-OOM")) or "maxmemory" in text:
            raise QueueFull(f"{where} has no memory left: nothing was stored ({text})") from error
        forbidden = text.startswith(_FORBIDDEN) or _IN_SCRIPT.search(text)
        if forbidden or type(error).__name__ in ("NoPermissionError", "AuthenticationError"):
            raise PermissionDenied(f"{where} refused: {allowing(text)}") from error
        raise ServerError(f"{where} answered with an error: {text}") from error


async def _by(deadline: float | None, answer: "asyncio.Future[Any]") -> Any:
    """The answer, or TimeoutError. asyncio.timeout costs more, and works in tasks only."""
    if deadline is None:
        return await answer
    timer = answer.get_loop().call_at(deadline, _late, answer)
    try:
        return await answer
    finally:
        timer.cancel()


def _late(answer: "asyncio.Future[Any]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _begins(script: Script, modern: bool, *, whole: bool = False) -> tuple[bytes, bytes, bytes]:
    """A command that runs a script, before its key and arguments. Who may only read needs no right to run what writes."""
    only_reads = b"_RO" if modern and not script.writes else b""
    if whole:
        return b"EVAL" + only_reads, script.source if modern else script.plain_source, b"1"
    return b"EVALSHA" + only_reads, script.sha if modern else script.plain_sha, b"1"


def _no_script(error: Exception) -> bool:
    return type(error).__name__ == "NoScriptError" or str(error).startswith("NOSCRIPT")


def seen(attempt: "asyncio.Task[Any]") -> None:
    """Who waited for it may be gone; its error was logged already."""
    if not attempt.cancelled():
        attempt.exception()


def _address(connection: Any) -> Address:
    return getattr(connection, "host", ""), getattr(connection, "port", 0)


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
