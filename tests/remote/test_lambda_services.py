"""Services on AWS Lambda: registered, invoked and retried, in our SDK and in the official one."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fake_aws import ASSUMED, OWN, REGION, ROLE, ApiError, FakeAws, FunctionError, arn, fake_aws
from peer_languages import NODE, TYPESCRIPT, MissingError, build_typescript
from remote_world import eventually, play, serving

import perdure
from perdure.aws_lambda import wrap_asgi_as_lambda_handler
from perdure.core.model.lambda_arns import parse_lambda_arn
from perdure.transport.exchanges import Request
from perdure.transport.lambda_client import Function, LambdaClient, LambdaOptions

MANIFEST = {
    "protocolMode": "REQUEST_RESPONSE",
    "minProtocolVersion": 5,
    "maxProtocolVersion": 7,
    "services": [{"name": "Tools", "ty": "SERVICE", "handlers": [{"name": "greet"}]}],
}
V4 = "application/vnd.restate.endpointmanifest.v4+json"


def make_services(sdk):
    """Write the services in whichever of the SDKs, whose names are the same."""
    tools, counter = sdk.Service("Tools"), sdk.VirtualObject("Counter")

    @tools.handler()
    async def greet(ctx, name: str) -> str:
        return f"Hello {name}"

    @tools.handler()
    async def steps(ctx, count: int) -> int:
        return sum(
            [await ctx.run_typed(f"s{each}", lambda each=each: each) for each in range(count)]
        )

    @tools.handler()
    async def nap(ctx, milliseconds: int) -> str:
        await ctx.sleep(timedelta(milliseconds=milliseconds))
        return "rested"

    @tools.handler()
    async def length(ctx, text: str) -> str:
        return text[::-1]

    @counter.handler()
    async def add(ctx, amount: int) -> int:
        total = (await ctx.get("total", type_hint=int) or 0) + amount
        ctx.set("total", total)
        return total

    return sdk.app([tools, counter])


@pytest.fixture
def aws(monkeypatch):
    with fake_aws() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", OWN.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OWN.secret_key)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        yield made


@pytest.fixture
def ours():
    handler = wrap_asgi_as_lambda_handler(make_services(perdure))
    yield lambda event: handler(event, None)
    handler.close()


@pytest.fixture
def theirs():
    restate = pytest.importorskip("restate", reason="restate-sdk is not installed")
    from restate.aws_lambda import wrap_asgi_as_lambda_handler as wrapped

    # The wrapper makes a loop for the thread that it is called in.
    with ThreadPoolExecutor(1) as thread:
        handler = thread.submit(wrapped, make_services(restate)).result()
        yield lambda event: thread.submit(handler, event, None).result()
        thread.submit(lambda: asyncio.get_event_loop().close()).result()


@pytest.fixture
def typescript():
    try:
        build_typescript()
    except MissingError as missing:
        pytest.skip(str(missing))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([NODE, "lambda.mjs"], cwd=TYPESCRIPT, **pipes) as child:

        def call(event):
            child.stdin.write(json.dumps(event).encode() + b"\n")
            child.stdin.flush()
            return json.loads(child.stdout.readline())

        yield call
        child.terminate()


def scripted(*replies):
    """Make a function that answers discovery, and then in turn whatever is told."""
    left = list(replies)

    def function(event):
        if event["path"].endswith("/discover"):
            return reply(json.dumps(MANIFEST).encode(), {"Content-Type": V4})
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return function


def reply(body: bytes, headers: dict, status: int = 200) -> dict:
    text = base64.b64encode(body).decode()
    return {"statusCode": status, "headers": headers, "body": text, "isBase64Encoded": True}


@pytest.mark.parametrize("sdk", ["ours", "theirs", "typescript"])
def test_services_of_any_sdk_run_on_lambda(aws: FakeAws, sdk, request):
    async def scenario():
        aws.functions["shop"] = request.getfixturevalue(sdk)
        async with serving() as world:
            deployment = await world.registered(arn("shop"))
            shown = (await world.ask("GET", f"/deployments/{deployment}")).json()
            assert shown["arn"] == arn("shop")
            assert "uri" not in shown
            assert (await world.call("/Tools/greet", "Ada")).json() == "Hello Ada"
            assert (await world.call("/Tools/steps", 3)).json() == 3
            assert (await world.call("/Tools/nap", 30)).json() == "rested"
            totals = [(await world.call("/Counter/k/add", each)).json() for each in (1, 2)]
            assert totals == [1, 3]
        assert {each[:2] for each in aws.invocations} == {("shop", "live")}

    play(scenario())


def test_long_bodies_travel_compressed(aws: FakeAws, ours):
    async def scenario():
        aws.functions["shop"] = ours
        async with serving(compression_threshold_bytes=100_000) as world:
            deployment = await world.registered(arn("shop"))
            shown = (await world.ask("GET", f"/deployments/{deployment}")).json()
            assert shown["compression"] == "Zstd"
            assert (await world.call("/Tools/length", "short")).json() == "trohs"
            text = "0123456789" * 500_000
            assert (await world.call("/Tools/length", text)).json() == text[::-1]
        discovery, short, long = aws.events
        assert "accept-encoding" not in discovery["headers"]
        assert short["headers"]["accept-encoding"] == "zstd"
        assert "content-encoding" not in short["headers"]
        assert long["headers"]["content-encoding"] == "zstd"
        assert len(long["body"]) < 100_000

    play(scenario())


def test_a_role_is_assumed_once(aws: FakeAws, ours):
    async def scenario():
        aws.functions["shop"] = ours
        async with serving(aws_external_id="x-7") as world:
            deployment = await world.registered(arn("shop"), assume_role_arn=ROLE)
            shown = (await world.ask("GET", f"/deployments/{deployment}")).json()
            assert shown["assume_role_arn"] == ROLE
            assert (await world.call("/Tools/greet", "Ada")).json() == "Hello Ada"
        assert {each[2] for each in aws.invocations} == {ASSUMED.access_key}
        (asked,) = aws.roles
        assert (asked["ExternalId"], asked["RoleArn"]) == ("x-7", ROLE)

    play(scenario())


def test_a_role_may_be_changed_in_place(aws: FakeAws, ours):
    async def scenario():
        aws.functions["shop"] = ours
        async with serving() as world:
            deployment = await world.registered(arn("shop"))
            changed = await world.ask(
                "PATCH", f"/deployments/{deployment}", {"assume_role_arn": ROLE}
            )
            assert changed.json()["assume_role_arn"] == ROLE
            assert (await world.call("/Tools/greet", "Ada")).status_code == 200
        assert [each[2] for each in aws.invocations] == [OWN.access_key, ASSUMED.access_key]

    play(scenario())


def test_a_deployment_moves_to_another_version_of_its_function(aws: FakeAws, ours):
    async def scenario():
        aws.functions["shop"] = ours
        async with serving() as world:
            deployment = await world.registered(arn("shop", "1"))
            moved = await world.ask(
                "PATCH", f"/deployments/{deployment}", {"arn": arn("shop", "$LATEST")}
            )
            assert moved.json()["arn"] == arn("shop", "$LATEST")
            assert (await world.call("/Tools/greet", "Ada")).status_code == 200
        assert [each[1] for each in aws.invocations] == ["1", "$LATEST", "$LATEST"]

    play(scenario())


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"arn": "foo"}, 400, "must have 8 components delimited by `:`"),
        ({"arn": arn("shop").rpartition(":")[0]}, 400, "needs a version or alias suffix"),
        ({"arn": arn("shop").replace("lambda", "s3")}, 400, "must begin like arn:aws:lambda"),
        ({"arn": arn("shop").replace(REGION, "moon")}, 400, "'moon' is no region"),
        ({"arn": arn("shop"), "uri": "http://h/"}, 400, "either an uri or an arn"),
        ({"arn": arn("shop"), "assume_role_arn": "me"}, 400, "'me' is no role"),
        ({"uri": "http://h/", "assume_role_arn": ROLE}, 400, "only Lambda functions"),
        ({}, 422, "uri: missing"),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused(body, status, said):
    async def scenario():
        async with serving() as world:
            response = await world.ask("POST", "/deployments", body)
            assert response.status_code == status
            assert said in response.json()["message"]

    play(scenario())


@pytest.mark.parametrize(
    ("function", "code", "said"),
    [
        (None, "META0003", "AWS answers 404 (ResourceNotFoundException)"),
        (FunctionError("no module named shop"), "META0003", "no module named shop"),
        (ApiError(403, "AccessDeniedException"), "META0003", "AccessDeniedException happened"),
        ({"statusCode": 200, "body": "%%", "isBase64Encoded": True}, "META0003", "cannot be read"),
        ({"no": "status"}, "META0003", "cannot be read"),
        (reply(b"no", {}, 404), "META0003", "HTTP status 404"),
        (reply(b"{}", {"content-type": V4}), "META0013", "cannot be used"),
        (
            reply(
                json.dumps(MANIFEST | {"protocolMode": "BIDI_STREAM"}).encode(),
                {"content-type": V4},
            ),
            "META0015",
            "REQUEST_RESPONSE",
        ),
        (reply(b"x", {"content-type": V4, "content-encoding": "zstd"}), "META0003", "zstd"),
    ],
)
def test_a_function_that_cannot_be_discovered_is_told_with_its_code(aws, function, code, said):
    def answer(_event):
        if isinstance(function, Exception):
            raise function
        return function

    async def scenario():
        if function is not None:
            aws.functions["shop"] = answer
        async with serving() as world:
            response = await world.register(arn("shop"))
            assert response.status_code == 500
            assert response.json()["restate_code"] == code
            assert said in response.json()["message"]

    play(scenario())


def test_without_credentials_it_is_told_which_to_give(aws: FakeAws, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    async def scenario():
        async with serving() as world:
            response = await world.register(arn("shop"))
            assert response.json()["restate_code"] == "META0003"
            assert "set AWS_ACCESS_KEY_ID" in response.json()["message"]

    play(scenario())


def test_a_role_that_is_refused_is_told(aws: FakeAws):
    async def scenario():
        async with serving() as world:
            response = await world.register(arn("shop"), assume_role_arn=ROLE + "-of-others")
            assert response.json()["restate_code"] == "META0003"
            assert "AccessDenied" in response.json()["message"]

    play(scenario())


@pytest.mark.parametrize(
    ("answer", "doc_code"),
    [
        (FunctionError("out of memory"), "RT0010"),
        (ApiError(429, "TooManyRequestsException"), "RT0023"),
        (ApiError(413, "RequestTooLargeException"), "RT0019"),
        (ApiError(500, "ServiceException"), "RT0010"),
        (reply(b"", {}, 415), "RT0015"),
        (reply(b"", {"content-type": "text/plain"}), "RT0012"),
        ({"statusCode": "what"}, "RT0010"),
    ],
)
def test_an_attempt_that_fails_is_tried_again(aws: FakeAws, ours, answer, doc_code):
    failures = [answer]

    def flaky(event):
        if not event["path"].endswith("/discover") and failures:
            failure = failures[0]
            if isinstance(failure, Exception):
                raise failure
            return failure
        return ours(event)

    async def scenario():
        aws.functions["shop"] = flaky
        async with serving() as world:
            await world.registered(arn("shop"))
            invocation = await world.send("/Tools/greet", "Ada")
            shown = await eventually(
                lambda: world.shown(invocation), lambda each: each.get("last_failure") is not None
            )
            assert shown["last_failure_error_code"] == doc_code
            failures.clear()
            assert (await world.result(invocation)).json() == "Hello Ada"

    play(scenario())


def test_first_invocations_that_come_together_share_their_connections_with_later_ones(aws):
    aws.functions["shop"] = scripted()
    function = Function(parse_lambda_arn(arn("shop")), None, compresses=False)
    request = Request("GET", "/discover", (("accept", V4),))

    async def scenario():
        client = LambdaClient(LambdaOptions())
        for _ in range(3):
            together = (client.invoke(function, request, b"") for _ in range(4))
            assert [answer.status for answer in await asyncio.gather(*together)] == [200] * 4
        assert aws.connections <= 4
        await client.close()

    play(scenario())
