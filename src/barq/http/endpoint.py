"""Endpoint: one thing that the API does, as a value: its path, its handler, and the types that validate and document it.

A handler's parameters are what it takes: names that stand in the path, `query` (a Struct) and `body`. Its return type is
the answer. `@endpoint("GET", "/jobs/{id}")` makes the value; endpoints/ holds a file of them per noun.
"""

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from barq.errors import BarqError
from barq.http.problems import Refused
from barq.http.view import encode

Handler = Callable[..., Awaitable[Any]]
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Endpoint:
    method: str
    path: str
    handler: Handler
    status: int
    media_type: str
    errors: tuple[type[BarqError], ...]
    also: Mapping[int, str]
    in_path: Mapping[str, Any]
    query: type[msgspec.Struct] | None
    headers: type[msgspec.Struct] | None
    body: Any
    body_optional: bool
    answer: Any

    @property
    def name(self) -> str:
        return self.handler.__name__

    async def arguments(self, request: Request) -> dict[str, Any]:
        """What the handler takes, read from a request. Raises Refused."""
        found = {name: _of_path(name, request, type_) for name, type_ in self.in_path.items()}
        if self.query is not None:
            found["query"] = _of_query(request, self.query)
        if self.headers is not None:
            found["headers"] = _of_headers(request, self.headers)
        if self.body is not None:
            found["body"] = await _of_body(request, self.body, optional=self.body_optional)
        return found

    def response(self, result: Any) -> Response:
        if isinstance(result, Response):
            return result
        if result is None:
            return Response(status_code=self.status)
        return Response(encode(result), self.status, media_type=self.media_type)


def endpoint(
    method: str,
    path: str,
    *,
    status: int = 200,
    media_type: str = JSON,
    answer: Any = None,
    errors: tuple[type[BarqError], ...] = (),
    also: Mapping[int, str] | None = None,
) -> Callable[[Handler], Endpoint]:
    """Decorator: an endpoint of the function.

    `answer`: the type of what it answers, where that is not what the function returns. `errors`: what it may raise beside
    wrong input and an absent server. `also`: other statuses it answers with, and why.
    """

    def make(handler: Handler) -> Endpoint:
        hints = typing.get_type_hints(handler, include_extras=True)
        body = inspect.signature(handler).parameters.get("body")
        return Endpoint(
            method=method,
            path=path,
            handler=handler,
            status=status,
            media_type=media_type,
            errors=errors,
            also=also or {},
            in_path={name: hints[name] for name in re.findall(r"{(\w+)}", path)},
            query=hints.get("query"),
            headers=hints.get("headers"),
            body=hints["body"] if body is not None else None,
            body_optional=body is not None and body.default is not body.empty,
            answer=answer or (hints["return"] if hints["return"] is not NoneType else None),
        )

    return make


def _of_path(name: str, request: Request, type_: Any) -> Any:
    return _converted(request.path_params[name], type_, f"{name} in the path")


def _of_query(request: Request, type_: type[msgspec.Struct]) -> Any:
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise Refused(422, "invalid-query", f"the query has {name!r:.80} twice")
        given[name] = value
    return _converted(given, type_, "the query")


def _of_headers(request: Request, type_: type[msgspec.Struct]) -> Any:
    names = (field.encode_name for field in msgspec.structs.fields(type_))
    return _converted({name: request.headers[name] for name in names if name in request.headers}, type_, "a header")


async def _of_body(request: Request, type_: Any, *, optional: bool) -> Any:
    body = await request.body()
    if not body and optional:
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise Refused(415, "not-json", f"the body must be {JSON}, got {media_type[:80] or 'no content type'}")
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise Refused(422, "invalid-body", f"the body does not fit: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, "malformed-json", f"the body is not JSON: {error}") from None


def _converted(given: Any, type_: Any, what: str) -> Any:
    try:
        return msgspec.convert(given, type_, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(422, "invalid-query", f"{what} does not fit: {error}") from None
