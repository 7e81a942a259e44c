"""What the admin API promises, on a running server: statuses, shapes and meanings."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from itertools import count

import pytest
from admin_processes import running_with
from admin_server import running

UNKNOWN = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"
NUMBERS = count()


@pytest.fixture(scope="module", params=[1, 2], ids=["one", "several"])
def server(request, tmp_path_factory):
    with running_with(request.param, tmp_path_factory.mktemp("server")) as server:
        yield server


def scheduled(server):
    return server.send("/Greeter/greet/send?delay=1h", "x")


def pending(server):
    key = f"held{next(NUMBERS)}"
    server.send(f"/Counter/{key}/hold/send")
    return server.send(f"/Counter/{key}/add/send", 1)


def running_one(server):
    return server.send("/Greeter/wait/send")


def paused(server):
    invocation_id = running_one(server)
    assert server.ask("PATCH", f"/invocations/{invocation_id}/pause").status_code == 202
    return invocation_id


def completed(server):
    response = server.call("/Greeter/greet", "x", idempotency_key=f"k{next(NUMBERS)}")
    return response.headers["x-restate-id"]


STATES = {
    "scheduled": scheduled,
    "pending": pending,
    "running": running_one,
    "paused": paused,
    "completed": completed,
    "unknown": lambda _server: UNKNOWN,
    "malformed": lambda _server: "inv_2foo",
}

#: What each operation is answered in each state, in the order of the states.
EXPECTED = {
    "cancel": (200, 200, 202, 202, 409, 404, 400),
    "kill": (200, 200, 200, 200, 409, 404, 400),
    "pause": (409, 409, 202, 200, 409, 404, 400),
    "resume": (425, 425, 200, 200, 409, 404, 400),
    "restart-as-new": (425, 425, 409, 409, 200, 404, 400),
    "purge": (409, 409, 409, 409, 200, 404, 400),
    "purge-journal": (409, 409, 409, 409, 200, 404, 400),
}
CASES = [
    (operation, state, status)
    for operation, statuses in EXPECTED.items()
    for state, status in zip(STATES, statuses, strict=True)
]


@pytest.mark.parametrize(("operation", "state", "status"), CASES)
def test_an_operation_is_answered_by_the_state_of_the_invocation(server, operation, state, status):
    invocation_id = STATES[state](server)
    response = server.ask("PATCH", f"/invocations/{invocation_id}/{operation}")
    assert response.status_code == status, response.text
    if status >= 400:
        assert set(response.json()) == {"message", "restate_code"}
        assert state == "malformed" or invocation_id in response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/health", None, 200, None),
        ("GET", "/cluster-health", None, 200, None),
        ("GET", "/services/Nope", None, 404, "The requested service 'Nope' does not exist"),
        ("GET", "/deployments/foo", None, 400, "bad format"),
        ("DELETE", "/services/Greeter", None, 405, None),
        ("PUT", "/deployments", {}, 405, None),
        ("GET", "/foo/bar", None, 404, None),
        ("GET", "/v9/health", None, 404, None),
        ("GET", "/v1/health", None, 400, "version 1"),
        ("POST", f"/invocations/{UNKNOWN}/cancel", None, 405, None),
        ("DELETE", f"/invocations/{UNKNOWN}?mode=Kill", None, 202, None),
        ("DELETE", f"/invocations/{UNKNOWN}?mode=x", None, 400, "mode"),
        ("POST", "/services/Greeter/state", {"object_key": "k", "new_state": {}}, 400, "Service"),
        ("POST", "/services/Nope/state", {"object_key": "k", "new_state": {"a": ""}}, 404, "Nope"),
        ("POST", "/services/Signup/state", {"object_key": "k", "new_state": {}}, 202, None),
        ("POST", "/services/Counter/state", {"new_state": {}}, 422, "object_key"),
        ("PATCH", "/services/Nope", {"public": True}, 404, "service with name 'Nope'"),
        ("PATCH", "/services/Greeter", {"idempotency_retention": 1}, 422, "idempotency_retention"),
        (
            "POST",
            "/subscriptions",
            {"source": "kafka://x/t", "sink": "service://Greeter/greet"},
            400,
            "Kafka cluster 'x' not found. Available clusters: []",
        ),
        ("DELETE", "/kafka-clusters/nope", None, 404, "nope"),
    ],
)
def test_a_request_is_answered_as_promised(server, method, path, body, status, message):
    response = server.ask(method, path, body)
    assert response.status_code == status
    if message is not None:
        assert message in response.json()["message"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/services/Greeter", {"GET", "HEAD", "PATCH"}),
        ("/deployments", {"GET", "HEAD", "POST"}),
        (f"/invocations/{UNKNOWN}/cancel", {"PATCH"}),
        ("/services/Counter/state", {"POST"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(server, path, allowed):
    response = server.ask("OPTIONS", path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == allowed


def test_the_version_tells_what_clients_ask_for(server):
    shown = server.ask("GET", "/v4/version").json()
    assert (shown["min_admin_api_version"], shown["max_admin_api_version"]) == (2, 4)
    assert shown["ingress_endpoint"].rstrip("/") == server.ingress
    assert all(isinstance(each, bool) for each in shown["features"].values())


def test_lists_have_the_same_order_every_time(server):
    for path in ("/services", "/deployments", "/services/Greeter/handlers"):
        assert server.ask("GET", path).content == server.ask("GET", path).content
    names = [each["name"] for each in server.ask("GET", "/services").json()["services"]]
    assert names == ["Counter", "Greeter", "Signup"]


def test_a_restart_brings_a_new_invocation_that_tells_whence(server):
    old = completed(server)
    response = server.ask("PATCH", f"/invocations/{old}/restart-as-new?deployment=latest")
    new = response.json()["new_invocation_id"]
    assert new[:16] == old[:16]  # of the same partition
    assert server.client.get(f"{server.ingress}/restate/attach/{new}").json() == "Hello x"
    assert server.ask("GET", f"/invocations/{new}").json()["restarted_from"] == old


def test_a_restart_beyond_the_journal_is_refused(server):
    response = server.ask("PATCH", f"/invocations/{completed(server)}/restart-as-new?from=100")
    assert response.status_code == 400


def test_a_journal_is_shown(server):
    entries = server.ask("GET", f"/invocations/{completed(server)}/journal").json()["entries"]
    assert [each["entry_type"] for each in entries] == ["Command: Input", "Command: Output"]
    assert entries[0]["content"]["value"] == '"x"'
    assert entries[1]["content"]["result"] == '"Hello x"'


def test_many_invocations_are_killed_at_once(server):
    ids = [running_one(server) for _ in range(20)]
    answer = server.ask("POST", "/internal/invocations/kill", {"invocation_ids": [*ids, UNKNOWN]})
    assert [each["invocation_id"] for each in answer.json()["successful"]] == ids
    assert [each["status"] for each in answer.json()["failed"]] == [404]
    assert {server.status(each) for each in ids} == {"completed"}


def test_state_is_replaced_if_it_is_the_one_that_was_read(server):
    def change(value, version=None):
        body = {"object_key": "s1", "new_state": {"count": value}}
        return server.ask("POST", "/services/Counter/state", body | {"version": version})

    assert change([52, 50]).status_code == 202
    assert server.call("/Counter/s1/add", 1).json() == 43
    hashed = sha256(b"\0" * 8 + b"\x01count\x0243\x03").digest()
    version = urlsafe_b64encode(hashed).rstrip(b"=").decode()
    assert change("7", version).status_code == 202
    assert server.call("/Counter/s1/add", 1).json() == 8
    assert change("0", version).status_code == 409
    assert server.call("/Counter/s1/add", 1).json() == 9


def test_state_waits_for_whoever_holds_its_key(server):
    holder = server.send("/Counter/s2/hold/send")
    body = {"object_key": "s2", "new_state": {"count": "10"}}
    assert server.ask("POST", "/services/Counter/state", body).status_code == 202
    behind = server.send("/Counter/s2/add/send", 1)
    assert server.status(behind) == "pending"
    assert server.ask("PATCH", f"/invocations/{holder}/kill").status_code == 200
    attached = server.client.get(f"{server.ingress}/restate/attach/{behind}")
    assert attached.json() == 11


def test_what_operators_set_outlives_a_restart(tmp_path):
    cluster = {"name": "kc1", "properties": {"bootstrap.servers": "127.0.0.1:1"}}
    sink = {"source": "kafka://kc1/t", "sink": "service://Counter/add"}
    with running(tmp_path) as first:
        assert first.ask("PATCH", "/services/Greeter", {"public": False}).status_code == 200
        assert first.call("/Greeter/greet", "x").status_code >= 400
        assert first.ask("POST", "/kafka-clusters", cluster).status_code == 201
        subscribed = first.ask("POST", "/subscriptions", sink).json()
    with running(tmp_path) as second:
        assert second.ask("GET", "/services/Greeter").json()["public"] is False
        assert second.call("/Greeter/greet", "x").status_code >= 400
        assert second.ask("GET", "/subscriptions").json() == {"subscriptions": [subscribed]}


@pytest.mark.parametrize("prefix", ["", "/v2", "/v3", "/v4"])
def test_queries_are_described_with_the_rest(server, prefix):
    paths = server.ask("GET", f"{prefix}/openapi").json()["paths"]
    assert set(paths["/query"]) == {"post"}
    assert server.ask("GET", f"{prefix}/limits/rules").headers["allow"] == "PUT"
