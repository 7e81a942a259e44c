"""Deployments over HTTP: registered, changed and removed, whatever the request looks like."""

from __future__ import annotations

import pytest
from admin_support import GREETER, SIGNUP, Server, manifest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.engine.registrar import Discovered, DiscoveryError, Registrar

ADDRESS = "http://127.0.0.1:9080/"


class ScriptedDiscoverer:
    """Finds the same services at every address but one, where there is nobody."""

    async def discover(self, location):
        if "nobody" in location.endpoint:
            raise DiscoveryError("META0003", f"{location.endpoint} cannot be reached")
        http_version = "HTTP/1.1" if location.use_http_11 else "HTTP/2.0"
        return Discovered(manifest(GREETER, SIGNUP), http_version, None)


@pytest.fixture
def server():
    return make_server()


def make_server():
    server = Server()
    registrar = Registrar(server.keeper, ScriptedDiscoverer())
    ask = server.ask
    server.ask = lambda *request, **options: ask(*request, registrar=registrar, **options)
    return server


def register(server, **body):
    return server.ask("POST", "/deployments", {"uri": ADDRESS} | body)


def test_an_address_is_registered_once(server):
    first, again = register(server), register(server)
    assert (first.status, again.status) == (201, 200)
    assert first.headers["location"] == f"deployments/{first.json['id']}"
    assert first.json["id"] == again.json["id"]
    assert [each["name"] for each in first.json["services"]] == ["Greeter", "Signup"]


@pytest.mark.parametrize(
    "different", [{"use_http_11": True}, {"additional_headers": {"x-a": "b"}}, {"breaking": True}]
)
def test_an_address_that_is_known_is_no_conflict_and_stays_as_it_is(server, different):
    first = register(server).json["id"]
    before = server.ask("GET", f"/deployments/{first}").json
    again = register(server, **different)
    assert (again.status, again.json["id"]) == (200, first)
    assert server.ask("GET", f"/deployments/{first}").json == before


def test_a_deployment_may_move_to_the_address_of_another_one(server):
    first = register(server).json["id"]
    second = register(server, uri="http://127.0.0.1:9081/").json["id"]
    assert server.ask("PATCH", f"/deployments/{second}", {"uri": ADDRESS}).status == 200
    assert register(server).json["id"] in (first, second)


def test_the_oldest_version_discovers_a_known_address_anew(server):
    first = [each["revision"] for each in register(server).json["services"]]
    response = server.ask("POST", "/v2/deployments", {"uri": ADDRESS})
    assert response.status == 201
    assert [each["revision"] - 1 for each in response.json["services"]] == first


def test_nothing_is_kept_of_a_dry_run(server):
    assert register(server, dry_run=True).status == 201
    assert len(server.ask("GET", "/deployments").json["deployments"]) == 2


def test_secret_headers_are_not_shown(server):
    headers = {"Authorization": "Bearer x", "x-api-key": "y", "x-new": "1"}
    deployment = register(server, additional_headers=headers).json["id"]
    expected = {"authorization": "***", "x-api-key": "***", "x-new": "1"}
    shown = server.ask("GET", f"/deployments/{deployment}").json
    assert shown["additional_headers"] == expected
    listed = server.ask("GET", "/deployments").json["deployments"]
    assert expected in [each.get("additional_headers") for each in listed]
    stored = server.keeper.registry.deployments[deployment].additional_headers
    assert stored["authorization"] == "Bearer x"


def test_options_of_a_service_end_when_its_deployment_is_discovered_anew(server):
    register(server)
    server.ask("PATCH", "/services/Signup", {"public": False})
    register(server, force=True)
    assert server.ask("GET", "/services/Signup").json["public"] is True


def test_a_deployment_is_removed_with_its_services(server):
    deployment = register(server).json["id"]
    assert server.ask("DELETE", f"/deployments/{deployment}").status == 501
    assert server.ask("DELETE", f"/deployments/{deployment}?force=true").status == 202
    assert server.ask("DELETE", f"/deployments/{deployment}?force=true").status == 404
    assert server.ask("GET", f"/deployments/{deployment}").status == 404


def test_nobody_there_is_told_with_its_code(server):
    response = register(server, uri="http://nobody:1/")
    assert (response.status, response.json["restate_code"]) == (500, "META0003")


def test_an_identity_that_cannot_be_had_is_not_left_out(server):
    response = register(server, auth={"GoogleIdToken": {}}, uri="nowhere")
    assert response.status == 422
    assert [each["field"] for each in response.json["fields"]] == ["uri", "auth"]
    assert register(server, auth=None).status == 201


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
_URIS = st.text(max_size=12) | st.builds("http://{}".format, st.text(max_size=12))
_TEXTS = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=2)
_FLAGS = st.booleans() | _ANYTHING
_BODIES = _ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        "uri": _URIS | _ANYTHING,
        "additional_headers": _TEXTS | _ANYTHING,
        "metadata": _TEXTS | _ANYTHING,
        **dict.fromkeys(("use_http_11", "breaking", "force", "dry_run", "overwrite"), _FLAGS),
    },
)


@settings(max_examples=60, deadline=None)
@given(_BODIES, st.sampled_from(["POST", "PATCH", "PUT"]))
def test_no_body_breaks_the_server(body, method):
    server = make_server()
    url = "/deployments"
    if method != "POST":
        url += "/" + next(iter(server.keeper.registry.deployments))
    response = server.ask(method, url, body)
    assert response.status < 500
    assert response.status < 300 or response.json["message"]
