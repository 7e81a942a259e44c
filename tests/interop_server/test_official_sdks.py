"""Services of the official SDKs, unmodified, on our server: every feature they have."""

from __future__ import annotations

import json
import subprocess
import uuid

import httpx
import pytest
from peer_processes import eventually, get, post

# The programs of a language are built by its first test, which is not of this measure.
pytestmark = pytest.mark.timeout(180, func_only=True)


def fresh() -> str:
    return uuid.uuid4().hex


def test_the_deployment_is_shown(world):
    (deployment,) = get(f"{world.admin}/deployments").json["deployments"]
    assert deployment["sdk_version"].startswith("restate-sdk-")
    names = [service["name"] for service in deployment["services"]]
    assert names == ["Counter", "Signup", "Tools"]


def test_the_newest_version_of_both_is_spoken(world):
    (deployment,) = get(f"{world.admin}/deployments").json["deployments"]
    invocation_id = world.submit("/Tools/greet", "World")
    assert world.attach(invocation_id).json == "Hello World"
    invocation = get(f"{world.admin}/invocations/{invocation_id}").json
    newest = min(deployment["max_protocol_version"], 7)
    assert invocation["pinned_service_protocol_version"] == newest


def test_a_call(world):
    assert world.call("/Tools/greet", "World").json == "Hello World"


def test_headers(world):
    assert world.call("/Tools/header", "x-mine", **{"x-mine": "yes"}).json == "yes"


def test_steps(world):
    assert world.call("/Tools/steps", 5).json == 10


def test_a_sleep(world):
    assert world.call("/Tools/nap", 120).json == "rested"


def test_chance_is_repeated(world):
    assert world.call("/Tools/dice", "").json is True


def test_a_step_that_fails_is_tried_again(world):
    assert world.call("/Tools/flaky", fresh()).json == 3


def test_a_step_that_fails_too_often_fails_for_good(world):
    assert "never, said 3 times" in world.call("/Tools/exhaust", fresh()).json


def test_a_handler_that_fails_does_not_repeat_its_steps(world):
    executed, attempts = world.call("/Tools/stumble", fresh()).json
    assert executed == 1
    assert attempts >= 3


def test_a_handler_that_fails_too_often_is_paused(world):
    invocation_id = world.submit("/Tools/stubborn", fresh())
    eventually(lambda: get(f"{world.admin}/invocations/{invocation_id}").json["status"], "paused")
    assert world.patch(invocation_id, "resume") == 200
    assert world.attach(invocation_id).json == 4


def test_a_private_handler(world):
    answer = world.call("/Tools/resolve", "sign_1")
    assert answer.status == 400
    assert "not public" in answer.json["message"]


def test_a_terminal_error(world):
    answer = world.call("/Tools/refuse", 418)
    assert answer.status == 418
    assert answer.json["message"] == "no"


def test_a_terminal_error_of_a_callee(world):
    assert world.call("/Tools/observe", 418).json == "418 no"


def test_calls_to_other_handlers(world):
    assert world.call("/Tools/relay", "X").json == ["Hello X", "Hello a", "Hello b"]


def test_calls_with_the_same_idempotency_key(world):
    key = fresh()
    assert world.call("/Tools/once", key).json == [1, 1]
    assert world.call(f"/Counter/{key}/value").json == 1


def test_attaching_to_another_invocation(world):
    name = fresh()
    assert world.call("/Tools/attach", name).json == f"Hello {name}"


def test_one_way_calls_now_and_later(world):
    key = fresh()
    assert world.call("/Tools/send", key).json.startswith("inv_")
    eventually(lambda: world.call(f"/Counter/{key}/value").json, 12)


def test_state(world):
    key = fresh()
    assert [world.call(f"/Counter/{key}/add", amount).json for amount in (1, 2, 3)] == [1, 3, 6]
    assert world.call(f"/Counter/{key}/value").json == 6
    assert world.call(f"/Counter/{key}/clear").json == ["total"]
    assert world.call(f"/Counter/{key}/value").json == 0


def test_an_awakeable(world):
    assert world.call("/Tools/awaken", "").json == "woken"


def test_an_awakeable_that_is_rejected(world):
    assert world.call("/Tools/spurn", "").json == "rejected: unwanted"


def test_an_awakeable_completed_from_outside(world):
    key = fresh()
    invocation_id = world.submit(f"/Counter/{key}/ask")
    assert answer_question(world, key, "no").status == 202
    assert world.attach(invocation_id).json == f"{key} was told no"


def answer_question(world, key, answer):
    """Complete the awakeable that an object waits for, once it does."""
    eventually(lambda: world.call(f"/Counter/{key}/asked").json != "", expected=True)
    question = world.call(f"/Counter/{key}/asked").json
    return post(f"{world.ingress}/restate/awakeables/{question}/resolve", answer)


def test_what_waits_long_is_suspended(world):
    key = fresh()
    invocation_id = world.submit(f"/Counter/{key}/ask")
    expected = "suspended" if world.suspends else "running"
    eventually(lambda: get(f"{world.admin}/invocations/{invocation_id}").json["status"], expected)
    assert answer_question(world, key, "yes").status == 202
    assert world.attach(invocation_id).json == f"{key} was told yes"


def test_a_signal(world):
    if not world.language.signals:
        pytest.skip("the SDK has no signals")
    invocation_id = world.submit("/Tools/listen", "")
    assert world.call("/Tools/whistle", invocation_id).status in (200, 204)
    assert world.attach(invocation_id).json == "heard"


def test_a_race(world):
    assert world.call("/Tools/race", "").json == "fast"


def test_a_child_is_cancelled(world):
    assert world.call("/Tools/abandon", "").json == "409"


def test_what_is_cancelled_from_outside_is_undone(world):
    key = fresh()
    invocation_id = world.submit("/Tools/undo", key)
    eventually(lambda: world.call(f"/Counter/{key}/value").json, 3)
    assert world.patch(invocation_id, "cancel") == 202
    assert world.attach(invocation_id).status == 409
    assert world.call(f"/Counter/{key}/value").json == 0


def test_what_is_killed_ends_at_once(world):
    key = fresh()
    invocation_id = world.submit("/Tools/undo", key)
    eventually(lambda: world.call(f"/Counter/{key}/value").json, 3)
    assert world.patch(invocation_id, "kill") in (200, 202)
    assert world.attach(invocation_id).status == 409
    assert world.call(f"/Counter/{key}/value").json == 3


def test_a_workflow_waits_for_a_promise(world):
    key = fresh()
    sent = world.call(f"/Signup/{key}/run/send", "a@b.c")
    assert sent.status == 202
    eventually(lambda: world.call(f"/Signup/{key}/email").json, "a@b.c")
    assert world.call(f"/Signup/{key}/look").json == ""
    assert world.call(f"/Signup/{key}/approve", "yes").status in (200, 204)
    attached = get(f"{world.ingress}/restate/workflow/Signup/{key}/attach")
    assert attached.json == "a@b.c: yes"
    assert world.call(f"/Signup/{key}/look").json == "yes"
    assert get(f"{world.ingress}/restate/workflow/Signup/{key}/output").json == "a@b.c: yes"


def test_a_workflow_runs_once(world):
    key = fresh()
    world.submit(f"/Signup/{key}/run", "a@b.c")
    assert world.call(f"/Signup/{key}/approve", "yes").status in (200, 204)
    attached = get(f"{world.ingress}/restate/workflow/Signup/{key}/attach")
    assert attached.json == "a@b.c: yes"
    assert world.call(f"/Signup/{key}/run", "x@y.z").status == 409


def test_a_promise_that_is_rejected(world):
    key = fresh()
    world.submit(f"/Signup/{key}/run", "a@b.c")
    assert world.call(f"/Signup/{key}/decline", "not you").status in (200, 204)
    attached = get(f"{world.ingress}/restate/workflow/Signup/{key}/attach")
    assert attached.status == 500
    assert attached.json["message"] == "not you"


def test_the_client_of_the_sdk(world):
    key = fresh()
    command = world.language.visit(world.ingress, key)
    done = subprocess.run(
        command, cwd=world.language.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    heard = ["Hello Ada", 5, 5, "Hello Bob", 7, 418, False, "a@b.c: yes", "a@b.c: yes"]
    assert json.loads(done.stdout) == heard
    assert world.call(f"/Counter/{key}/value").json == 7


def test_only_signed_requests_are_served(signed):
    assert signed.call("/Tools/relay", "X").json == ["Hello X", "Hello a", "Hello b"]
    address = signed.services.address
    with httpx.Client(http1=False, http2=True) as client:
        headers = {"accept": "application/vnd.restate.endpointmanifest.v1+json"}
        assert client.get(f"{address}/discover", headers=headers).status_code == 401


@pytest.mark.parametrize("size", [1, 100_000, 5_000_000])
def test_payloads_of_any_size(world, size):
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    answer = post(f"{world.ingress}/Tools/echo", data, "application/octet-stream")
    assert (answer.status, answer.body[:200] if answer.status != 200 else b"") == (200, b"")
    assert answer.body == data


def test_a_repeated_request_runs_once(world):
    key = fresh()
    header = {"idempotency-key": fresh()}
    answers = [world.call(f"/Counter/{key}/add", 1, **header).json for _ in range(2)]
    assert answers == [1, 1]
    assert world.call(f"/Counter/{key}/value").json == 1
