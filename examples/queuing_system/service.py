"""What the HTTP services share: endpoints that return values, answers that are always JSON, a page. serve.py runs them."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from openapi import KEY, document_of
from shared_redis import RedisAway
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import barq

Endpoint = Callable[..., Awaitable[Any]]

LARGEST_BODY = 1024 * 1024


class Status(msgspec.Struct):
    """What became of a request."""

    status: str


class Error(msgspec.Struct):
    """What is wrong with a request."""

    error: str


def service(
    title: str,
    endpoints: Mapping[str, Endpoint],
    *,
    lifespan: Any,
    wrong: type[Status | Error] = Status,
    page: Path | None = None,
) -> Starlette:
    """An application: `GET /list_products` and so on with their endpoints, the document at /openapi.json, the page at /.

    An endpoint gets the request; its Idempotency-Key if it has an argument `key`, and what was sent, checked against the
    annotation, if it has an argument `body`. What is `wrong` with a request is answered as a Status or an Error.
    """
    routes = [always("/openapi.json", answer(document_of(title, endpoints, wrong)))]
    for place, endpoint in endpoints.items():
        method, path = place.split(" ")
        routes.append(Route(path, Answering(endpoint), methods=[method]))
    if page is not None:
        routes.append(always("/", html(page.read_text())))
    app = Starlette(routes=routes, exception_handlers=handlers(wrong), lifespan=lifespan)
    app.router.redirect_slashes = False  # /list_products/ is not found, and that in JSON
    app.state.wrong = wrong
    return app


class Answering:
    """A route: reads what its endpoint needs, and sends what it returns as JSON.

    It speaks ASGI by itself: Starlette's way for functions wraps each request once more, and encodes the headers anew.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        types = get_type_hints(endpoint)
        self.keyed = "key" in types
        self.body = types.get("body")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            if self.keyed:
                value = await self.endpoint(request, idempotency_key(request))
            elif self.body is not None:
                value = await self.endpoint(request, await body_of(request, self.body))
            else:
                value = await self.endpoint(request)
        except asyncio.CancelledError:  # the service is told to end, and has waited for this long enough
            raise HTTPException(503) from None
        body = msgspec.json.encode(value)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def always(path: str, response: Response) -> Route:
    async def show(_: Request) -> Response:
        return response

    return Route(path, show)


# ---- what is asked


def idempotency_key(request: Request) -> str | None:
    """Who got no answer asks again with the same key, and gets no second reservation."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(KEY, key):
        raise HTTPException(400, "Idempotency-Key must have 1 to 100 characters, all of them visible ASCII")
    return key


async def body_of(request: Request, type_: Any) -> Any:
    """What was sent, checked against a type."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"A body must have at most {LARGEST_BODY} bytes")
    try:
        return msgspec.json.decode(body, type=type_)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, f"The body is wrong: {error}") from None


# ---- what is answered


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


def handlers(wrong: type[Status | Error]) -> Any:
    """How each kind of error is answered."""

    async def refused(_: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        said = phrase.capitalize() if error.detail == phrase else error.detail
        return answer(wrong(said), error.status_code, error.headers)

    async def away(_: Request, _error: Exception) -> Response:
        return answer(wrong("Service unavailable"), 503, {"Retry-After": "1"})

    async def hung_up(_: Request, _error: ClientDisconnect) -> Response:
        return answer(wrong("Bad request"), 400)  # which nobody hears

    async def broken(_: Request, _error: Exception) -> Response:
        # with the header that uvicorn sends after an error
        return answer(wrong("Internal server error"), 500, {"Connection": "close"})

    return {
        HTTPException: refused,
        RedisAway: away,
        barq.ServerUnreachable: away,
        ClientDisconnect: hung_up,
        Exception: broken,
    }
