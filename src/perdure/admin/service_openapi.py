"""The handlers of a service as an OpenAPI 3.1 document, for clients of the ingress."""

from __future__ import annotations

from typing import Any, Final

from perdure.core.model.deployments import HandlerSchema, ServiceSchema
from perdure.core.model.targets import HandlerKind
from perdure.protocol.manifest import ServiceType

Document = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
_JSON: Final = "application/json"
#: Under this name stands the metadata of services and handlers.
_METADATA: Final = "x-restate-extensions"
#: Keywords of JSON schema under which stand values, in which a reference is none.
_VALUES: Final = frozenset({"const", "default", "enum", "examples"})


def _reference(section: str, name: str) -> Document:
    return {"$ref": f"#/components/{section}/{name}"}


_ERROR: Final = _reference("responses", "GenericError")
_SENT: Final = _reference("responses", "Send")
_NOT_FOUND: Final = _reference("responses", "InvocationNotFoundError")
_NOT_READY: Final = _reference("responses", "InvocationNotReadyError")
_KEY: Final = _reference("parameters", "key")


def describe_service(service: ServiceSchema, ingress_url: str | None) -> Document:
    """Describe how a service's handlers are called, and how their results are asked for.

    Handlers that are hidden in a public service are left out.

    Args:
        service: the service, public or not.
        ingress_url: where requests go, if that is known.
    """
    schemas: Document = {"RestateError": _ERROR_SCHEMA}
    paths: Document = {}
    for _, handler in sorted(service.handlers.items()):
        if service.public and not handler.public:
            continue
        paths.update(_describe_handler(service, handler, schemas))
    document: Document = {
        "openapi": "3.1.0",
        "info": {"title": service.name, "version": str(service.revision)},
        "paths": dict(sorted(paths.items())),
        "components": {
            "parameters": _PARAMETERS,
            "responses": _RESPONSES,
            "schemas": dict(sorted(schemas.items())),
        },
    }
    if service.documentation is not None:
        document["info"]["description"] = service.documentation
    if service.metadata:
        document["info"][_METADATA] = service.metadata
    if ingress_url is not None:
        document["servers"] = [{"url": ingress_url, "description": "Ingress"}]
    return document


def _describe_handler(
    service: ServiceSchema, handler: HandlerSchema, schemas: Document
) -> Document:
    keyed = service.type is not ServiceType.SERVICE
    place = f"{service.name}/{{key}}" if keyed else service.name
    parameters = [_KEY] if keyed else []
    called = f"{service.name} handler {handler.name}"
    body, answer = _request_body(handler, schemas), _answer(handler, schemas)
    idempotent = [] if service.type is ServiceType.WORKFLOW else ["idempotencyKeyHeader"]
    by_key = [_reference("parameters", name) for name in idempotent]
    paths: Document = {
        f"/restate/call/{place}/{handler.name}": {
            "post": {
                **_head(handler, "", f"Call {called} and wait for response"),
                "parameters": [*parameters, *by_key],
                **body,
                "responses": {"200": answer, "default": _ERROR},
            }
        },
        f"/restate/send/{place}/{handler.name}": {
            "post": {
                **_head(handler, "Send", f"Send request to {called}"),
                "parameters": [*parameters, *by_key, _reference("parameters", "delay")],
                **body,
                "responses": {"200": _SENT, "202": _SENT, "default": _ERROR},
                "tags": ["Send"],
            }
        },
    }
    if handler.kind is HandlerKind.WORKFLOW:
        paths.update(_results(f"/restate/workflow/{place}", handler, parameters, answer))
    elif service.type is not ServiceType.WORKFLOW:
        path = f"/restate/invocation/{place}/{handler.name}/{{idempotencyKey}}"
        with_key = [*parameters, _reference("parameters", "idempotencyKeyPath")]
        paths.update(_results(path, handler, with_key, answer))
    return paths


def _results(
    path: str, handler: HandlerSchema, parameters: list[Document], answer: Document
) -> Document:
    """Describe how the result of a request is waited for, and how it is asked for."""
    target = f"{handler.service}/{handler.name}"
    return {
        f"{path}/attach": {
            "get": {
                **_head(handler, "Attach", f"Wait for the result of an invocation of {target}"),
                "parameters": parameters,
                "responses": {"200": answer, "404": _NOT_FOUND, "default": _ERROR},
                "tags": ["Attach"],
            }
        },
        f"{path}/output": {
            "get": {
                **_head(handler, "Output", f"Get the result of an invocation of {target}"),
                "parameters": parameters,
                "responses": {
                    "200": answer,
                    "404": _NOT_FOUND,
                    "470": _NOT_READY,
                    "default": _ERROR,
                },
                "tags": ["Get Output"],
            }
        },
    }


def _head(handler: HandlerSchema, suffix: str, description: str) -> Document:
    if handler.documentation is not None:
        description = f"{handler.documentation}\n\n{description}"
    head: Document = {
        "operationId": handler.name + suffix,
        "summary": handler.name,
        "description": description,
    }
    return head | {_METADATA: handler.metadata} if handler.metadata else head


def _request_body(handler: HandlerSchema, schemas: Document) -> Document:
    rule = handler.input
    content_type = "*/*" if rule is None else rule.content_type
    if content_type is None:
        return {}
    schema: Document = {}
    if rule is not None and rule.json_schema is not None:
        schema = {"schema": _place(f"{handler.name}Request", rule.json_schema, schemas)}
    required = bool(rule is not None and rule.required)
    return {"requestBody": {"content": {content_type: schema}, "required": required}}


def _answer(handler: HandlerSchema, schemas: Document) -> Document:
    rule = handler.output
    content_type = _JSON if rule is None else rule.content_type
    if content_type is None:
        return {"description": "Empty"}
    schema: Document = {}
    if rule is not None and rule.json_schema is not None:
        schema = {"schema": _place(f"{handler.name}Response", rule.json_schema, schemas)}
    return {"description": "", "content": {content_type: schema}}


def _place(name: str, schema: Any, schemas: Document) -> Document:
    """Put a handler's schema among those of the document, and give the reference to it."""
    place = _SCHEMAS + name
    schemas[name] = _moved(schema, place)
    return {"$ref": place}


def _moved(schema: Any, place: str) -> Any:
    """Let a schema's references to itself lead to its place; what has an ``$id`` is found by it."""
    if isinstance(schema, list):
        return [_moved(each, place) for each in schema]
    if not isinstance(schema, dict) or "$id" in schema:
        return schema
    moved = {key: each if key in _VALUES else _moved(each, place) for key, each in schema.items()}
    reference = schema.get("$ref")
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        moved["$ref"] = place + reference[1:]
    return moved


def _text_parameter(name: str, where: str, description: str) -> Document:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": description,
        "schema": {"type": "string"},
    }


def _error_response(description: str, example: Document) -> Document:
    content = {"schema": {"$ref": f"{_SCHEMAS}RestateError"}, "example": example}
    return {"description": description, "content": {_JSON: content}}


_PARAMETERS: Final[Document] = {
    "delay": {
        **_text_parameter("delay", "query", "How long to wait before the handler is run"),
        "example": "10s",
    },
    "idempotencyKeyHeader": _text_parameter(
        "idempotency-key", "header", "Requests with the same key run the handler once"
    ),
    "idempotencyKeyPath": _text_parameter(
        "idempotencyKey", "path", "Idempotency key of the request whose result is wanted"
    ),
    "key": _text_parameter("key", "path", "Key of the object or workflow"),
}
_ERROR_SCHEMA: Final[Document] = {
    "title": "RestateError",
    "description": "Why there is no result",
    "type": "object",
    "required": ["message", "source"],
    "additionalProperties": False,
    "properties": {
        "code": {"type": "number", "title": "error code"},
        "message": {"type": "string", "title": "Error message"},
        "stacktrace": {"type": "string", "title": "Stacktrace of the error"},
        "metadata": {
            "type": "object",
            "title": "Additional metadata map",
            "additionalProperties": {"type": "string"},
        },
        "source": {
            "type": "string",
            "title": "Error source",
            "description": "Whether the server refused the request, or the handler failed",
            "enum": ["ingress", "invocation"],
        },
    },
}
_RESPONSES: Final[Document] = {
    "GenericError": _error_response(
        "Error response", {"code": 500, "message": "Internal server error", "source": "invocation"}
    ),
    "InvocationNotFoundError": _error_response(
        "Invocation not found", {"message": "invocation not found", "source": "ingress"}
    ),
    "InvocationNotReadyError": _error_response(
        "The invocation has not ended yet",
        {"message": "the invocation has not ended yet", "source": "ingress"},
    ),
    "Send": {
        "description": "The request was taken, now or earlier",
        "content": {
            _JSON: {
                "schema": {
                    "title": "RestateSendResponse",
                    "type": "object",
                    "required": ["invocationId", "status"],
                    "additionalProperties": False,
                    "properties": {
                        "invocationId": {"type": "string"},
                        "status": {"type": "string", "enum": ["Accepted", "PreviouslyAccepted"]},
                        "executionTime": {
                            "type": "string",
                            "format": "date-time",
                            "description": "When the handler is run, if that is delayed",
                        },
                    },
                },
                "example": {
                    "invocationId": "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz",
                    "status": "Accepted",
                },
            }
        },
    },
}
