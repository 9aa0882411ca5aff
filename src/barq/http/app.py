"""App: the ASGI application of a queue, put together: guard, endpoints, Kue's paths. Mount it anywhere, or serve it."""

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barq import kue
from barq.errors import InvalidType, InvalidValue
from barq.http import problems
from barq.http.access import SAFE_METHODS, Access, Auth, by_token
from barq.http.endpoint import Endpoint
from barq.http.endpoints import ENDPOINTS
from barq.http.endpoints.overview import lookout
from barq.http.find import find
from barq.http.guard import VISITOR, Guard
from barq.http.limits import Limits
from barq.http.mask import Mask
from barq.http.site import Ask, Site
from barq.queue import Queue

log = logging.getLogger("barq.http")

Handler = Callable[[Request], Awaitable[Response]]


class Anything(Convertor[str]):
    """The name of a type in a path: it may hold slashes. Whether it is one is for the endpoint to say."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anything", Anything())


def app(
    queue: Any,
    *,
    token: str | None = None,
    auth: Auth | None = None,
    read_only: bool = False,
    mask: Collection[str] = (),
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
    limits: Limits | None = None,
) -> Starlette:
    """An ASGI application that shows and steers a queue (barq.Queue or barq.sync.Queue), with Kue's JSON API beside.

    Without `token` and `auth` it answers this machine alone, under a local name. `token`: for `Authorization: Bearer`, or
    as the password of Basic. `auth`: a function of yours that gets the request (Starlette's HTTPConnection) and returns a
    barq.http.Visitor, or None to refuse. `read_only`: nothing can be changed. `mask`: fields of data, results and progress
    whose values are hidden, such as "password" or "card.number". `hosts`: the names it is called by. `origins`: other
    origins whose pages may call it. Raises InvalidValue or InvalidType.
    """
    if token is not None and auth is not None:
        raise InvalidValue("an application takes a token or an auth hook, not both")
    if auth is not None and not callable(auth):
        raise InvalidType(f"auth must be a function, got {auth!r:.80}")
    auth = by_token(token) if token is not None else auth
    access = Access(auth=auth, read_only=read_only, hosts=hosts, origins=origins)
    limits = limits or Limits()
    site = Site(_queue(queue), mask=Mask(mask), limits=limits, protected=auth is not None, lookout=lookout)
    made = Starlette(
        routes=[*_kue_routes(site), *_routes(site)],
        middleware=[Middleware(Guard, access=access, limits=limits)],
        exception_handlers={HTTPException: problems.answer, Exception: problems.answer},
    )
    made.router.redirect_slashes = False
    made.state.site = site
    return made


def _queue(queue: Any) -> Queue:
    queue = getattr(queue, "asyncio", queue)  # what is behind a barq.sync.Queue
    if not isinstance(queue, Queue):
        raise InvalidType(f"queue must be a barq.Queue, got {queue!r:.80}")
    return queue


def _routes(site: Site) -> list[Route]:
    """A route for each path, with all its methods, so that a wrong method is told which ones there are."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for one in ENDPOINTS:
        by_path.setdefault(one.path, {})[one.method] = one
    routes = [
        Route(path.replace("{type}", "{type:anything}"), _served(site, methods), methods=list(methods))
        for path, methods in by_path.items()
    ]
    for route in routes:
        if re.fullmatch(r"/jobs/\w+", route.path):
            route.methods = set()  # any: else another method would be taken for one of /jobs/{id}
    return routes


def _served(site: Site, methods: dict[str, Endpoint]) -> Handler:
    async def serve(request: Request) -> Response:
        endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": ", ".join(methods)})
        ask = Ask(site, request, request.scope[VISITOR])
        try:
            arguments = await endpoint.arguments(request)
            async with asyncio.timeout(site.limits.answer_seconds):
                result = await endpoint.handler(ask, **arguments)
        except Exception as error:
            return problems.response_of(error)
        _record(request)
        return endpoint.response(result)

    return serve


def _kue_routes(site: Site) -> list[Route]:
    def wrapped(handler: Handler) -> Handler:
        async def serve(request: Request) -> Response:
            try:
                await request.body()
                async with asyncio.timeout(site.limits.answer_seconds):
                    answer = await handler(request)
            except Exception as error:
                return problems.response_of(error, for_kue=True)
            _record(request)
            return answer

        return serve

    return kue.routes(
        site.queue,
        wrap=wrapped,
        mask=site.mask.applied,
        find=functools.partial(find, site.queue, site.mask),
        who=lambda request: request.scope[VISITOR].name,
    )


def _record(request: Request) -> None:
    """Who did what, for the log."""
    if request.method not in SAFE_METHODS:
        log.info("%s: %s %s", request.scope[VISITOR].name, request.method, request.url.path)
