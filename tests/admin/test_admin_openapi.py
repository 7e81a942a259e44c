"""The description of the admin API: it names all that is served, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from admin_support import Server
from starlette.routing import Mount, Route

from perdure.admin.about import API_VERSION_MAX, API_VERSION_MIN
from perdure.admin.app import create_admin
from perdure.admin.bodies import WRONG_MAX
from perdure.core.model.rules import DESCRIPTION_LENGTH_MAX, RULES_MAX

PAGE = Path(__file__).parents[2] / "docs" / "admin-api.md"


@pytest.fixture(scope="module")
def document():
    return Server().ask("GET", "/openapi", registrar=object()).json


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_describes_what_is_served(document):
    server = Server()
    app = create_admin(server.engine, None, object(), server.configurator)
    served = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods
    }
    described = {(path, method) for path, method, _ in operations(document)}
    assert served - described == {
        *((path, "head") for path, method in described if method == "get"),
        *((path, method) for path in ("/openapi", "/v1/{path:path}") for method in ("get", "head")),
    }
    assert described <= served


@pytest.mark.parametrize("prefix", ["/v2", "/v3", "/v4"])
def test_every_version_serves_the_same(document, prefix):
    server = Server()
    app = create_admin(server.engine, None, object(), server.configurator)
    (mount,) = (each for each in app.routes if isinstance(each, Mount) and each.path == prefix)
    assert document["paths"].keys() == {each.path for each in mount.routes} - {"/openapi"}
    assert server.ask("GET", f"{prefix}/openapi", registrar=object()).json == document


def test_every_path_of_the_reference_is_there(document):
    """But for SQL, which another part brings."""
    expected = {
        "/cluster-health": {"get"},
        "/deployments": {"get", "post"},
        "/deployments/{deployment}": {"get", "delete", "patch", "put"},
        "/health": {"get"},
        "/limits/rules": {"put"},
        "/limits/rules/bulk-delete": {"post"},
        "/vqueues/{vqueue_id}/pause": {"post"},
        "/vqueues/{vqueue_id}/resume": {"post"},
        "/invocations/{invocation_id}": {"get", "delete"},
        "/invocations/{invocation_id}/cancel": {"patch"},
        "/invocations/{invocation_id}/kill": {"patch"},
        "/invocations/{invocation_id}/pause": {"patch"},
        "/invocations/{invocation_id}/purge": {"patch"},
        "/invocations/{invocation_id}/purge-journal": {"patch"},
        "/invocations/{invocation_id}/restart-as-new": {"patch"},
        "/invocations/{invocation_id}/resume": {"patch"},
        "/kafka-clusters": {"get", "post"},
        "/kafka-clusters/{cluster}": {"get", "delete", "patch"},
        "/services": {"get"},
        "/services/{service}": {"get", "patch"},
        "/services/{service}/handlers": {"get"},
        "/services/{service}/handlers/{handler}": {"get"},
        "/services/{service}/openapi": {"get"},
        "/services/{service}/state": {"post"},
        "/subscriptions": {"get", "post"},
        "/subscriptions/{subscription}": {"get", "delete"},
        "/version": {"get"},
    }
    assert expected.items() <= {path: set(each) for path, each in document["paths"].items()}.items()


def test_the_page_about_the_api_names_every_operation(document):
    page = PAGE.read_text()
    told = set(re.findall(r"^\| `([A-Z]+) (/[^`]*)`", page, re.MULTILINE))
    told -= {("POST", "/query"), ("POST", "/internal/invocations/{operation}")}
    described = {
        (method.upper(), path)
        for path, method, _ in operations(document)
        if not path.startswith("/internal/")
    }
    assert told == described
    batches = re.search(r"Do one of (.*) with many", page)[1]
    assert {f"/internal/invocations/{name}" for name in re.findall(r"`([a-z-]+)`", batches)} == {
        path for path in document["paths"] if path.startswith("/internal/")
    }


def test_the_page_about_the_api_names_its_bounds():
    page = PAGE.read_text()
    assert f"at most {RULES_MAX:,} rules" in page
    assert f"descriptions of up to {DESCRIPTION_LENGTH_MAX} characters" in page
    assert f"up to {WRONG_MAX} of a list" in page
    assert f"`/v{API_VERSION_MIN}` to `/v{API_VERSION_MAX}`" in page


def test_only_what_handlers_have_a_say_in_is_answered_before_it_is_done(document):
    accepted = {
        path.rpartition("/")[2]
        for path, method, operation in operations(document)
        if method == "patch" and "202" in operation["responses"]
    }
    assert accepted == {"cancel", "pause"}


def test_operations_are_named_once_and_say_what_they_do(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(operation["summary"] for _, _, operation in operations(document))


def test_every_parameter_of_a_path_is_described(document):
    for path, _, operation in operations(document):
        described = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert described == re.findall(r"\{(\w+)\}", path)


def test_every_reference_leads_somewhere(document):
    for name in references(document):
        assert name in document["components"]["schemas"]


def references(value):
    match value:
        case {"$ref": str(reference)}:
            yield reference.removeprefix("#/components/schemas/")
        case dict():
            for each in value.values():
                yield from references(each)
        case list():
            for each in value:
                yield from references(each)


def test_errors_are_described_as_they_are(document):
    error = document["components"]["schemas"]["ErrorDocument"]
    assert set(error["properties"]) == {"message", "restate_code", "fields"}
    for _, _, operation in operations(document):
        schema = operation["responses"]["default"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ErrorDocument"}
