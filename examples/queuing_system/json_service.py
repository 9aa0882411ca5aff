"""What the tutorial's HTTP services share: endpoints that return values, answers that are always JSON, an OpenAPI document."""

import argparse
import inspect
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar, get_type_hints

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import barq

T = TypeVar("T")
Endpoint = Callable[..., Awaitable[Any]]

LARGEST_BODY = 1024 * 1024
SECONDS_TO_END = 1


class Error(msgspec.Struct):
    """What is wrong with a request."""

    error: str


def service(title: str, endpoints: Mapping[str, Endpoint], *, lifespan: Any) -> Starlette:
    """An application: `POST /set` and so on with their endpoints, and the document at /openapi.json.

    An endpoint gets the request, and what was sent if it has an argument `body`.
    """
    document = answer(document_of(title, endpoints))

    async def show_document(_: Request) -> Response:
        return document

    routes = [Route("/openapi.json", show_document)]
    for place, endpoint in endpoints.items():
        method, path = place.split(" ")
        routes.append(Route(path, answering(endpoint), methods=[method]))
    handlers: Any = {
        HTTPException: refused,
        barq.ServerUnreachable: away,
        ClientDisconnect: hung_up,
        Exception: broken,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False  # /set/ is not found, and that in JSON
    return app


def answering(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    wanted = get_type_hints(endpoint).get("body")

    async def respond(request: Request) -> Response:
        if wanted is None:
            return answer(await endpoint(request))
        return answer(await endpoint(request, await body_of(request, wanted)))

    return respond


async def body_of(request: Request, type_: type[T]) -> T:
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


def answer(value: object, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as compact JSON."""
    return Response(msgspec.json.encode(value), code, headers, "application/json")


# ---- what goes wrong


async def refused(_: Request, why: HTTPException) -> Response:
    phrase = HTTPStatus(why.status_code).phrase
    said = phrase.capitalize() if why.detail == phrase else why.detail
    return answer(Error(said), why.status_code, why.headers)


async def away(_: Request, _why: Exception) -> Response:
    return answer(Error("Service unavailable"), 503, {"Retry-After": "1"})


async def broken(_: Request, _why: Exception) -> Response:
    return answer(Error("Internal server error"), 500, {"Connection": "close"})  # as uvicorn does after an error


async def hung_up(_: Request, _why: ClientDisconnect) -> Response:
    return answer(Error("Bad request"), 400)  # which nobody hears


class JsonProtocol(HttpToolsProtocol):
    """Says in JSON, too, that what it got is not HTTP."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        body = msgspec.json.encode(Error("Bad request"))
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + body)
        self.transport.close()


# ---- the OpenAPI document, from annotations


def document_of(title: str, endpoints: Mapping[str, Endpoint]) -> dict[str, Any]:
    components: dict[str, Any] = {}

    def content(type_: Any) -> dict[str, Any]:
        (schema,), parts = msgspec.json.schema_components([type_], ref_template="#/components/schemas/{name}")
        components.update(parts)
        return {"content": {"application/json": {"schema": schema}}}

    paths: dict[str, dict[str, Any]] = {}
    for place, endpoint in endpoints.items():
        method, path = re.sub(r":\w+}", "}", place).split(" ")
        types = get_type_hints(endpoint)
        paths.setdefault(path, {})[method.lower()] = {
            "summary": inspect.getdoc(endpoint),
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in re.findall(r"{(\w+)}", path)
            ],
            **({"requestBody": {"required": True, **content(types["body"])}} if "body" in types else {}),
            "responses": {
                "200": {"description": "The answer", **content(types["return"])},
                "default": {"description": "Something is wrong, and what", **content(Error)},
            },
        }
    info = {"title": title, "version": barq.__version__}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": components}}


# ---- the process


def serve(app: Starlette, description: str | None) -> NoReturn:
    """Answer until Ctrl-C or SIGTERM, where --host and --port (or PORT) say; what is under way then has a second to end."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=os.environ.get("PORT", "3000"), help="(default PORT, or 3000)")
    chosen = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    uvicorn.run(
        app,
        host=chosen.host,
        port=chosen.port,
        http=JsonProtocol,
        ws="none",
        access_log=False,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )
    sys.exit()
