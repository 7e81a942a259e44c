"""Kafka clusters and subscriptions: stored, checked, and shown without their secrets."""

from __future__ import annotations

import pytest
from admin_support import Server

CLUSTER = {"name": "kc1", "properties": {"bootstrap.servers": "h:1", "sasl.password": "x"}}
SUBSCRIPTION = {"source": "kafka://kc1/t", "sink": "service://Greeter/order"}
NOBODY = "sub_12yYyLJBnHCOUoXJzJwbFJL"


@pytest.fixture
def server():
    server = Server()
    assert server.ask("POST", "/kafka-clusters", CLUSTER).status == 201
    return server


def subscribe(server, **changes):
    return server.ask("POST", "/subscriptions", SUBSCRIPTION | changes)


# Clusters


def test_a_cluster_is_created_and_shown_without_its_secrets(server):
    response = server.ask("POST", "/kafka-clusters", CLUSTER | {"name": "kc2"})
    assert response.status == 201
    assert response.headers["location"] == "kafka-clusters/kc2"
    created = {
        "name": "kc2",
        "properties": {"bootstrap.servers": "h:1", "sasl.password": "***"},
        "created_at": "2026-11-21T20:28:55.473000000Z",
    }
    assert response.json == created
    shown = server.ask("GET", "/kafka-clusters/kc2").json
    assert shown == created | {"subscriptions": []}
    listed = server.ask("GET", "/kafka-clusters").json["clusters"]
    assert [each["name"] for each in listed] == ["kc1", "kc2"]
    assert listed[1] == created


def test_a_name_is_taken_once(server):
    response = server.ask("POST", "/kafka-clusters", CLUSTER)
    assert response.status == 409
    message = "kafka cluster 'kc1' already exists in schema registry"
    assert response.json["message"] == message


@pytest.mark.parametrize(
    "changes", [{"name": ""}, {"name": "a b"}, {"name": "-a"}, {"properties": {"x": "y"}}]
)
def test_a_cluster_has_a_name_and_brokers(server, changes):
    response = server.ask("POST", "/kafka-clusters", CLUSTER | {"name": "kc2"} | changes)
    assert response.status == 400
    assert response.json["message"]


@pytest.mark.parametrize("properties", [{"x": "y"}, {"x": 1}, 1])
def test_every_wrong_field_of_a_cluster_is_told(server, properties):
    body = {"name": "a b", "properties": properties}
    response = server.ask("POST", "/kafka-clusters", body)
    assert response.status == 422
    fields = [each["field"].partition(".")[0] for each in response.json["fields"]]
    assert fields == ["name", "properties"]


def test_a_change_takes_the_place_of_all_options(server):
    body = {"properties": {"metadata.broker.list": "h:2"}}
    response = server.ask("PATCH", "/kafka-clusters/kc1", body)
    assert response.status == 200
    assert response.json["properties"] == body["properties"]
    response = server.ask("PATCH", "/kafka-clusters/kc1", {"properties": {}})
    assert response.status == 400
    assert server.ask("PATCH", "/kafka-clusters/nope", body).status == 404


def test_a_secret_that_comes_back_as_it_was_shown_is_kept(server):
    shown = server.ask("GET", "/kafka-clusters/kc1").json["properties"]
    server.ask("PATCH", "/kafka-clusters/kc1", {"properties": shown})
    assert server.keeper.sources.clusters["kc1"].properties == CLUSTER["properties"]


def test_an_unknown_cluster_is_not_found(server):
    for method in ("GET", "DELETE"):
        response = server.ask(method, "/kafka-clusters/nope")
        assert response.status == 404
        assert response.json["message"] == "The requested Kafka cluster 'nope' does not exist"


def test_a_cluster_that_is_needed_is_removed_by_force_only(server):
    subscription = subscribe(server).json["id"]
    response = server.ask("DELETE", "/kafka-clusters/kc1")
    assert response.status == 409
    assert subscription in response.json["message"]
    assert server.ask("DELETE", "/kafka-clusters/kc1?force=maybe").status == 400
    assert server.ask("DELETE", "/kafka-clusters/kc1?force=true").status == 202
    assert server.ask("GET", "/kafka-clusters/kc1").status == 404


# Subscriptions


def test_a_subscription_is_created_and_shown(server):
    response = subscribe(server)
    assert response.status == 201
    shown = response.json
    assert response.headers["location"] == f"subscriptions/{shown['id']}"
    assert shown["id"].startswith("sub_1")
    assert shown | SUBSCRIPTION == shown
    assert shown["options"] == {"group.id": shown["id"], "client.id": "perdure"}
    assert server.ask("GET", f"/subscriptions/{shown['id']}").json == shown
    with_subscriptions = "/kafka-clusters/kc1?include_subscriptions=true"
    assert server.ask("GET", with_subscriptions).json["subscriptions"] == [shown]


def test_options_are_taken_but_their_secrets_not_shown(server):
    options = {"group.id": "mine", "sasl.password": "x"}
    shown = subscribe(server, options=options).json["options"]
    assert shown == {"group.id": "mine", "client.id": "perdure", "sasl.password": "***"}


def test_subscriptions_are_listed_by_age_and_filtered(server):
    first, second = (subscribe(server, source=f"kafka://kc1/{topic}").json for topic in "ba")
    assert server.ask("GET", "/subscriptions").json == {"subscriptions": [first, second]}
    by_source = "/subscriptions?source=kafka%3A%2F%2Fkc1%2Fa"
    assert server.ask("GET", by_source).json == {"subscriptions": [second]}
    assert server.ask("GET", "/subscriptions?sink=service://No/pe").json == {"subscriptions": []}


def test_what_is_subscribed_outlives_a_restart_and_a_registration(server):
    shown = subscribe(server).json
    server.start()
    server.ask("PATCH", "/services/Greeter", {"public": False})
    server.start()
    assert server.ask("GET", f"/subscriptions/{shown['id']}").json == shown
    assert server.ask("GET", "/services/Greeter").json["public"] is False


def test_a_subscription_is_removed(server):
    one = f"/subscriptions/{subscribe(server).json['id']}"
    assert server.ask("DELETE", one).status == 202
    assert server.ask("GET", one).status == 404
    assert server.ask("DELETE", one).status == 404


def test_unknown_and_malformed_subscriptions_are_told_apart(server):
    response = server.ask("GET", f"/subscriptions/{NOBODY}")
    assert response.status == 404
    assert response.json["message"] == f"The requested subscription '{NOBODY}' does not exist"
    response = server.ask("DELETE", f"/subscriptions/{NOBODY}")
    assert response.status == 404
    assert NOBODY in response.json["message"]
    for method in ("GET", "DELETE"):
        assert server.ask(method, "/subscriptions/foo").status == 400
        assert server.ask(method, "/subscriptions/sub_1" + "~" * 22).status == 400


@pytest.mark.parametrize(
    ("changes", "code", "blamed"),
    [
        ({"source": "kafka://nope/t"}, None, "Available clusters: [kc1]"),
        ({"source": "kafka://kc1"}, "META0009", "invalid source URI"),
        ({"source": "http://kc1/t"}, "META0009", "invalid source URI"),
        ({"sink": "service://Greeter/nope"}, "META0009", "cannot find service/handler"),
        ({"sink": "service://Greeter"}, "META0009", "cannot find service/handler"),
        ({"sink": "Greeter/order"}, "META0009", "supported schemes: [service]"),
    ],
)
def test_source_and_sink_must_be_there(server, changes, code, blamed):
    response = subscribe(server, **changes)
    assert response.status == 400
    assert response.json["restate_code"] == code
    assert blamed in response.json["message"]


def test_a_wrong_source_and_a_wrong_sink_are_told_together(server):
    response = subscribe(server, source="kafka://nope/t", sink="service://Greeter/nope")
    assert response.status == 422
    assert [each["field"] for each in response.json["fields"]] == ["source", "sink"]


def test_every_wrong_field_is_told(server):
    response = server.ask("POST", "/subscriptions", {"source": 1, "options": {"a": 1, "b": 2}})
    assert response.status == 422
    wrong = [each["field"] for each in response.json["fields"]]
    assert wrong == ["source", "sink", "options.a", "options.b"]
