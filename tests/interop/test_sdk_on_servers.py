"""Our SDK on the official server, and on ours: all a handler can do, over every way to reach it."""

import uuid

import httpx
import pytest
from interop_peer import wait_until
from interop_world import Interop

pytestmark = pytest.mark.timeout(60, func_only=True)


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def test_the_manifest_is_understood(interop: Interop):
    deployment = interop.deployment
    assert deployment["sdk_version"].startswith("perdure-sdk/")
    assert deployment["min_protocol_version"] == 5
    assert deployment["max_protocol_version"] == 7
    mode = "RequestResponse" if interop.way.http1 else "BidiStream"
    assert deployment["protocol_type"] == mode
    kinds = {service["name"]: service["ty"] for service in deployment["services"]}
    assert kinds == {
        f"{interop.prefix}Work": "Service",
        f"{interop.prefix}Counter": "VirtualObject",
        f"{interop.prefix}Lazy": "VirtualObject",
        f"{interop.prefix}Signup": "Workflow",
    }


def test_the_newest_version_of_both_is_spoken(interop: Interop):
    invocation_id = interop.submit("Work/runs", 1)
    interop.result(invocation_id)
    pinned = interop.peer.invocation(invocation_id)["pinned_service_protocol_version"]
    assert pinned == (6 if interop.way.server == "official" else 7)


def test_others_are_refused(interop: Interop):
    status = httpx.get(f"{interop.uri}/discover").status_code
    assert status == (401 if interop.way.signed else 200)


def test_the_lifespan_is_entered_once(interop: Interop):
    assert interop.call("Work/in_lifespan") == 1


def test_killing_stops_what_is_executed(interop: Interop):
    invocation_id = interop.submit("Work/stuck")
    wait_until(lambda: interop.call("Work/number_of_stuck") == 1, "the run", interop.peer.check)
    assert interop.peer.admin.patch(f"/invocations/{invocation_id}/kill").status_code == 200
    wait_until(lambda: interop.call("Work/number_of_stuck") == 0, "its end", interop.peer.check)


def test_an_empty_handler(interop: Interop):
    assert interop.call("Work/nothing") is None


@pytest.mark.parametrize("value", [None, 1, "é", {"a": [1, None]}], ids=str)
def test_values(interop: Interop, value):
    assert interop.call("Work/echo", value) == value


def test_bytes_and_large_values(interop: Interop):
    content = bytes(range(256)) * 8192
    reply = interop.peer.ingress.post(
        f"/{interop.prefix}Work/raw",
        content=content,
        headers={"content-type": "application/octet-stream"},
    )
    assert (reply.status_code, reply.content) == (200, content[::-1])


def test_headers(interop: Interop):
    found, invocation_id = interop.call("Work/headers", "x-mine", **{"x-mine": "yes"})
    assert found == "yes"
    assert invocation_id.startswith("inv_1")


def test_runs(interop: Interop):
    assert interop.call("Work/runs", 3) == [0, 1, 2, 0, 1, 2, -1]


def test_runs_are_not_executed_again(interop: Interop):
    assert interop.call("Work/executed_once") == [1, 1]


def test_runs_that_fail_are_tried_again(interop: Interop):
    assert interop.call("Work/stubborn_run", 2) == 3


def test_runs_that_fail_too_often_fail_for_good(interop: Interop):
    reply = interop.send("Work/stubborn_run", 5)
    assert reply.status_code == 500
    assert "NotYetError" in reply.json()["message"]


def test_runs_that_fail_for_good(interop: Interop):
    assert interop.call("Work/terminal_run") == ["no way", 409, {"why": "because"}]


def test_terminal_errors(interop: Interop):
    reply = interop.send("Work/fail")
    assert reply.status_code == 418
    assert reply.json()["message"] == "I'm a teapot"


def test_terminal_errors_of_callees(interop: Interop):
    assert interop.call("Work/observe_failure") == ["I'm a teapot", 418, {"kind": "pot"}]


def test_errors_that_are_no_unicode(interop: Interop):
    assert interop.call("Work/unprintable") == "printed"


def test_chance_and_time_are_repeated(interop: Interop):
    same, number, identity, now = interop.call("Work/chance")
    assert same
    assert 0 <= number < 1
    assert uuid.UUID(identity)
    assert now > 1_700_000_000


def test_sleeps_and_timeouts(interop: Interop):
    assert interop.call("Work/naps") == "late"


def test_races_are_repeated(interop: Interop):
    assert interop.call("Work/races") == ["quick", 1, 1, ["called", None], [0, 2, 4]]


def test_calls(interop: Interop, key: str):
    *called, (header, _), together = interop.call("Work/calls", key)
    assert called == [{"a": [1]}, 5, 6, 6, "cba"]
    assert header == "b"
    assert together == [0, 1, 2]


def test_sends(interop: Interop, key: str):
    assert interop.call("Work/sends", key) == [True, True, interop.call(f"Counter/{key}/value")]


def test_cancelling_from_a_handler(interop: Interop):
    assert interop.call("Work/unfinished") == [None, "409 cancelled"]


def test_cancelling_from_outside_reaches_children_first(interop: Interop):
    invocation_id = interop.submit("Work/parent")
    interop.wait_for_status(invocation_id, "running", "suspended")
    reply = interop.peer.admin.patch(f"/invocations/{invocation_id}/cancel")
    assert reply.status_code == 202
    assert interop.result(invocation_id) in ("409 cancelled", "parent 409")


def test_awakeables_between_handlers(interop: Interop):
    assert interop.call("Work/awakeables") == ["good", "bad", 417]


def test_awakeables_from_outside(interop: Interop, key: str):
    invocation_id = interop.submit(f"Counter/{key}/ask")
    interop.wait_for_status(invocation_id, "running", "suspended")
    awakeable_id = None
    while awakeable_id is None:
        awakeable_id = interop.call(f"Counter/{key}/asked")
    reply = interop.peer.ingress.post(f"/restate/awakeables/{awakeable_id}/resolve", json=[1])
    assert reply.status_code == 202
    assert interop.result(invocation_id) == [1]


def test_signals(interop: Interop):
    assert interop.call("Work/signals") == [1, 2, "stopped"]


def test_changed_code_is_found_out(interop: Interop):
    invocation_id = interop.submit("Work/changed")
    assert interop.result(invocation_id) == "attempt 3"
    events = interop.peer.query("SELECT id, event_json FROM sys_journal_events")
    told = [each["event_json"] for each in events if each["id"] == invocation_id]
    assert any("does not repeat its journal" in each for each in told)


def test_objects_count(interop: Interop, key: str):
    assert interop.call(f"Counter/{key}/value") is None
    assert [interop.call(f"Counter/{key}/add", 2) for _ in range(3)] == [2, 4, 6]
    assert interop.call(f"Counter/{key}/value") == 6


@pytest.mark.parametrize("service", ["Counter", "Lazy"])
def test_state(interop: Interop, key: str, service: str):
    assert interop.call(f"{service}/{key}/use_state") == [
        None, [], {"x": 1}, ["a", "b"], None, ["a"], [], None, [],
    ]  # fmt: skip


def test_workflows(interop: Interop, key: str):
    invocation_id = interop.submit(f"Signup/{key}/run", "Ada")
    while interop.call(f"Signup/{key}/state") != "waiting":
        pass
    assert interop.call(f"Signup/{key}/confirm", "1234") == [None, "1234", "1234", 409]
    assert interop.result(invocation_id) == f"Ada {key} 1234"
    assert interop.call(f"Signup/{key}/state") == "done"
    assert interop.send(f"Signup/{key}/run", "Bob").status_code == 409


def test_rejected_promises(interop: Interop, key: str):
    invocation_id = interop.submit(f"Signup/{key}/run", "Ada")
    interop.call(f"Signup/{key}/reject")
    reply = interop.peer.ingress.get(f"/restate/invocation/{invocation_id}/attach")
    assert (reply.status_code, reply.json()["message"]) == (403, "refused")
