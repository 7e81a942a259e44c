"""The description of the admin API as an OpenAPI 3.1 document, made from its operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from perdure.admin.operations import Operation, Parameter
from perdure.admin.responses import ErrorDocument

_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_REFERENCE: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"


def describe(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Describe operations.

    Args:
        operations: all there are.
        version: the server's.
    """
    kinds = [ErrorDocument]
    for operation in operations:
        kinds += [kind for kind in (operation.body, *operation.answers.values()) if kind]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    schema_of = {_name(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Admin API", "version": version},
        "paths": _paths(operations, schema_of),
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _paths(operations: Iterable[Operation], schema_of: dict[str, Any]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in operations:
        methods = paths.setdefault(operation.path, {})
        methods[operation.method.lower()] = _operation(operation, schema_of)
    return dict(sorted(paths.items()))


def _operation(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    words = [operation.method.lower(), *re.findall(r"\w+", operation.path)]
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": "_".join(words),
        "parameters": [
            *map(_path_parameter, _PATH_PARAMETER.findall(operation.path)),
            *map(_query_parameter, operation.query),
        ],
        "responses": {
            **{
                str(int(status)): _answer(status, kind, schema_of)
                for status, kind in sorted(operation.answers.items())
            },
            "default": {
                "description": "Why it is not answered",
                "content": {_JSON: {"schema": schema_of[_name(ErrorDocument)]}},
            },
        },
    }
    if operation.body is not None:
        schema = schema_of[_name(operation.body)]
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    return described


def _answer(status: int, kind: Any, schema_of: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "Accepted" if status == 202 else "Done"}
    if kind is not None:
        described["content"] = {_JSON: {"schema": schema_of[_name(kind)]}}
    return described


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.description,
        "schema": schema,
    }


def _name(kind: Any) -> str:
    return str(kind)
