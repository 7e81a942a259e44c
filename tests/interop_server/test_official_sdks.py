"""Services of the official SDKs, unmodified, on our server: every feature they have."""

from __future__ import annotations

import time
import uuid

import pytest
from peer_processes import get, post

pytestmark = pytest.mark.timeout(180)


def fresh() -> str:
    return uuid.uuid4().hex


def eventually(read, expected, deadline_s=15):
    """Wait until something reads as expected."""
    deadline = time.monotonic() + deadline_s
    while (found := read()) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_the_deployment_is_shown(world):
    (deployment,) = get(f"{world.admin}/deployments").json["deployments"]
    assert deployment["sdk_version"].startswith("restate-sdk-")
    names = [service["name"] for service in deployment["services"]]
    assert names == ["Counter", "Signup", "Tools"]


def test_a_call(world):
    assert world.call("/Tools/greet", "World").json == "Hello World"


def test_steps(world):
    assert world.call("/Tools/steps", 5).json == 10


def test_a_sleep(world):
    assert world.call("/Tools/nap", 120).json == "rested"


def test_a_step_that_fails_is_tried_again(world):
    assert world.call("/Tools/flaky", fresh()).json == 3


def test_a_terminal_error(world):
    answer = world.call("/Tools/refuse", 418)
    assert answer.status == 418
    assert answer.json["message"] == "no"


def test_calls_to_other_handlers(world):
    assert world.call("/Tools/relay", "X").json == ["Hello X", "Hello a", "Hello b"]


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


def test_a_race(world):
    assert world.call("/Tools/race", "").json == "fast"


def test_a_child_is_cancelled(world):
    assert world.call("/Tools/cancelled_child", "").json == "409"


def test_a_workflow_waits_for_a_promise(world):
    key = fresh()
    sent = world.call(f"/Signup/{key}/run/send", "a@b.c")
    assert sent.status == 202
    assert world.call(f"/Signup/{key}/approve", "yes").status in (200, 204)
    attached = get(f"{world.ingress}/restate/workflow/Signup/{key}/attach")
    assert attached.json == "a@b.c: yes"


@pytest.mark.parametrize("size", [1, 100_000, 5_000_000])
def test_payloads_of_any_size(world, size):
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    answer = post(f"{world.ingress}/Tools/echo", data, "application/octet-stream")
    assert (answer.status, answer.body[:200] if answer.status != 200 else b"") == (200, b"")
    assert answer.body == data


def test_a_repeated_request_runs_once(world):
    key = fresh()
    answers = {world.call(f"/Counter/{key}/add", 1).json for _ in range(2)}
    assert answers == {1, 2}
