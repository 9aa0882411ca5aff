"""Access: who may come in. The host and origin of a request, its token or the hook of an application, read-only mode."""

import base64
import binascii
import inspect
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from barq.errors import InvalidType, InvalidValue
from barq.http.problems import Refused

SHORTEST_TOKEN: Final = 16
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE: Final = {
    "WWW-Authenticate": 'Basic realm="barq", charset="UTF-8"'
}  # a second one in it and Chromium does not ask


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who makes a request, as acts are recorded, and whether they may change anything."""

    name: str
    read_only: bool = False


Auth = Callable[[HTTPConnection], Visitor | Awaitable[Visitor | None] | None]
"""A hook of the application: who is it? None refuses."""

LOCAL: Final = Visitor("local")


def by_token(token: str) -> Auth:
    """Who knows the token comes in: `Authorization: Bearer TOKEN`, or as the password of Basic with any name."""
    if not isinstance(token, str):
        raise InvalidType(f"token must be a str, got {type(token).__name__}")
    if len(token) < SHORTEST_TOKEN or not token.isascii() or any(char <= " " for char in token):
        raise InvalidValue(
            f"token must have at least {SHORTEST_TOKEN} ASCII characters without spaces, got {len(token)}: "
            "python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
        )
    expected = token.encode()

    def check(connection: HTTPConnection) -> Visitor | None:
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        name, said = "token", given.strip()
        if scheme.lower() == "basic":
            name, said = _basic(said)
        elif scheme.lower() != "bearer":
            return None
        return Visitor(name or "token") if secrets.compare_digest(said.encode(), expected) else None

    return check


def _basic(given: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return "".join(char for char in name if char.isprintable())[:200], password


class Access:
    """The rules of one application. Without a token or a hook only this machine comes in, under a local name.

    `hosts`: names under which it may be called (None: local names; any with a token or hook). `origins`: pages of other
    hosts that may call it, such as "https://ops.example.org".
    """

    def __init__(
        self,
        *,
        auth: Auth | None,
        read_only: bool,
        hosts: Collection[str] | None,
        origins: Collection[str],
    ) -> None:
        for option, words in (("hosts", hosts or ()), ("origins", origins)):
            if isinstance(words, str) or not all(isinstance(word, str) for word in words):
                raise InvalidType(f"{option} must be a list of names, got {words!r}")
        self.auth = auth
        self._read_only = read_only
        self._hosts = None if hosts is None else {_host_name(host) for host in hosts}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    async def check(self, connection: HTTPConnection) -> Visitor:
        """Who it is. Raises Refused."""
        headers = connection.headers
        self._check_host(headers.get("host", ""))
        self._check_origin(headers)
        visitor = self._local(connection) if self.auth is None else await self._known(connection)
        if self._read_only:
            visitor = replace(visitor, read_only=True)
        if visitor.read_only and connection.scope["method"] not in SAFE_METHODS:
            raise Refused(403, "read-only", "nothing can be changed here: it is in read-only mode, for you at least")
        return visitor

    def _check_host(self, host: str) -> None:
        name = _host_name(host)
        allowed = name in self._hosts if self._hosts is not None else self.auth is not None or is_local(name)
        if not allowed:
            raise Refused(
                403, "host-refused", f"it is not called {name or 'nothing'} here: name the hosts it has with hosts=[…]"
            )

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or origin.lower().rstrip("/") in self._origins:
            return
        if urlsplit(origin).netloc.lower() != headers.get("host", "").lower() or origin == "null":
            raise Refused(403, "origin-refused", "a page of another origin may not call it: name it with origins=[…]")

    def _local(self, connection: HTTPConnection) -> Visitor:
        forwarded = "forwarded" in connection.headers or "x-forwarded-for" in connection.headers
        if forwarded or connection.client is None or not is_local(connection.client.host):
            raise Refused(
                403,
                "local-only",
                "without a token or an auth hook it is for this machine alone, and not behind a proxy",
            )
        return LOCAL

    async def _known(self, connection: HTTPConnection) -> Visitor:
        assert self.auth is not None
        answer = self.auth(connection)
        visitor = await answer if inspect.isawaitable(answer) else answer
        if visitor is None:
            raise Refused(401, "unauthorized", "a token is needed, or another one", headers=_CHALLENGE)
        if not isinstance(visitor, Visitor):
            raise TypeError(f"an auth hook must return a barq.http.Visitor or None, got {visitor!r:.80}")
        return visitor


def _host_name(host: str) -> str:
    """A Host header without its port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0].removeprefix("[")
    return name.rpartition(":")[0] if name.count(":") == 1 else name


def is_local(name: str) -> bool:
    """Whether an address or name is this machine's own, whoever resolves it."""
    plain = name.rstrip(".")
    if plain == "localhost" or plain.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
