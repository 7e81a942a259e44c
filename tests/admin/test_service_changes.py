"""Options of services that operators set, and states that they replace."""

from __future__ import annotations

import pytest
from admin_support import GREETER, NOW_MS, OLDER, SIGNUP, Server, manifest
from msgspec.structs import replace

from perdure.core.model.deployments import Ceilings, Defaults, build_registry, with_deployment
from perdure.core.model.verdicts import Verdict
from perdure.protocol.ids import deployment_text
from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    ProtocolMode,
    ServiceManifest,
    ServiceType,
)

COUNTER = ServiceManifest(
    name="Counter",
    ty=ServiceType.VIRTUAL_OBJECT,
    handlers=(
        HandlerManifest(name="add"),
        HandlerManifest(name="open", ingress_private=False, idempotency_retention=7_000),
    ),
)


def server(*services, verdict=Verdict.DONE, mode=None):
    served = replace(manifest(*services), protocol_mode=mode)
    registry = with_deployment(build_registry([], Defaults()), OLDER, "http://a/", served, NOW_MS)
    return Server(verdict, registry)


def handler(document, name):
    return next(each for each in document["handlers"] if each["name"] == name)


# Options


def test_options_are_set_and_shown():
    body = {
        "public": False,
        "idempotency_retention": "2h",
        "journal_retention": "PT3H",
        "inactivity_timeout": "90s",
        "abort_timeout": "1h 30m",
    }
    response = server(COUNTER).ask("PATCH", "/services/Counter", body)
    assert response.status == 200
    shown = response.json
    assert shown["public"] is False
    assert shown["idempotency_retention"] == "2h"
    assert shown["journal_retention"] == "3h"
    assert shown["inactivity_timeout"] == "1m 30s"
    assert shown["abort_timeout"] == "1h 30m"


@pytest.mark.parametrize("own", [None, False, True])
@pytest.mark.parametrize("default", [False, True])
def test_how_state_is_read_is_shown_as_it_is_in_force(own, default):
    served = manifest(replace(COUNTER, enable_lazy_state=own))
    empty = build_registry([], Defaults(lazy_state=default))
    ours = Server(Verdict.DONE, with_deployment(empty, OLDER, "http://a/", served, NOW_MS))
    shown = ours.ask("GET", "/services/Counter").json
    assert shown["enable_lazy_state"] is (default if own is None else own)


def test_options_take_effect_where_the_handler_does_not_say_otherwise():
    ours = server(COUNTER)
    ours.ask("PATCH", "/services/Counter", {"public": False, "idempotency_retention": "2h"})
    add, opened = (ours.keeper.registry.handler("Counter", name) for name in ("add", "open"))
    assert (add.public, add.completion_retention_ms) == (False, 7_200_000)
    assert (opened.public, opened.completion_retention_ms) == (True, 7_000)


def test_what_is_null_left_out_or_unknown_stays_as_it_is():
    ours = server(COUNTER)
    ours.ask("PATCH", "/services/Counter", {"abort_timeout": "5s", "public": False})
    body = {"abort_timeout": None, "retry_policy": {"max_attempts": 1}, "foo": 1}
    shown = ours.ask("PATCH", "/services/Counter", body).json
    assert (shown["abort_timeout"], shown["public"]) == ("5s", False)


def test_a_zero_is_an_option_too():
    shown = server(COUNTER).ask("PATCH", "/services/Counter", {"idempotency_retention": "0s"}).json
    assert shown["idempotency_retention"] == "0s"


def test_options_outlive_a_restart():
    ours = server(COUNTER)
    ours.ask("PATCH", "/services/Counter", {"abort_timeout": "5s"})
    ours.start()
    assert ours.ask("GET", "/services/Counter").json["abort_timeout"] == "5s"


def test_options_end_with_the_revision():
    ours = server(COUNTER)
    ours.ask("PATCH", "/services/Counter", {"abort_timeout": "5s"})
    newer = deployment_text(bytes([9] * 16))
    ours.keeper.store(
        with_deployment(ours.keeper.registry, newer, "http://b/", manifest(COUNTER), NOW_MS + 1)
    )
    shown = ours.ask("GET", "/services/Counter").json
    assert (shown["revision"], shown["abort_timeout"]) == (2, "10m")


def test_a_run_is_retained_as_set_unless_it_says_so_itself():
    plain = replace(SIGNUP.handlers[0], workflow_completion_retention=None)
    for service, expected in (
        (SIGNUP, "5s"),
        (replace(SIGNUP, handlers=(plain, *SIGNUP.handlers[1:])), "1h"),
    ):
        body = {"workflow_completion_retention": "1h"}
        shown = server(service).ask("PATCH", "/services/Signup", body).json
        assert shown["workflow_completion_retention"] == expected


def test_only_workflows_have_a_run_to_retain():
    body = {"workflow_completion_retention": "1h"}
    response = server(COUNTER).ask("PATCH", "/services/Counter", body)
    assert response.status == 400
    message = "modifying retention time for service type VirtualObject is unsupported"
    assert response.json == {"message": message, "restate_code": None}


def test_an_unknown_service_has_no_options():
    response = server(COUNTER).ask("PATCH", "/services/Nope", {"public": True})
    assert response.status == 404
    assert response.json["message"] == "not found in the schema registry: service with name 'Nope'"


def test_every_wrong_field_is_told():
    body = {"public": "yes", "idempotency_retention": 1000, "abort_timeout": ["1s"]}
    response = server(COUNTER).ask("PATCH", "/services/Counter", body)
    assert response.status == 422
    wrong = [each["field"] for each in response.json["fields"]]
    assert wrong == ["public", "idempotency_retention", "abort_timeout"]


def test_every_wrong_duration_is_told():
    body = {"idempotency_retention": "abc", "journal_retention": "1y", "abort_timeout": "1s"}
    response = server(COUNTER).ask("PATCH", "/services/Counter", body)
    assert response.status == 422
    wrong = [each["field"] for each in response.json["fields"]]
    assert wrong == ["idempotency_retention", "journal_retention"]


def test_wrong_types_and_wrong_durations_are_told_together():
    body = {"public": "yes", "journal_retention": "abc", "abort_timeout": 1}
    response = server(COUNTER).ask("PATCH", "/services/Counter", body)
    assert response.status == 422
    wrong = [each["field"] for each in response.json["fields"]]
    assert wrong == ["public", "journal_retention", "abort_timeout"]


def test_a_journal_is_kept_no_longer_than_the_server_says_and_that_is_told():
    hungry = replace(
        COUNTER,
        journal_retention=9_000,
        handlers=(
            HandlerManifest(name="add", journal_retention=10_000),
            HandlerManifest(name="get", journal_retention=2_000),
        ),
    )
    empty = build_registry([], Defaults(ceilings=Ceilings(journal_retention_ms=5_000)))
    registry = with_deployment(empty, OLDER, "http://a/", manifest(hungry), NOW_MS)
    shown = Server(Verdict.DONE, registry).ask("GET", "/services/Counter").json
    assert shown["journal_retention"] == "5s"
    assert [info["code"] for info in shown["info"]] == ["RT0022"]
    assert "9s is cut to 5s" in shown["info"][0]["message"]
    assert [info["code"] for info in handler(shown, "add")["info"]] == ["RT0022"]
    assert "info" not in handler(shown, "get")
    kept = [registry.handler("Counter", name).journal_retention_ms for name in ("add", "get")]
    assert kept == [5_000, 2_000]


def test_results_are_kept_no_longer_than_the_server_says_and_that_is_told():
    run = HandlerManifest(name="run", ty=HandlerType.WORKFLOW, workflow_completion_retention=9_000)
    look = HandlerManifest(name="look", ty=HandlerType.SHARED, idempotency_retention=8_000)
    flow = ServiceManifest(
        name="Flow",
        ty=ServiceType.WORKFLOW,
        handlers=(run, look),
        idempotency_retention=7_000,
    )
    ceilings = Ceilings(workflow_retention_ms=6_000, idempotency_retention_ms=5_000)
    empty = build_registry([], Defaults(ceilings=ceilings))
    registry = with_deployment(empty, OLDER, "http://a/", manifest(flow), NOW_MS)
    shown = Server(Verdict.DONE, registry).ask("GET", "/services/Flow").json
    assert shown["workflow_completion_retention"] == "6s"
    assert shown["idempotency_retention"] == "5s"
    told = [shown["info"], handler(shown, "run")["info"], handler(shown, "look")["info"]]
    assert [[info["code"] for info in each] for each in told] == [["RT0022"]] * 3
    messages = [each[0]["message"] for each in told]
    assert "idempotency_retention 7s is cut to 5s" in messages[0]
    assert "9s is cut to 6s, which is the server's max-workflow-completion-" in messages[1]
    assert "8s is cut to 5s, which is the server's max-idempotency-retention" in messages[2]


def test_an_option_without_effect_is_told():
    slow = replace(COUNTER, handlers=(HandlerManifest(name="add", inactivity_timeout=11),))
    ours = server(slow, mode=ProtocolMode.REQUEST_RESPONSE)
    shown = ours.ask("PATCH", "/services/Counter", {"inactivity_timeout": "1s"}).json
    assert shown["inactivity_timeout"] == "0s"
    assert shown["info"][0]["code"] == "RT0021"
    assert "1s" in shown["info"][0]["message"]
    add = handler(shown, "add")
    assert "11ms" in add["info"][0]["message"]
    assert "inactivity_timeout" not in add


def test_nothing_is_told_of_options_with_effect():
    shown = server(COUNTER).ask("PATCH", "/services/Counter", {"inactivity_timeout": "1s"}).json
    assert "info" not in shown
    assert "info" not in handler(shown, "add")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{bad", "application/json", 400),
        (b"", "application/json", 400),
        (b'"\xff"', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", "application/merge-patch+json; charset=utf-8", 200),
        (b" " * (1024 * 1024 + 1), "application/json", 413),
    ],
)
def test_bodies_are_json_objects(body, content_type, status):
    response = server(COUNTER).ask("PATCH", "/services/Counter", body, content_type=content_type)
    assert response.status == status
    if status != 200:
        assert response.json["message"]


# State


def test_a_state_is_replaced():
    ours = server(COUNTER)
    body = {"object_key": "k", "new_state": {"a": [52, 50], "b": "é"}, "version": "v"}
    response = ours.ask("POST", "/services/Counter/state", body)
    assert (response.status, response.body) == (202, b"")
    state = {b"a": b"42", b"b": "é".encode()}
    assert ours.engine.asked == [("mutate_state", "Counter", "k", state, "v")]


def test_a_state_is_replaced_in_turn():
    ours = server(COUNTER, verdict=Verdict.ACCEPTED)
    assert ours.ask("POST", "/services/Counter/state", {"object_key": "k", "new_state": {}}).status
    assert ours.engine.asked == [("mutate_state", "Counter", "k", {}, None)]


def test_a_state_that_is_another_one_is_not_replaced():
    ours = server(COUNTER, verdict=Verdict.STATE_CHANGED)
    body = {"object_key": "k", "new_state": {}, "version": "bogus"}
    response = ours.ask("POST", "/services/Counter/state", body)
    assert response.status == 409
    assert "read it again" in response.json["message"]


def test_workflows_have_state_and_services_have_none():
    ours = server(SIGNUP, GREETER)
    body = {"object_key": "k", "new_state": {"a": [1]}}
    assert ours.ask("POST", "/services/Signup/state", body).status == 202
    response = ours.ask("POST", "/services/Greeter/state", body)
    assert response.status == 400
    assert response.json["message"] == "Cannot modify state for service type Service"
    response = ours.ask("POST", "/services/Nope/state", body)
    assert response.status == 404
    assert response.json["message"] == "The requested service 'Nope' does not exist"


def test_what_a_removed_service_left_can_only_be_cleared():
    ours = server(COUNTER)
    body = {"object_key": "k", "new_state": {}, "version": "v"}
    assert ours.ask("POST", "/services/Removed/state", body).status == 202
    assert ours.engine.asked == [("mutate_state", "Removed", "k", {}, "v")]


def test_every_wrong_value_is_told():
    body = {"new_state": {"a": [300], "b": [1], "c": 7, "d": [1, -1]}, "version": 1}
    response = server(COUNTER).ask("POST", "/services/Counter/state", body)
    assert response.status == 422
    wrong = [each["field"] for each in response.json["fields"]]
    assert wrong == ["object_key", "new_state.a[0]", "new_state.c", "new_state.d[1]", "version"]


def test_scopes_are_refused():
    body = {"object_key": "k", "new_state": {}, "scope": "x"}
    response = server(COUNTER).ask("POST", "/services/Counter/state", body)
    assert response.status == 400
    assert [each["field"] for each in response.json["fields"]] == ["scope"]
    response = server(COUNTER).ask("POST", "/services/Counter/state", body | {"new_state": 1})
    assert response.status == 422
    assert [each["field"] for each in response.json["fields"]] == ["new_state", "scope"]


def test_a_change_that_cannot_be_stored_is_told_and_has_no_effect(caplog):
    ours = server(COUNTER)
    ours.document.replace(1, b"{}")  # somebody else was there meanwhile
    response = ours.ask("PATCH", "/services/Counter", {"public": False})
    assert response.status == 503
    assert ours.keeper.registry.services["Counter"].public
    assert "a change of the registry is lost" in caplog.text
