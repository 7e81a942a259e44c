"""Results of invocations that exist already, as a client sees them."""

import asyncio
import json

import pytest
from ingress_support import JSON, TYPED, MemoryEngine, ask, get, post

from perdure.ingress.app import Ingress
from perdure.protocol import ids
from perdure.protocol.messages import Failure, Value, Void

UNKNOWN = ids.invocation_text(ids.InvocationId(bytes(24)))


class World:
    """An engine with one finished and one running invocation, each by an idempotency key."""

    def __init__(self):
        self.engine = MemoryEngine()
        self.done = self.send("/Greeter/greet/send", "my key")
        self.slow = self.send("/Greeter/slow/send", "s")

    def send(self, url, idempotency_key):
        headers = [("content-type", JSON), ("idempotency-key", idempotency_key)]
        return post(self.engine, url, b'"x"', headers).json["invocationId"]

    def ask_target(self, operation, target):
        return post(self.engine, f"/restate/{operation}", json.dumps(target).encode(), [])


@pytest.fixture
def world():
    return World()


def paths_to(world, operation):
    return [
        f"/restate/invocation/{world.done}/{operation}",
        f"/restate/{operation}/{world.done}",
        f"/restate/invocation/Greeter/greet/my%20key/{operation}",
    ]


@pytest.mark.parametrize("operation", ["attach", "output"])
def test_a_finished_result_is_given_by_every_path(world, operation):
    for path in paths_to(world, operation):
        response = get(world.engine, path)
        assert (response.status, response.body) == (200, b'"x"')
        assert response.headers["x-restate-id"] == world.done
        assert response.headers["content-type"] == JSON
        assert response.headers["idempotency-expires"] == "2026-11-22T20:28:55.473+00:00"


@pytest.mark.parametrize("operation", ["attach", "output"])
def test_a_finished_result_is_given_for_a_target(world, operation):
    by_id = {"target": "invocation", "invocationId": world.done}
    by_key = {
        "target": "idempotentInvocation",
        "service": "Greeter",
        "handler": "greet",
        "idempotencyKey": "my key",
    }
    for target in (by_id, by_key):
        response = world.ask_target(operation, target)
        assert (response.status, response.body) == (200, b'"x"')
        assert response.headers["x-restate-id"] == world.done


def test_a_failure_is_given_as_to_its_caller(world):
    world.engine.behaviours["run"] = lambda _body: Failure(422, "neg")
    post(world.engine, "/Signup/w1/run/send")
    response = get(world.engine, "/restate/workflow/Signup/w1/output")
    assert (response.status, response.message) == (422, "neg")
    assert response.headers["idempotency-expires"]
    assert response.headers["x-restate-id"]


def test_output_does_not_wait(world):
    response = get(world.engine, f"/restate/output/{world.slow}")
    assert response.status == 470
    assert response.json["source"] == "ingress"
    assert "x-restate-id" not in response.headers


def test_attach_waits():
    async def scenario():
        engine = MemoryEngine()
        app = Ingress(engine)
        sent = await ask(app, "POST", "/Greeter/slow/send", b'"x"', TYPED)
        invocation_id = sent.json["invocationId"]
        attached = asyncio.ensure_future(ask(app, "GET", f"/restate/attach/{invocation_id}"))
        await asyncio.sleep(0)
        engine.finish(ids.parse_invocation_id(invocation_id), Value(b'"done"'))
        return await attached

    assert asyncio.run(scenario()).body == b'"done"'


@pytest.mark.parametrize(
    "path",
    [
        f"/restate/output/{UNKNOWN}",
        "/restate/workflow/Signup/nokey/output",
        "/restate/workflow/Nope/nokey/output",
        "/restate/workflow/Counter/k1/output",
        "/restate/invocation/Greeter/greet/none/output",
        "/restate/invocation/Greeter/zzz/none/output",
        "/restate/invocation/Signup/w1/run/none/output",
    ],
)
def test_the_output_of_nothing_is_not_found(world, path):
    response = get(world.engine, path)
    assert (response.status, response.message) == (404, "invocation not found")
    assert response.json["source"] == "ingress"
    assert "x-restate-id" not in response.headers


def test_attaching_to_nothing_is_not_found_and_tells_the_id(world):
    response = get(world.engine, "/restate/workflow/Signup/nokey/attach")
    assert (response.status, response.message) == (404, "not found")
    assert response.json["source"] == "invocation"
    workflow_id = ids.workflow_run_id("Signup", "nokey")
    assert response.headers["x-restate-id"] == ids.invocation_text(workflow_id)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/restate/output/foo", 400, "bad invocation id 'foo': bad format"),
        ("/restate/invocation/inv_zzz/attach", 400, "unrecognized codec version"),
        ("/restate/invocation/Nope/greet/k/output", 404, "service 'Nope' not found"),
        ("/restate/invocation/Greeter/greet/a/b/output", 400, "bad path"),
        ("/restate/invocation/Greeter/greet/%FF/output", 400, "UTF-8"),
        ("/restate/workflow/Signup/w1", 400, "bad path"),
        ("/restate/workflow/Signup/w1/foo", 404, "not found"),
    ],
)
def test_what_cannot_be_asked(world, path, status, says):
    response = get(world.engine, path)
    assert response.status == status
    assert says in response.message


def test_lookup_computes_ids_without_asking_for_invocations(world):
    target = {"target": "workflow", "workflowName": "Signup", "workflowKey": "never"}
    response = world.ask_target("lookup", target)
    workflow_id = ids.workflow_run_id("Signup", "never")
    assert response.json == {"invocationId": ids.invocation_text(workflow_id)}
    assert response.status == 200
    assert "x-restate-id" not in response.headers


def test_a_malformed_target_is_a_bad_request(world):
    response = world.ask_target("lookup", {"target": "foo"})
    assert response.status == 400
    assert "Invalid value 'foo'" in response.message


WAITING = ids.InvocationId(bytes(range(24)))
AWAKEABLE = ids.awakeable_text(WAITING, 17)


@pytest.mark.parametrize("family", ["awakeables", "a"])
def test_an_awakeable_is_resolved_with_the_body(world, family):
    world.engine.awakeables[WAITING, 17] = Void()
    response = post(world.engine, f"/restate/{family}/{AWAKEABLE}/resolve", b'"yes"', [])
    assert (response.status, response.body) == (202, b"")
    assert "content-type" not in response.headers
    assert world.engine.awakeables[WAITING, 17] == Value(b'"yes"')


def test_an_awakeable_is_rejected_with_the_body_as_reason(world):
    world.engine.awakeables[WAITING, 17] = Void()
    response = post(world.engine, f"/restate/a/{AWAKEABLE}/reject", "bad \u20ac".encode(), [])
    assert response.status == 202
    assert world.engine.awakeables[WAITING, 17] == Failure(500, "bad \u20ac")


def test_an_awakeable_for_which_nobody_waits_is_not_found(world):
    response = post(world.engine, f"/restate/a/{AWAKEABLE}/resolve")
    assert response.status == 404
    assert "nobody waits" in response.message


def test_a_malformed_awakeable_id_is_a_bad_request(world):
    response = post(world.engine, "/restate/a/foo/resolve")
    assert (response.status, response.message) == (400, "bad awakeable id 'foo': bad format")
