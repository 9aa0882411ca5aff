"""OpenAPI: the document of the API, made from the endpoints and from the types that validate what they take."""

import inspect
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from barq.codec import LARGEST_WHOLE
from barq.http import problems
from barq.http.endpoint import JSON, Endpoint
from barq.http.problems import Problem, status_of
from barq.http.site import VERSION
from barq.http.view import EventView

_REFERENCE: Final = "#/components/schemas/{name}"
_REASONS: Final = {
    400: "The body is not JSON",
    401: "A token is needed",
    403: "Not allowed: host, origin, or read-only mode",
    404: "There is no such job, or page",
    405: "The path does not take this method",
    408: "The body has not arrived in time",
    409: "The job is in a state that does not allow it",
    413: "The body is too large",
    415: "The body is not JSON by its content type",
    422: "A value is not allowed",
    502: "The server of the queue has answered with an error",
    503: "The server of the queue does not answer",
    507: "The server of the queue has no memory left",
}
_DATA: Final = {
    "title": "Data",
    "description": "Any JSON; whole numbers up to 2^53, beyond which readers elsewhere would round them",
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "number", "minimum": -LARGEST_WHOLE, "maximum": LARGEST_WHOLE},
        {"type": "array", "items": {"$ref": "#/components/schemas/Data"}},
        {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Data"}},
    ],
}
_ALWAYS: Final = (403, 422, 502, 503)
_WITH_BODY: Final = (400, 408, 413, 415)


def document(endpoints: Iterable[Endpoint], *, base: str, protected: bool) -> dict[str, Any]:
    """The OpenAPI 3.1 document of endpoints that are mounted at `base`."""
    endpoints = list(endpoints)
    types = [
        type_ for one in endpoints for type_ in (one.body, one.query, one.headers, one.answer) if _has_schema(type_)
    ]
    paths_types = [type_ for one in endpoints for type_ in one.in_path.values()]
    every = [*types, *paths_types, Problem, EventView]
    schemas, components = msgspec.json.schema_components(every, ref_template=_REFERENCE)
    by_type = dict(zip(every, schemas, strict=True))
    inputs = {one.query.__name__ for one in endpoints if one.query} | {
        one.headers.__name__ for one in endpoints if one.headers
    }
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, by_type, components, protected=protected)
    shown = {name: schema for name, schema in components.items() if name not in inputs}
    known: dict[str, Any] = {"schemas": {**shown, "Data": _DATA}}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "barq", "version": VERSION, "description": "Shows and steers a queue of background jobs."},
        "servers": [{"url": base or "/"}],
        "paths": paths,
        "components": known,
    }
    if protected:
        known["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "password": {"type": "http", "scheme": "basic"},
        }
        found["security"] = [{"token": []}, {"password": []}]
    return found


def _operation(
    one: Endpoint, by_type: dict[Any, Any], components: dict[str, Any], *, protected: bool
) -> dict[str, Any]:
    summary, _, description = inspect.getdoc(one.handler).partition("\n")  # type: ignore[union-attr]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": by_type[type_]} for name, type_ in one.in_path.items()
    ]
    for type_, place in ((one.query, "query"), (one.headers, "header")):
        if type_ is not None:
            parameters += _parameters(components[type_.__name__], place)
    operation: dict[str, Any] = {"operationId": one.name, "summary": summary}
    if description.strip():
        operation["description"] = description.strip()
    if parameters:
        operation["parameters"] = parameters
    if one.body is not None:
        operation["requestBody"] = {
            "required": not one.body_optional,
            "content": {JSON: {"schema": by_type[one.body]}},
        }
    operation["responses"] = _responses(one, by_type, protected=protected)
    return operation


def _parameters(schema: dict[str, Any], place: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": place,
            "required": name in schema.get("required", ()),
            **({"description": field.pop("description")} if "description" in field else {}),
            "schema": field,
        }
        for name, field in ((name, dict(field)) for name, field in schema["properties"].items())
    ]


def _responses(one: Endpoint, by_type: dict[Any, Any], *, protected: bool) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done"}
    if one.status != 204:
        schema = by_type[one.answer] if _has_schema(one.answer) else {"type": "string"}
        success["content"] = {one.media_type: {"schema": schema}}
    statuses = {*_ALWAYS, *map(status_of, one.errors)}
    if protected:
        statuses.add(401)
    if one.body is not None:
        statuses.update(_WITH_BODY)
    refusal = {"content": {problems.MEDIA_TYPE: {"schema": by_type[Problem]}}}
    found = {str(one.status): success, **{str(status): {"description": why} for status, why in one.also.items()}}
    found |= {str(status): {"description": _REASONS[status], **refusal} for status in sorted(statuses)}
    return found


def _has_schema(type_: Any) -> bool:
    return type_ is not None and not (isinstance(type_, type) and type_.__module__.startswith("starlette"))
