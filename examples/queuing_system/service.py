"""What the HTTP services share: endpoints that return values, answers that are always JSON, a page, a way to end."""

import argparse
import asyncio
import base64
import gc
import hashlib
import inspect
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import uvicorn
from openapi import KEY, document_of
from shared_redis import RedisAway
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import barq

Endpoint = Callable[..., Awaitable[Any]]

SECONDS_TO_END = 1


class Status(msgspec.Struct):
    """What became of a request."""

    status: str


def service(title: str, endpoints: Mapping[str, Endpoint], *, page: Path, lifespan: Any = None) -> Starlette:
    """An application: for each path what its endpoint returns, the page at /, the document at /openapi.json.

    An endpoint gets the request, and the request's Idempotency-Key if it has an argument `key`.
    """
    document, shown = answer(document_of(title, endpoints, Status)), html(page.read_text())

    async def show_document(_: Request) -> Response:
        return document

    async def show_page(_: Request) -> Response:
        return shown

    app = Starlette(
        routes=[
            *(Route(path, answering(endpoint)) for path, endpoint in endpoints.items()),
            Route("/openapi.json", show_document),
            Route("/", show_page),
        ],
        exception_handlers={
            HTTPException: refused,
            RedisAway: away,
            barq.ServerUnreachable: away,
            Exception: broken,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # /list_products/ is not found, and that in JSON
    return app


def answering(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    keyed = "key" in inspect.signature(endpoint).parameters

    async def respond(request: Request) -> Response:
        try:
            return answer(await (endpoint(request, idempotency_key(request)) if keyed else endpoint(request)))
        except asyncio.CancelledError:  # the service is told to end, and has waited for this long enough
            raise HTTPException(503) from None

    return respond


def idempotency_key(request: Request) -> str | None:
    """Who got no answer asks again with the same key, and gets no second reservation."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(KEY, key):
        raise HTTPException(400, "Idempotency-Key must have 1 to 100 characters, all of them visible ASCII")
    return key


def answer(value: object, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as compact JSON."""
    return Response(msgspec.json.encode(value), code, headers, "application/json")


def html(text: str) -> Response:
    """A page that may run and fetch nothing but what is its own."""
    hashes = {
        tag: " ".join(f"'sha256-{sha256(block)}'" for block in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL))
        for tag in ("style", "script")
    }
    policy = (
        f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(
        text, headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"}, media_type="text/html"
    )


def sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# ---- what goes wrong


async def refused(_: Request, error: HTTPException) -> Response:
    phrase = HTTPStatus(error.status_code).phrase
    return answer(
        Status(phrase.capitalize() if error.detail == phrase else error.detail), error.status_code, error.headers
    )


async def away(_: Request, _error: Exception) -> Response:
    return answer(Status("Service unavailable"), 503, {"Retry-After": "1"})


async def broken(_: Request, _error: Exception) -> Response:
    return answer(Status("Internal server error"), 500, {"Connection": "close"})  # as uvicorn does after an error


class JsonProtocol(HttpToolsProtocol):
    """Says in JSON, too, that what it got is not HTTP."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        body = msgspec.json.encode(Status("Bad request"))
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + body)
        self.transport.close()


# ---- the process


def options(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=os.environ.get("PORT", "1245"), help="(default PORT, or 1245)")
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
