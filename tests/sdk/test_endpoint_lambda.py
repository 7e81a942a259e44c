import base64
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import zstandard
from endpoint_support import content_type, decoded, encoded, journal

import perdure
from perdure.aws_lambda import LambdaHandler, wrap_asgi_as_lambda_handler
from perdure.protocol.messages import End, Future, Output, Run, Sleep, Suspension, Value

events: list[str] = []


@asynccontextmanager
async def lifespan():
    events.append("entered")
    yield
    events.append("left")


@pytest.fixture
def function() -> Iterator[LambdaHandler]:
    service = perdure.Service("S")

    @service.handler()
    async def greet(ctx: perdure.Context, name: str) -> str:
        return f"Hello {name}"

    @service.handler()
    async def nap(ctx: perdure.Context) -> None:
        await ctx.run_typed("in a thread", lambda: None)
        await ctx.sleep(timedelta(seconds=1))

    @service.handler()
    async def repeat(ctx: perdure.Context, name: str) -> str:
        return name * 2_000_000

    events.clear()
    made = wrap_asgi_as_lambda_handler(perdure.app([service], lifespan=lifespan))
    yield made
    made.close()
    assert events in ([], ["entered", "left"])


def event(path: str, body: bytes = b"", **headers: str) -> dict[str, Any]:
    return {
        "path": path,
        "httpMethod": "POST" if path.startswith("/invoke") else "GET",
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def invoke(function: LambdaHandler, handler: str, body: bytes, **headers: str) -> Any:
    return function(
        event(f"/invoke/S/{handler}", body, Content_Type=content_type(6), **headers), None
    )


def test_discovery(function: LambdaHandler):
    reply = function(event("/discover"), None)
    assert reply["statusCode"] == 200
    manifest = msgspec.json.decode(base64.b64decode(reply["body"]))
    assert manifest["protocolMode"] == "REQUEST_RESPONSE"
    assert manifest["lambdaCompression"] == "zstd"


def test_invocations_share_a_loop_and_a_lifespan(function: LambdaHandler):
    for _ in range(2):
        reply = invoke(function, "greet", encoded(journal()))
        assert reply["statusCode"] == 200
        assert reply["headers"]["content-type"] == content_type(6)
        assert reply["headers"]["x-restate-server"].startswith("perdure-sdk/")
        messages = decoded(base64.b64decode(reply["body"]))
        assert messages == [Output(Value(b'"Hello Ada"')), End()]
    assert events == ["entered"]


def test_attempts_suspend(function: LambdaHandler):
    reply = invoke(function, "nap", encoded(journal()))
    run, proposal, suspension = decoded(base64.b64decode(reply["body"]))
    assert isinstance(run, Run)
    assert proposal.result_completion_id == 1
    assert suspension == Suspension(Future((1,), (1,)))


def test_large_answers_are_compressed(function: LambdaHandler):
    plain = invoke(function, "repeat", encoded(journal()))
    packed = invoke(function, "repeat", encoded(journal()), accept_encoding="zstd")
    assert "content-encoding" not in plain["headers"]
    assert packed["headers"]["content-encoding"] == "zstd"
    body = base64.b64decode(packed["body"])
    assert zstandard.ZstdDecompressor().decompress(body) == base64.b64decode(plain["body"])


def test_compressed_requests(function: LambdaHandler):
    body = zstandard.ZstdCompressor().compress(encoded(journal()))
    reply = invoke(function, "greet", body, content_encoding="zstd")
    assert decoded(base64.b64decode(reply["body"]))[-1] == End()


def test_requests_that_only_say_that_they_are_compressed(function: LambdaHandler):
    reply = invoke(function, "greet", b"nonsense", content_encoding="zstd")
    assert reply["statusCode"] == 400
    assert b"not compressed with zstd" in base64.b64decode(reply["body"])


def test_refusals(function: LambdaHandler):
    assert function(event("/nix"), None)["statusCode"] == 404
    assert invoke(function, "nix", b"")["statusCode"] == 404


def test_an_event_that_is_no_request(function: LambdaHandler):
    with pytest.raises(ValueError, match=r"no httpMethod or no path, .*: register the function"):
        function({"key1": "value1"})


def test_what_has_no_body(function: LambdaHandler):
    request = {
        **event("/invoke/S/greet"),
        "body": None,
        "headers": {"content-type": content_type(6)},
    }
    (error,) = decoded(base64.b64decode(function(request)["body"]))
    assert error.code == 571
    assert not isinstance(error, Sleep)
