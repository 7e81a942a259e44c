"""Rules of flow control: written together, checked, and kept; and queues, which are not there."""

from __future__ import annotations

import pytest
from admin_server import running
from admin_support import NOW_MS, Server

from perdure.core.model.rules import RULES_MAX
from perdure.engine.ports import StorageError

QUEUE = "vq_1ir2UWPztvxn3nUSEjFHK8WVVxrnXf4hyE"


@pytest.fixture
def server():
    return Server()


def put(server, *rules):
    return server.ask("PUT", "/limits/rules", list(rules))


def delete(server, *rules):
    return server.ask("POST", "/limits/rules/bulk-delete", list(rules))


def test_rules_are_set_and_shown(server):
    response = put(server, {"pattern": "t1", "limits": {"concurrency": 3}, "description": "d"})
    assert response.status == 200
    assert response.json == [
        {
            "pattern": "t1",
            "limits": {"concurrency": 3},
            "description": "d",
            "disabled": False,
            "version": 1,
            "last_modified_millis_since_epoch": NOW_MS,
        }
    ]


def test_what_is_not_set_is_left_out(server):
    for rule in ({"pattern": "t9"}, {"pattern": "t9", "limits": {"concurrency": None}}):
        (shown,) = put(server, rule).json
        assert shown["limits"] == {}
        assert "description" not in shown


def test_an_empty_batch_is_one_too(server):
    assert (put(server).status, put(server).json) == (200, [])
    assert (delete(server).status, delete(server).json) == (200, [])


@pytest.mark.parametrize(
    ("precondition", "told"),
    [
        ({"type": "does_not_exist"}, "DoesNotExist"),
        ({"type": "matches", "version": 77}, "Matches(v77)"),
    ],
)
def test_a_rule_that_is_not_as_expected_is_a_conflict(server, precondition, told):
    put(server, {"pattern": "t1"})
    response = put(server, {"pattern": "t2"}, {"pattern": "t1", "precondition": precondition})
    assert response.status == 409
    message = f"rule precondition {told} for pattern t1 failed (actual version: Some(v1))"
    assert response.json == {"message": message, "restate_code": None}
    assert delete(server, {"pattern": "t2"}).json == [], "nothing of the batch was done"


def test_a_rule_that_is_as_expected_is_changed(server):
    (new,) = put(server, {"pattern": "t1", "precondition": {"type": "does_not_exist"}}).json
    matches = {"type": "matches", "version": new["version"]}
    (changed,) = put(server, {"pattern": "t1", "disabled": True, "precondition": matches}).json
    assert (changed["disabled"], changed["version"]) == (True, new["version"] + 1)
    assert put(server, {"pattern": "t1", "precondition": {"type": "none"}}).status == 200


def test_rules_are_removed_by_pattern(server):
    put(server, {"pattern": "t1"}, {"pattern": "t9"})
    response = delete(server, {"pattern": "t9", "expected_version": 99})
    assert response.status == 409
    assert response.json["message"] == (
        "rule precondition Matches(v99) for pattern t9 failed (actual version: Some(v1))"
    )
    response = delete(server, {"pattern": "t1"}, {"pattern": "zzz"})
    assert (response.status, response.json) == (200, ["t1"])


def test_every_wrong_field_is_told(server):
    response = put(
        server,
        {"pattern": "a b", "limits": {"concurrency": 0}, "disabled": None},
        {"pattern": "fine"},
        {"limits": {"concurrency": 2**32}, "precondition": {"type": "perhaps"}},
        3,
        {"pattern": "", "description": "x" * 513, "precondition": {"type": "matches"}},
    )
    assert response.status == 422
    assert [each["field"] for each in response.json["fields"]] == [
        "[0].pattern",
        "[0].limits.concurrency",
        "[0].disabled",
        "[2].pattern",
        "[2].limits.concurrency",
        "[2].precondition.type",
        "[3]",
        "[4].pattern",
        "[4].description",
        "[4].precondition",
    ]
    assert "[0].pattern: invalid component" in response.json["message"]
    assert delete(server, {"pattern": "fine"}).json == []


@pytest.mark.parametrize("body", [{}, 1, None, b"nope"])
def test_a_body_is_a_list(server, body):
    for method, path in (("PUT", "/limits/rules"), ("POST", "/limits/rules/bulk-delete")):
        status = 400 if body == b"nope" else 422
        body = b"null" if body is None else body
        assert server.ask(method, path, body).status == status


def test_a_removal_names_a_pattern(server):
    response = delete(server, {"pattern": "a b"}, {"expected_version": -1})
    assert response.status == 422
    assert [each["field"] for each in response.json["fields"]] == [
        "[0].pattern",
        "[1].pattern",
        "[1].expected_version",
    ]


def test_a_full_book_takes_no_more(server):
    assert put(server, *({"pattern": f"r{number}"} for number in range(RULES_MAX))).status == 200
    response = put(server, {"pattern": "more"})
    assert response.status == 422
    assert response.json["message"] == f"rule book is full ({RULES_MAX} rules)"


def test_rules_outlive_a_restart_and_other_changes(server):
    (shown,) = put(server, {"pattern": "t1", "limits": {"concurrency": 3}, "description": "d"}).json
    server.start()
    server.ask("PATCH", "/services/Greeter", {"public": False})
    server.ask("POST", "/kafka-clusters", {"name": "k", "properties": {"bootstrap.servers": "h:1"}})
    server.start()
    assert server.keeper.rule_book.rules["t1"].version == shown["version"]
    delete(server, {"pattern": "t1"})
    server.start()
    (again,) = put(server, {"pattern": "t1"}).json
    assert again["version"] > shown["version"], "it is another rule than the one removed"
    assert server.keeper.registry.services["Greeter"].public is False
    assert server.keeper.sources.clusters.keys() == {"k"}


def test_a_change_that_cannot_be_stored_is_none(server):
    put(server, {"pattern": "t1"})

    class FullDisk:
        def replace(self, _expected_version, _content):
            raise StorageError("no space left on device")

    server.keeper._document = FullDisk()
    assert put(server, {"pattern": "t1", "disabled": True}).status == 503
    assert delete(server, {"pattern": "t1"}).status == 503
    assert server.keeper.rule_book.rules["t1"].disabled is False
    assert put(server, {"pattern": "t1"}).status == 200, "what changes nothing needs no disk"


@pytest.mark.parametrize("change", ["pause", "resume"])
def test_queues_are_told_from_what_is_none(server, change):
    response = server.ask("POST", f"/vqueues/{QUEUE}/{change}")
    assert (response.status, response.body) == (202, b"")
    for text, reason in (
        ("foo", "bad format"),
        (QUEUE.replace("vq_", "inv_"), "bad format"),
        (QUEUE.replace("vq_1", "vq_2"), "unrecognized codec version"),
        (QUEUE[:-1], "bad length"),
        (QUEUE[:-1] + "~", "bad format"),
    ):
        response = server.ask("POST", f"/vqueues/{text}/{change}")
        assert response.status == 400
        message = f"The request field 'vqueue_id' is invalid. Reason: {reason}"
        assert response.json == {"message": message, "restate_code": None}


def test_rules_are_read_in_sql_and_kept_on_disk(tmp_path):
    rules = [
        {"pattern": "b/*", "limits": {"concurrency": 5}, "description": "why"},
        {"pattern": "a", "disabled": True},
    ]
    with running(tmp_path) as server:
        assert server.ask("PUT", "/limits/rules", rules).status_code == 200
        written = read(server)
        assert [each["pattern"] for each in written] == ["a", "b/*"]
        assert written[0].keys() == {"pattern", "disabled", "version", "last_modified"}
        assert written[1] | {"concurrency": 5, "description": "why", "version": 1} == written[1]
        assert server.ask("GET", "/limits/rules").headers["allow"] == "PUT"
    with running(tmp_path) as server:
        assert read(server) == written


def read(server):
    query = "SELECT * FROM sys_rules ORDER BY pattern"
    return server.client.post(
        server.admin + "/query", json={"query": query}, headers={"accept": "application/json"}
    ).json()["rows"]
