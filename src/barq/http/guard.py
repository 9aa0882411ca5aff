"""Guard: what every request passes before it reaches a handler: access, the bounds of its body, headers of the answer."""

import asyncio
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barq.http.access import Access, Visitor
from barq.http.limits import Limits
from barq.http.problems import Refused, response_of

VISITOR: Final = "barq.visitor"
"""Key in the ASGI scope: who was let in."""

OPEN: Final = frozenset({"/health"})
"""Paths for everybody: they tell nothing and change nothing."""

ANYBODY: Final = Visitor("anybody", read_only=True)

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Guard:
    def __init__(self, app: ASGIApp, *, access: Access, limits: Limits) -> None:
        self._app = app
        self._access = access
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        connection = HTTPConnection(scope)
        try:
            scope[VISITOR] = ANYBODY if path_of(scope) in OPEN else await self._access.check(connection)
            if _declared(connection) > self._limits.body:
                raise _too_large(self._limits)
        except Refused as refused:
            await response_of(refused)(scope, receive, send)
        else:
            await self._app(scope, self._bounded(receive), send)

    def _bounded(self, receive: Receive) -> Receive:
        """The same, with the bounds of a body on what it gives until the body has ended."""
        left, ended = self._limits.body, False
        deadline = asyncio.get_running_loop().time() + self._limits.body_seconds

        async def bounded() -> Message:
            nonlocal left, ended
            if ended:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise Refused(408, "body-too-slow", "the body has not arrived in time") from None
            left -= len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if left < 0:
                raise _too_large(self._limits)
            return message

        return bounded


def path_of(scope: Scope) -> str:
    """The path inside of the place where the application is mounted."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def _declared(connection: HTTPConnection) -> int:
    length = connection.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else 0


def _too_large(limits: Limits) -> Refused:
    return Refused(413, "body-too-large", f"a body must have at most {limits.body} bytes")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            named = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(one for one in _HEADERS if one[0] not in named)]
        await send(message)

    return sending
