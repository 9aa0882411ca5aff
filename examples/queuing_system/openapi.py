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
    """An endpoint answers what it is annotated to return; where something is wrong the answer is an `error`."""
    components: dict[str, Any] = {}

    def schema(type_: Any) -> dict[str, Any]:
        if isinstance(type_, UnionType):
            return {"anyOf": [schema(one) for one in get_args(type_)]}
        (found,), parts = msgspec.json.schema_components([type_], ref_template="#/components/schemas/{name}")
        components.update(parts)
        return found

    def operation(path: str, endpoint: Callable[..., Any]) -> dict[str, Any]:
        parameters = [path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
        if "key" in inspect.signature(endpoint).parameters:
            parameters.append(KEY_HEADER)
        return {
            "summary": inspect.getdoc(endpoint),
            "parameters": parameters,
            "responses": {
                "200": response("The answer", schema(get_type_hints(endpoint)["return"])),
                "default": response("Something is wrong, and what", schema(error)),
            },
        }

    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": barq.__version__},
        "paths": {path: {"get": operation(path, endpoint)} for path, endpoint in endpoints.items()},
        "components": {"schemas": components},
    }


def response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names this reservation: asked again with the same key it gets the same answer, and nothing twice.",
    "schema": {"type": "string", "pattern": KEY},
}
