"""Dial: from a URL to one blocking connection that has signed in, for `barq ping` and `barq cli`. See connect.py for jobs."""

import socket
import ssl
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from barq.store import embedded
from barq.store.talk import Wire, named


def dial(url: str, *, timeout: float, start: bool = False) -> Wire:
    """Connect and sign in. `start`: also start the bundled server that an embedded: URL names, where it does not run.

    Raises ValueError for a URL that is none, OSError without an answer within `timeout` seconds, ServerError when
    refused, EmbeddedServerError when the bundled server can't be started.
    """
    wire = _embedded(url, timeout, start=start) if url.startswith("embedded:") else _dial(url, timeout)
    try:
        if login := _login(url):
            wire.ask("AUTH", *login)
    except BaseException:
        wire.close()
        raise
    return wire


def database(url: str) -> int:
    """The number of the database that a URL names, 0 without one. Raises ValueError when that is no number."""
    parts = urlsplit(url)
    by_path = parts.path.strip("/") if parts.scheme not in ("unix", "embedded") else ""
    text = _query(url).get("db") or by_path or "0"
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"its path must be the number of a database, got {text!r}")
    return int(text)


def shown(url: str) -> str:
    """The URL without its password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}".partition("?")[0]


def _dial(url: str, timeout: float) -> Wire:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 6379
    match parts.scheme:
        case "redis" | "valkey":
            return Wire.dial(host, port, timeout=timeout)
        case "rediss" | "valkeys":
            return Wire(_encrypted(host, port, _query(url), timeout), named(host, port))
        case "unix":
            return Wire.dial_path(unquote(parts.path), timeout=timeout)
    raise ValueError("it begins with none of redis:// valkey:// rediss:// unix:// embedded:")


def _embedded(url: str, timeout: float, *, start: bool) -> Wire:
    text = url.removeprefix("embedded:").removeprefix("//")
    folder = Path(text) if text else embedded.default_folder()
    address = embedded.ensure(folder) if start else embedded.running(folder)
    if address is None:
        raise ConnectionError(f"no bundled server runs with data in {folder}")
    return Wire.dial(address.host, address.port, timeout=timeout)


def _login(url: str) -> list[str]:
    """User, if one is named, and password."""
    parts, query = urlsplit(url), _query(url)
    user = unquote(parts.username or "") or query.get("username", "")
    password = unquote(parts.password or "") or query.get("password", "")
    return [word for word in (user, password) if word] if password else []


def _query(url: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}


def _encrypted(host: str, port: int, query: dict[str, str], timeout: float) -> socket.socket:
    context = ssl.create_default_context(cafile=query.get("ssl_ca_certs"))
    if query.get("ssl_check_hostname", "").lower() == "false" or query.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
    if query.get("ssl_cert_reqs") == "none":
        context.verify_mode = ssl.CERT_NONE
    if certificate := query.get("ssl_certfile"):
        context.load_cert_chain(certificate, query.get("ssl_keyfile"))
    plain = socket.create_connection((host, port), timeout)
    return context.wrap_socket(plain, server_hostname=host)
