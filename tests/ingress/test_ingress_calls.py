"""Calls and sends, as a client sees them."""

import pytest
from ingress_support import JSON, NOW_MS, MemoryEngine, get, post

from perdure.core.model.invocations import Retention
from perdure.engine.errors import OverloadedError, UnavailableError
from perdure.protocol import ids
from perdure.protocol.messages import Failure, Value

DAY_MS = 86_400_000
SOON = "2026-11-21T20:28:55.573000000Z"


@pytest.fixture
def engine():
    return MemoryEngine()


def only_invocation(engine):
    (body,) = engine.invocations.values()
    return body


def test_a_call_gives_the_result(engine):
    response = post(engine, "/Greeter/greet", b'"bob"')
    body = only_invocation(engine)
    assert (response.status, response.body) == (200, b'"bob"')
    assert response.headers == {
        "x-restate-id": ids.invocation_text(body.invocation_id),
        "content-type": JSON,
        "vary": "origin, access-control-request-method, access-control-request-headers",
        "access-control-allow-credentials": "true",
        "content-length": "5",
    }


def test_the_engine_gets_the_whole_request(engine):
    headers = [("content-type", JSON), ("x-custom", "1"), ("host", "h")]
    engine.behaviours["add"] = lambda _body: Value(b"5")
    post(engine, "/Counter/a%2Fb/add?x=1", b"5", headers)
    body = only_invocation(engine)
    assert (body.target.service, body.target.key, body.target.handler) == ("Counter", "a/b", "add")
    assert body.input.value == Value(b"5")
    assert body.input.headers == (
        ("x-restate-ingress-path", "/Counter/a%2Fb/add?x=1"),
        ("content-type", JSON),
        ("x-custom", "1"),
    )
    assert body.retention == Retention(DAY_MS, DAY_MS)
    assert (body.idempotency_key, body.execution_time) == (None, None)


@pytest.mark.parametrize(
    "url", ["/restate/call/Greeter/greet", "//Greeter/greet/", "/Greeter/greet?q"]
)
def test_other_paths_to_the_same_handler(engine, url):
    assert post(engine, url).status == 200
    assert only_invocation(engine).target.handler == "greet"


def test_a_call_needs_no_body(engine):
    assert get(engine, "/Greeter/greet").status == 200
    assert only_invocation(engine).input.value == Value(b"")


def test_a_void_result_has_no_content_type(engine):
    engine.behaviours["nooutput"] = lambda _body: Value(b"")
    response = post(engine, "/Greeter/nooutput")
    assert (response.status, response.headers["content-length"]) == (200, "0")
    assert "content-type" not in response.headers


def test_the_declared_output_type_is_sent(engine):
    engine.behaviours["echo"] = lambda body: body.input.value
    assert post(engine, "/Greeter/echo").headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("code", "status"), [(409, 409), (599, 599), (42, 500), (1000, 500), (200, 500), (302, 500)]
)
def test_a_failure_has_an_error_status(engine, code, status):
    engine.behaviours["fail"] = lambda _body: Failure(code, "nope")
    response = post(engine, "/Greeter/fail")
    assert response.status == status
    assert response.json == {"code": code, "message": "nope", "source": "invocation"}
    assert response.headers["x-restate-error-source"] == "invocation"
    assert response.headers["x-restate-id"]


def test_a_failure_carries_its_metadata(engine):
    engine.behaviours["fail"] = lambda _body: Failure(429, "later", (("hint", "quota"),))
    assert post(engine, "/Greeter/fail").json["metadata"] == {"hint": "quota"}


def test_a_repeated_idempotency_key_gives_the_first_result(engine):
    headers = [("content-type", JSON), ("idempotency-key", "k")]
    first = post(engine, "/Greeter/greet", b'"a"', headers)
    second = post(engine, "/Greeter/greet", b'"b"', headers)
    assert (first.body, second.body) == (b'"a"', b'"a"')
    assert second.headers["x-restate-id"] == first.headers["x-restate-id"]
    assert "idempotency-expires" not in first.headers
    assert second.headers["idempotency-expires"] == "2026-11-22T20:28:55.473+00:00"
    assert only_invocation(engine).idempotency_key == "k"


def test_a_workflow_runs_once(engine):
    engine.behaviours["run"] = lambda _body: Value(b"8")
    assert post(engine, "/Signup/w1/run").body == b"8"
    again = post(engine, "/Signup/w1/run")
    assert again.status == 409
    assert again.json["source"] == "invocation"
    assert again.headers["x-restate-id"] == ids.invocation_text(ids.workflow_run_id("Signup", "w1"))


def test_a_workflow_takes_no_idempotency_key(engine):
    headers = [("content-type", JSON), ("idempotency-key", "k")]
    response = post(engine, "/Signup/w1/run", b'"x"', headers)
    assert (response.status, engine.invocations) == (400, {})
    assert "cannot use the idempotency key with workflow" in response.message


def test_a_send_is_accepted(engine):
    response = post(engine, "/Greeter/slow/send")
    text = ids.invocation_text(only_invocation(engine).invocation_id)
    assert response.status == 202
    assert response.json == {"invocationId": text, "status": "Accepted"}
    assert response.headers["x-restate-id"] == text
    assert response.headers["content-type"] == JSON


@pytest.mark.parametrize(
    "url",
    [
        "/Greeter/slow/send?delay=100ms",
        "/Greeter/slow/send?x=1&delay=PT0.1S",
        "/Greeter/slow/send?Delay=0.1s",
        "/Greeter/slow/send?del%61y=0.1s",
        "/restate/send/Greeter/slow?delay=0.1%20s",
        "/restate/send/Greeter/slow?delay=100+ms&delay=1s",
    ],
)
def test_a_send_can_be_delayed(engine, url):
    response = post(engine, url)
    assert list(response.json) == ["invocationId", "executionTime", "status"]
    assert response.json["executionTime"] == SOON
    assert only_invocation(engine).execution_time == NOW_MS + 100


def test_other_parameters_are_no_delay(engine):
    assert "executionTime" not in post(engine, "/Greeter/slow/send?delaySec=10").json


def test_a_delay_of_zero_is_a_delay(engine):
    assert "executionTime" in post(engine, "/Greeter/slow/send?delay=0").json


def test_a_repeated_send_gives_the_first_execution_time(engine):
    headers = [("content-type", JSON), ("idempotency-key", "k")]
    post(engine, "/Greeter/slow/send?delay=100ms", b'"a"', headers)
    response = post(engine, "/Greeter/slow/send?delay=5s", b'"b"', headers)
    assert response.status == 202
    assert response.json["status"] == "PreviouslyAccepted"
    assert response.json["executionTime"] == SOON


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("/Greeter/slow/send?delay=100", "expected a unit"),
        ("/Greeter/slow/send?delay=", "an empty text"),
        ("/Greeter/slow/send?delay=-5s", "cannot be negative"),
        ("/Greeter/slow/send?delay=P1M", "units of weeks or smaller"),
        ("/Greeter/greet?delay=100ms", "cannot use the delay query parameter with calls"),
    ],
)
def test_bad_delays(engine, url, says):
    response = post(engine, url)
    assert (response.status, engine.invocations) == (400, {})
    assert says in response.message


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("/Nope/greet", 404, "service 'Nope' not found"),
        ("/%47reeter/greet", 404, "service '%47reeter' not found"),
        ("/Nope/greet/send", 404, "service 'Nope' not found"),
        ("/restate/call/Nope/greet", 404, "service 'Nope' not found"),
        ("/Greeter/nope", 404, "the handler 'nope' was not found"),
        ("/Counter/k1/zzz", 404, "the handler 'zzz' was not found"),
        ("/Hidden/hush", 400, "not public"),
        ("/Greeter/secret", 400, "not public"),
        ("/Greeter", 400, "bad path: /Greeter"),
        ("/", 400, "bad path: /"),
        ("/Greeter/greet/foo", 400, "bad path"),
        ("/Counter/add", 400, "bad path"),
        ("/Signup/run", 400, "bad path"),
        ("/restate/call/Greeter/greet/send", 400, "bad path, expected /restate/call"),
        ("/Counter/%FF/keyof", 400, "UTF-8"),
        ("/restate/scope/t/call/Greeter/greet", 400, "scoped"),
        ("/restate/nope", 404, "not found"),
    ],
)
def test_what_cannot_be_called(engine, url, status, says):
    response = post(engine, url)
    assert (response.status, response.json["code"]) == (status, status)
    assert response.json["source"] == "ingress"
    assert response.headers["x-restate-error-source"] == "ingress"
    assert says in response.message
    assert "x-restate-id" not in response.headers
    assert engine.invocations == {}


@pytest.mark.parametrize(
    ("handler", "body", "content_type", "says"),
    [
        ("greet", b'"x"', None, "Empty content-type"),
        ("greet", b"x", "text/plain", "'text/plain' does not match 'application/json'"),
        ("greet", b"", JSON, "Empty body"),
        ("noinput", b'"x"', JSON, "takes no input"),
        ("echo", b"x", None, "Empty content-type"),
    ],
)
def test_what_a_handler_does_not_take(engine, handler, body, content_type, says):
    headers = [] if content_type is None else [("content-type", content_type)]
    response = post(engine, f"/Greeter/{handler}", body, headers)
    assert (response.status, engine.invocations) == (400, {})
    assert response.message.startswith("input validation error: ")
    assert says in response.message


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(OverloadedError("too much to do"), 429), (UnavailableError("the log failed"), 503)],
)
def test_the_engine_may_refuse(engine, refusal, status):
    engine.refusal = refusal
    for url in ("/Greeter/greet", "/Greeter/greet/send"):
        response = post(engine, url)
        assert (response.status, response.message) == (status, str(refusal))
        assert int(response.headers["retry-after"]) >= 1
