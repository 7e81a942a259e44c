"""A service's OpenAPI document: how its handlers are called and their results asked for."""

from __future__ import annotations

import pytest
from admin_support import JSON, NOW_MS, OLDER, Server, manifest

from perdure.core.model.deployments import Defaults, build_registry, with_deployment
from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    InputPayload,
    OutputPayload,
    ServiceManifest,
    ServiceType,
)

ADD = HandlerManifest(
    name="add",
    documentation="Adds",
    input=InputPayload(required=True, content_type=JSON, json_schema={"type": "integer"}),
    output=OutputPayload(content_type=JSON, json_schema={"type": "number"}),
)
SILENT = HandlerManifest(name="silent", input=InputPayload(), output=OutputPayload())
RUN = HandlerManifest(name="run", ty=HandlerType.WORKFLOW)
STATUS = HandlerManifest(name="status", ty=HandlerType.SHARED)


def describe(service_type, *handlers, ingress_url="http://in:8080", **options):
    service = ServiceManifest(name="Thing", ty=service_type, handlers=handlers, **options)
    registry = with_deployment(
        build_registry([], Defaults()), OLDER, "http://a/", manifest(service), NOW_MS
    )
    url = "/services/Thing/openapi"
    response = Server(registry=registry).ask("GET", url, ingress_url=ingress_url)
    assert response.status == 200
    return response.json


def names(operation):
    return [each["$ref"].rpartition("/")[2] for each in operation["parameters"]]


def test_the_document_names_service_revision_and_ingress():
    document = describe(ServiceType.SERVICE, ADD, documentation="A thing")
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Thing", "version": "1", "description": "A thing"}
    assert document["servers"] == [{"url": "http://in:8080", "description": "Ingress"}]
    assert "servers" not in describe(ServiceType.SERVICE, ADD, ingress_url=None)


def test_metadata_is_told_of_the_service_and_of_each_operation():
    handler = HandlerManifest(name="h", metadata={"owner": "b"})
    document = describe(ServiceType.SERVICE, handler, ADD, metadata={"team": "a"})
    told = {
        path: operation.get("x-restate-extensions")
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }
    assert document["info"]["x-restate-extensions"] == {"team": "a"}
    assert all(("/h" in path) == (metadata == {"owner": "b"}) for path, metadata in told.items())


def test_private_services_are_described_too():
    assert describe(ServiceType.SERVICE, ADD, ingress_private=True)["paths"]


def test_hidden_handlers_of_public_services_are_not():
    hidden = HandlerManifest(name="hidden", ingress_private=True)
    assert describe(ServiceType.SERVICE, ADD, hidden) == describe(ServiceType.SERVICE, ADD)


def test_a_handler_of_a_service_is_called_sent_to_and_asked():
    paths = describe(ServiceType.SERVICE, ADD)["paths"]
    assert list(paths) == [
        "/restate/call/Thing/add",
        "/restate/invocation/Thing/add/{idempotencyKey}/attach",
        "/restate/invocation/Thing/add/{idempotencyKey}/output",
        "/restate/send/Thing/add",
    ]
    call = paths["/restate/call/Thing/add"]["post"]
    assert call["operationId"] == "add"
    assert call["description"].startswith("Adds")
    assert names(call) == ["idempotencyKeyHeader"]
    assert call["requestBody"] == {
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/addRequest"}}},
        "required": True,
    }
    answer = call["responses"]["200"]["content"]
    assert answer == {JSON: {"schema": {"$ref": "#/components/schemas/addResponse"}}}
    send = paths["/restate/send/Thing/add"]["post"]
    assert (send["operationId"], send["tags"]) == ("addSend", ["Send"])
    assert names(send) == ["idempotencyKeyHeader", "delay"]
    output = paths["/restate/invocation/Thing/add/{idempotencyKey}/output"]["get"]
    assert set(output["responses"]) == {"200", "404", "470", "default"}


def test_schemas_come_from_the_handlers():
    schemas = describe(ServiceType.SERVICE, ADD, SILENT)["components"]["schemas"]
    assert set(schemas) == {"RestateError", "addRequest", "addResponse"}
    assert schemas["addRequest"] == {"type": "integer"}


def test_references_within_a_schema_lead_to_where_it_stands():
    tree = {
        "$defs": {
            "Leaf": {"type": "string", "default": {"$ref": "#/as/it/is"}},
            "Known": {"$id": "https://a/known", "$ref": "#/$defs/Other"},
        },
        "anyOf": [{"$ref": "#/$defs/Leaf"}, {"type": "array", "items": {"$ref": "#"}}],
        "properties": {"$ref": {"$ref": "https://a/known"}},
    }
    handler = HandlerManifest(name="h", input=InputPayload(content_type=JSON, json_schema=tree))
    place = "#/components/schemas/hRequest"
    schemas = describe(ServiceType.SERVICE, handler)["components"]["schemas"]
    assert schemas["hRequest"] == tree | {
        "anyOf": [
            {"$ref": f"{place}/$defs/Leaf"},
            {"type": "array", "items": {"$ref": place}},
        ],
    }


def test_a_handler_may_take_and_give_nothing():
    call = describe(ServiceType.SERVICE, SILENT)["paths"]["/restate/call/Thing/silent"]["post"]
    assert "requestBody" not in call
    assert call["responses"]["200"] == {"description": "Empty"}


def test_a_handler_that_says_nothing_takes_anything_and_gives_json():
    plain = HandlerManifest(name="plain")
    call = describe(ServiceType.SERVICE, plain)["paths"]["/restate/call/Thing/plain"]["post"]
    assert call["requestBody"] == {"content": {"*/*": {}}, "required": False}
    assert call["responses"]["200"]["content"] == {JSON: {}}


def test_objects_have_keys():
    paths = describe(ServiceType.VIRTUAL_OBJECT, ADD)["paths"]
    call = paths["/restate/call/Thing/{key}/add"]["post"]
    assert names(call) == ["key", "idempotencyKeyHeader"]
    path = "/restate/invocation/Thing/{key}/add/{idempotencyKey}/attach"
    assert names(paths[path]["get"]) == ["key", "idempotencyKeyPath"]


def test_workflows_have_one_run_a_key():
    paths = describe(ServiceType.WORKFLOW, RUN, STATUS)["paths"]
    assert list(paths) == [
        "/restate/call/Thing/{key}/run",
        "/restate/call/Thing/{key}/status",
        "/restate/send/Thing/{key}/run",
        "/restate/send/Thing/{key}/status",
        "/restate/workflow/Thing/{key}/attach",
        "/restate/workflow/Thing/{key}/output",
    ]
    assert names(paths["/restate/send/Thing/{key}/run"]["post"]) == ["key", "delay"]


@pytest.mark.parametrize("service_type", ServiceType)
def test_every_reference_leads_somewhere(service_type):
    handlers = (RUN, STATUS) if service_type is ServiceType.WORKFLOW else (ADD, SILENT)
    document = describe(service_type, *handlers)
    for reference in references(document):
        _, section, group, name = reference.split("/")
        assert name in document[section][group]


def references(value):
    match value:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for each in value.values():
                yield from references(each)


def test_an_unknown_service_is_not_found():
    assert Server().ask("GET", "/services/Nope/openapi").status == 404
