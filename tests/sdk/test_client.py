import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from perdure.sdk import client_http
from perdure.sdk.client import InvocationOutput, RestateClient, create_client
from perdure.sdk.client_ingress import RestateClientSendHandle
from perdure.sdk.errors import ConnectError, DefinitionError, HttpError
from perdure.sdk.exchanges import Request, Response
from perdure.sdk.services import Service, VirtualObject, Workflow

greeter, counter, signup = Service("Greeter"), VirtualObject("Counter"), Workflow("Signup")


@greeter.handler()
async def greet(ctx: Any, name: str) -> str:
    return name


@greeter.handler()
async def nothing(ctx: Any) -> None:
    pass


@greeter.handler(accept="application/*")
async def lenient(ctx: Any, name: str) -> str:
    return name


@greeter.handler()
async def raw(ctx: Any, body: bytes) -> bytes:
    return body


@greeter.handler(accept="image/*")
async def image(ctx: Any, body: bytes) -> bytes:
    return body


@counter.handler()
async def add(ctx: Any, amount: int) -> int:
    return amount


@signup.main()
async def run(ctx: Any, name: str) -> bool:
    return bool(name)


class Server:
    """Answers in order what it was told to; keeps what it was asked."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answers.pop(0)


def ok(body: bytes = b"", status: int = 200) -> Response:
    return Response(status=status, headers={}, body=body)


ACCEPTED = ok(b'{"invocationId":"inv_1","status":"Accepted"}', 202)
HANDLE = RestateClientSendHandle("inv_1", 202)
JSON = {"content-type": "application/json"}
SECOND = timedelta(seconds=1)


def ask(answer: Response, use: Callable[[RestateClient], Awaitable[Any]]) -> tuple[Any, Request]:
    """Give what a use of the client gives, and what it asked of the server."""

    async def main() -> tuple[Any, Request]:
        server = Server(answer)
        given = await use(RestateClient(server))
        return given, server.requests[0]

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("use", "answer", "given", "path", "body"),
    [
        (lambda c: c.service_call(greet, "x"), b'"y"', "y", "/Greeter/greet", b'"x"'),
        (lambda c: c.object_call(add, "k", 1), b"2", 2, "/Counter/k/add", b"1"),
        (lambda c: c.workflow_call(run, "k", "x"), b"true", True, "/Signup/k/run", b'"x"'),
        (
            lambda c: c.scope("s").service_call(greet, "x"),
            b'"y"',
            "y",
            "/restate/scope/s/call/Greeter/greet",
            b'"x"',
        ),
        (
            lambda c: c.scope("s").object_call(add, "k", 1),
            b"2",
            2,
            "/restate/scope/s/call/Counter/k/add",
            b"1",
        ),
        (
            lambda c: c.scope("s").workflow_call(run, "k", "x"),
            b"true",
            True,
            "/restate/scope/s/call/Signup/k/run",
            b'"x"',
        ),
        (lambda c: c.generic_call("S", "h", b"1", key="k"), b"2", b"2", "/S/k/h", b"1"),
    ],
)
def test_calls(use: Any, answer: bytes, given: Any, path: str, body: bytes):
    result, request = ask(ok(answer), use)
    assert result == given
    assert request == Request(
        path=path, headers=JSON, body=body, holds_value=True, wants_value=True
    )


@pytest.mark.parametrize(
    ("use", "path"),
    [
        (lambda c: c.service_send(greet, "x"), "/Greeter/greet/send"),
        (lambda c: c.service_send(greet, "x", SECOND), "/Greeter/greet/send?delay=1000ms"),
        (lambda c: c.object_send(add, "k", 1, SECOND), "/Counter/k/add/send?delay=1000ms"),
        (lambda c: c.workflow_send(run, "k", "x", SECOND), "/Signup/k/run/send?delay=1000ms"),
        (
            lambda c: c.generic_send("S", "h", b"1", send_delay=SECOND),
            "/S/h/send?delay=1000ms",
        ),
        (
            lambda c: c.scope("s").service_send(greet, "x", SECOND),
            "/restate/scope/s/send/Greeter/greet?delay=1000ms",
        ),
        (
            lambda c: c.scope("s").object_send(add, "k", 1),
            "/restate/scope/s/send/Counter/k/add",
        ),
        (
            lambda c: c.scope("s").workflow_send(run, "k", "x"),
            "/restate/scope/s/send/Signup/k/run",
        ),
    ],
)
def test_sends(use: Any, path: str):
    handle, request = ask(ACCEPTED, use)
    assert handle == HANDLE
    assert request.path == path
    assert request.headers == JSON


def test_keys_and_headers_go_along():
    _, request = ask(
        ok(b'"y"'),
        lambda c: c.scope("s").service_call(
            greet, "x", limit_key="l", idempotency_key="i", headers={"A": "b"}
        ),
    )
    assert request.headers == {
        "a": "b",
        "content-type": "application/json",
        "idempotency-key": "i",
        "x-restate-limit-key": "l",
    }


@pytest.mark.parametrize(
    ("use", "headers"),
    [
        (lambda c: c.service_call(nothing, None), {}),
        (lambda c: c.service_call(greet, None), {}),
        (lambda c: c.service_call(lenient, "x"), JSON),
        (lambda c: c.service_call(raw, b"x"), {"content-type": "application/octet-stream"}),
        (lambda c: c.service_call(image, b"x"), {}),
        (
            lambda c: c.service_call(image, b"x", headers={"content-type": "image/png"}),
            {"content-type": "image/png"},
        ),
    ],
)
def test_content_types(use: Any, headers: dict[str, str]):
    _, request = ask(ok(), use)
    assert request.headers == headers


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda c: c.service_call(add, 1), r"Counter/add cannot .* use the client's object_\*"),
        (lambda c: c.object_call(run, "k", ""), r"use the client's workflow_\*"),
        (lambda c: c.workflow_send(greet, "k", ""), r"use the client's service_\*"),
        (lambda c: c.service_call(print, 1), "is not a handler"),
    ],
)
def test_handlers_of_the_wrong_kind(use: Any, message: str):
    with pytest.raises(DefinitionError, match=message):
        ask(ok(), use)


def test_an_input_that_is_not_taken():
    with pytest.raises(ValueError, match="Greeter/nothing takes no input: pass None"):
        ask(ok(), lambda c: c.service_call(nothing, 1))


def test_a_failure_is_raised():
    failure = Response(status=409, headers={}, body=b'{"code":409,"message":"cancelled"}')
    with pytest.raises(HttpError, match="HTTP 409: cancelled"):
        ask(failure, lambda c: c.service_call(greet, "x"))


def test_an_answer_of_some_other_server_is_no_handle():
    page = Response(status=200, headers={}, body=b"<html>")
    with pytest.raises(HttpError, match=r"HTTP 200: the answer names no invocation: is the client"):
        ask(page, lambda c: c.service_send(greet, "x"))


def test_attaching():
    given, request = ask(ok(b"3"), lambda c: c.attach_invocation("inv_1", type_hint=int))
    assert given == 3
    path = "/restate/invocation/inv_1/attach"
    assert request == Request(path=path, method="GET", headers={}, wants_value=True)
    given, request = ask(ok(b"true"), lambda c: c.workflow_attach(run, "a/b"))
    assert given is True
    assert request.path == "/restate/workflow/Signup/a%2Fb/attach"


def test_outputs():
    given, request = ask(ok(b"3"), lambda c: c.get_invocation_output("inv_1"))
    assert given == InvocationOutput(ready=True, value=3)
    assert request.path == "/restate/invocation/inv_1/output"
    given, request = ask(ok(b"{}", 470), lambda c: c.workflow_output(run, "k"))
    assert given == InvocationOutput(ready=False)
    assert request.path == "/restate/workflow/Signup/k/output"


def test_awakeables():
    _, request = ask(ok(status=202), lambda c: c.resolve_awakeable("sign_1", {"a": 1}))
    assert request == Request(
        path="/restate/awakeables/sign_1/resolve",
        headers=JSON,
        body=b'{"a":1}',
        holds_value=True,
    )
    _, request = ask(ok(status=202), lambda c: c.reject_awakeable("sign_1", "bad luck"))
    assert request.path == "/restate/awakeables/sign_1/reject"
    assert request.body == b"bad luck"


@asynccontextmanager
async def listening(
    answer: bytes,
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve one raw HTTP answer to each connection; give the address and what was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.read(4) if b"content-length: 4" in head.lower() else b""
        asked.append(head + body)
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/prefix", asked


def test_over_http():
    async def main() -> None:
        answer = b'HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\n"y"'
        async with (
            listening(answer) as (url, asked),
            create_client(url, headers={"authorization": "Bearer t"}) as client,
        ):
            assert await client.service_call(greet, "xy", idempotency_key="k") == "y"
        [request] = asked
        assert request.startswith(b"POST /prefix/Greeter/greet HTTP/1.1\r\n")
        assert request.endswith(b'\r\n\r\n"xy"')
        for header in (b"authorization: Bearer t", b"idempotency-key: k"):
            assert header in request

    asyncio.run(main())


def test_without_an_address_the_local_ingress_is_asked(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    connect = client_http.http_exchange

    def noting(url: str, headers: Any) -> Any:
        asked.append(url)
        return connect(url, headers)

    async def main() -> None:
        async with create_client(), create_client(None):
            pass

    monkeypatch.setattr(client_http, "http_exchange", noting)
    asyncio.run(main())
    assert asked == ["http://localhost:8080"] * 2


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc"]
)
def test_a_broken_connection(answer: bytes):
    async def main() -> None:
        async with listening(answer) as (url, _), create_client(url) as client:
            with pytest.raises(ConnectError, match="no answer from"):
                await client.service_call(greet, "xy")

    asyncio.run(main())


def test_nobody_listens():
    async def main() -> None:
        async with listening(b"") as (url, _):
            pass
        async with create_client(url) as client:
            with pytest.raises(ConnectError, match="no answer from"):
                await client.service_call(greet, "xy")

    asyncio.run(main())


def test_an_address_needs_a_scheme():
    async def main() -> None:
        async with create_client("localhost:8080"):
            pass

    with pytest.raises(ValueError, match="such as http://localhost:8080, not 'localhost:8080'"):
        asyncio.run(main())


def test_without_httpx(monkeypatch: pytest.MonkeyPatch):
    async def main() -> None:
        async with create_client():
            pass

    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "perdure.sdk.client_http", raising=False)
    with pytest.raises(ImportError, match=r'pip install "perdure\[client\]"'):
        asyncio.run(main())
