"""What holds for every request: methods, CORS, limits, stopping, clients that go away."""

import asyncio

import pytest
from ingress_support import MANIFEST, TYPED, MemoryEngine, Waiter, ask, get, post, scope_of

from perdure.engine.waiters import APART
from perdure.ingress.app import Ingress
from perdure.protocol.messages import Value


@pytest.fixture
def engine():
    return MemoryEngine()


def request(engine, method, url, headers=(), **options):
    return asyncio.run(ask(Ingress(engine, **options), method, url, b"", headers))


def test_health_names_the_services(engine):
    response = get(engine, "/restate/health")
    names = sorted(service.name for service in MANIFEST.services)
    assert (response.status, response.json) == (200, {"services": names})


def test_health_can_be_asked_without_a_body(engine):
    assert request(engine, "HEAD", "/restate/health").status == 200


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("PUT", "/Greeter/greet", "GET, POST"),
        ("PATCH", "/Greeter/greet", "GET, POST"),
        ("DELETE", "/Greeter/greet", "GET, POST"),
        ("HEAD", "/Greeter/greet", "GET, POST"),
        ("PUT", "/Greeter/greet/send", "GET, POST"),
        ("GET", "/restate/lookup", "POST"),
        ("GET", "/restate/attach", "POST"),
        ("POST", "/restate/attach/inv_1", "GET"),
        ("POST", "/restate/invocation/inv_1/output", "GET"),
        ("POST", "/restate/workflow/Signup/w1/output", "GET"),
        ("GET", "/restate/awakeables/sign_1/resolve", "POST"),
        ("POST", "/restate/health", "GET, HEAD"),
    ],
)
def test_other_methods_are_not_allowed(engine, method, url, allowed):
    response = request(engine, method, url)
    assert (response.status, response.message) == (405, "method not allowed")
    assert response.headers["allow"] == allowed


def test_a_preflight_is_granted_what_it_asks_for(engine):
    asked = [
        ("origin", "http://ex.com"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-foo,content-type"),
    ]
    response = request(engine, "OPTIONS", "/Greeter/greet", asked)
    assert (response.status, response.body) == (200, b"")
    assert response.headers["access-control-allow-origin"] == "http://ex.com"
    assert response.headers["access-control-allow-methods"] == "POST"
    assert response.headers["access-control-allow-headers"] == "x-foo,content-type"


def test_options_are_answered_anywhere(engine):
    assert request(engine, "OPTIONS", "/any/thing/at/all").status == 200


@pytest.mark.parametrize("url", ["/Greeter/greet", "/Nope/greet"])
def test_every_response_names_the_origin(engine, url):
    response = request(engine, "GET", url, [("origin", "http://ex.com")])
    assert response.headers["access-control-allow-origin"] == "http://ex.com"


def test_a_body_over_the_limit_is_refused(engine):
    async def scenario(size):
        app = Ingress(engine, body_bytes_max=4)
        return await ask(app, "POST", "/Greeter/greet", b"x" * size, TYPED)

    assert asyncio.run(scenario(4)).status == 200
    response = asyncio.run(scenario(5))
    assert (response.status, response.json["code"]) == (413, 413)
    assert response.headers["x-restate-error-source"] == "ingress"


def test_a_url_over_the_limit_is_refused(engine):
    response = get(engine, f"/Counter/{'k' * 70_000}/keyof")
    assert (response.status, response.json["source"]) == (414, "ingress")


def test_a_long_key_is_not(engine):
    engine.behaviours["keyof"] = lambda body: Value(body.target.key.encode())
    assert get(engine, f"/Counter/{'k' * 5_000}/keyof").body == b"k" * 5_000


def test_a_draining_ingress_refuses_what_is_new_and_finishes_what_is_not():
    async def scenario():
        engine = MemoryEngine()
        app = Ingress(engine)
        waiting = asyncio.ensure_future(ask(app, "POST", "/Greeter/slow", b'"x"', TYPED))
        await asyncio.sleep(0)
        app.drain()
        refused = await ask(app, "POST", "/Greeter/slow", b'"y"', TYPED)
        (invocation_id,) = engine.invocations
        engine.finish(invocation_id, Value(b'"done"'))
        return refused, await waiting

    refused, finished = asyncio.run(scenario())
    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["connection"] == "close"
    assert finished.body == b'"done"'


def test_a_request_that_the_server_cancels_is_told_so():
    async def scenario():
        engine = MemoryEngine()
        waiting = asyncio.ensure_future(
            ask(Ingress(engine), "POST", "/Greeter/slow", b'"x"', TYPED)
        )
        await asyncio.sleep(0)
        waiting.cancel()
        return engine, await waiting

    engine, response = asyncio.run(scenario())
    assert response.status == 503
    assert "attach to it later" in response.message
    assert engine.forgotten == list(engine.invocations)


def test_a_request_that_is_cancelled_before_it_is_durable_is_told_to_come_again():
    async def scenario():
        engine = MemoryEngine()
        engine.begin_call = lambda _body, _on_answer: Waiter(engine, APART)
        headers = [*TYPED, ("idempotency-key", "k")]
        waiting = asyncio.ensure_future(
            ask(Ingress(engine), "POST", "/Greeter/slow", b'"x"', headers)
        )
        await asyncio.sleep(0)
        waiting.cancel()
        return await waiting

    response = asyncio.run(scenario())
    assert response.status == 503
    assert "send the request again" in response.message


def test_a_request_that_is_cancelled_before_it_is_read_is_told_so():
    async def scenario():
        silence = asyncio.get_running_loop().create_future()
        engine = MemoryEngine()

        async def receive():
            return await silence

        sent = []

        async def send(message):
            sent.append(message)

        scope = scope_of("POST", "/Greeter/greet", TYPED)
        waiting = asyncio.ensure_future(Ingress(engine)(scope, receive, send))
        await asyncio.sleep(0)
        waiting.cancel()
        await waiting
        return engine.invocations, sent[0]["status"]

    assert asyncio.run(scenario()) == ({}, 503)


def test_a_client_that_goes_away_within_its_body_invokes_nothing(engine):
    events = [
        {"type": "http.request", "body": b'"x', "more_body": True},
        {"type": "http.disconnect"},
    ]
    asked = ask(Ingress(engine), "POST", "/Greeter/greet", headers=TYPED, events=events)
    assert asyncio.run(asked) is None
    assert engine.invocations == {}


def test_the_unexpected_is_answered_and_logged(engine, caplog):
    def broken(_body):
        raise RuntimeError("the secret cause")

    engine.behaviours["greet"] = broken
    response = post(engine, "/Greeter/greet", b'"secret input"')
    assert (response.status, response.json["source"]) == (500, "ingress")
    assert "secret" not in response.message
    assert "the secret cause" in caplog.text
    assert "secret input" not in caplog.text


def test_other_protocols_are_refused(engine):
    async def scenario():
        scope = {**scope_of("GET", "/", ()), "type": "websocket"}
        await Ingress(engine)(scope, None, None)

    with pytest.raises(ValueError, match="HTTP only"):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    "changes",
    [
        {"raw_path": None},
        {"root_path": "/mounted", "path": "/mounted/Counter/k1/keyof", "raw_path": None},
        {"root_path": "/mounted", "raw_path": b"/mounted/Counter/k1/keyof"},
        {"root_path": "/mounted", "raw_path": b"/Counter/k1/keyof"},
    ],
)
def test_the_path_is_found_below_any_mount_point(engine, changes):
    engine.behaviours["keyof"] = lambda body: Value(body.target.key.encode())
    response = asyncio.run(ask(Ingress(engine), "GET", "/Counter/k1/keyof", changes=changes))
    assert response.body == b"k1"
