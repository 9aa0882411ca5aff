"""App: the HTTP API with pages before it. A browser that asks for `/` gets the page, a program what the API says there."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from barq import http
from barq.dashboard import files


class PageRoute(Route):
    """Matches only who asks for HTML."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        accept = b",".join(value for name, value in scope.get("headers", ()) if name == b"accept")
        return super().matches(scope) if b"text/html" in accept.lower() else (Match.NONE, {})


def app(queue: Any, **settings: Any) -> Starlette:
    """An ASGI application with the dashboard of a queue, its HTTP API and Kue's, to be served or mounted under any path.

    Takes what barq.http.app takes: `token`, `auth`, `read_only`, `mask`, `hosts`, `origins`, `limits`.
    """
    made = http.app(queue, **settings)
    made.router.routes[:0] = [
        PageRoute("/", _page, methods=["GET"]),
        Route("/static/{version}/{name}", _file, methods=["GET"]),
    ]
    return made


async def _page(_: Request) -> Response:
    page = files.page()
    headers = {"Content-Security-Policy": files.POLICY, "Cache-Control": "no-cache", "Vary": "Accept"}
    return Response(page, headers=headers, media_type="text/html")


async def _file(request: Request) -> Response:
    file = files.every().get(request.path_params["name"])
    if file is None:
        return Response("there is no such file", 404, media_type="text/plain")
    current = request.path_params["version"] == files.version()
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if current else "no-store",
        "Vary": "Accept-Encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.small, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)
