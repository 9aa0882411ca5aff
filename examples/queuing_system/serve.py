"""How the HTTP services run: their options, uvicorn, and their end."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from typing import Any, NoReturn

import msgspec
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SECONDS_TO_END = 1


def options(description: str | None, *, port: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=os.environ.get("PORT", str(port)), help=f"(default PORT, or {port})"
    )
    return parser


def serve(app: Starlette, *, host: str, port: int) -> NoReturn:
    """Answer until Ctrl-C or SIGTERM; what is under way then has a second to end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.freeze()
    gc.set_threshold(20_000)  # a request leaves little to collect: to look for it as often as usual costs a fifth
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=JsonProtocol,
        ws="none",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )
    sys.exit()


class JsonProtocol(HttpToolsProtocol):
    """Sends head and body together, and says in JSON, too, that what it got is not HTTP."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(OneWrite(transport))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        app: Any = self.config.app
        body = msgspec.json.encode(app.state.wrong("Bad request"))
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + body)
        self.transport.close()


class OneWrite:
    """A transport that writes at the end of the loop's turn: a system call for an answer, where uvicorn makes two."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []
        self._call_soon = asyncio.get_running_loop().call_soon

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, part: bytes) -> None:
        if not self._parts:
            self._call_soon(self._flush)
        self._parts.append(part)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()
