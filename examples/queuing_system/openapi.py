"""The OpenAPI document of a service, written from its endpoints: docstrings, annotations, and the names in the paths."""

import inspect
import re
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, get_args, get_type_hints

import msgspec

import barq

KEY = "^[!-~]{1,100}$"


def document_of(title: str, endpoints: Mapping[str, Callable[..., Any]], error: type) -> dict[str, Any]:
    """For each `METHOD /path` its endpoint, which takes and answers what it is annotated with, or an `error`."""
    components: dict[str, Any] = {}

    def content(type_: Any) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": schema(type_)}}}

    def schema(type_: Any) -> dict[str, Any]:
        if isinstance(type_, UnionType):
            return {"anyOf": [schema(one) for one in get_args(type_)]}
        (found,), parts = msgspec.json.schema_components([type_], ref_template="#/components/schemas/{name}")
        components.update(parts)
        return found

    def operation(path: str, endpoint: Callable[..., Any]) -> dict[str, Any]:
        types = get_type_hints(endpoint)
        parameters = [path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
        if "key" in types:
            parameters.append(KEY_HEADER)
        return {
            "summary": inspect.getdoc(endpoint),
            "parameters": parameters,
            **({"requestBody": {"required": True, **content(types["body"])}} if "body" in types else {}),
            "responses": {
                "200": {"description": "The answer", **content(types["return"])},
                "default": {"description": "Something is wrong, and what", **content(error)},
            },
        }

    paths: dict[str, dict[str, Any]] = {}
    for place, endpoint in endpoints.items():
        method, path = re.sub(r":\w+}", "}", place).split(" ")
        paths.setdefault(path, {})[method.lower()] = operation(path, endpoint)
    info = {"title": title, "version": barq.__version__}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": components}}


def path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names this reservation: asked again with the same key it gets the same answer, and nothing twice.",
    "schema": {"type": "string", "pattern": KEY},
}
