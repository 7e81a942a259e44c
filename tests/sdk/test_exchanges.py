from datetime import timedelta
from typing import Any

import pytest

from perdure.sdk.errors import HttpError
from perdure.sdk.exchanges import (
    Postage,
    Request,
    Response,
    Target,
    call_request,
    read_answer,
    send_request,
)

GREET = Target(service="Greeter", handler="greet")
JSON = Postage(content_type="application/json")


@pytest.mark.parametrize(
    ("target", "call", "send"),
    [
        (GREET, "/Greeter/greet", "/Greeter/greet/send"),
        (
            Target(service="C", handler="add", key="a/b ü?"),
            "/C/a%2Fb%20%C3%BC%3F/add",
            "/C/a%2Fb%20%C3%BC%3F/add/send",
        ),
        (Target(service="C", handler="add", key=""), "/C//add", "/C//add/send"),
        (Target(service="C", handler="add", key=".."), "/C/%2E%2E/add", "/C/%2E%2E/add/send"),
        (
            Target(service="C", handler="add", key="k", scope="s"),
            "/restate/scope/s/call/C/k/add",
            "/restate/scope/s/send/C/k/add",
        ),
    ],
)
def test_paths(target: Target, call: str, send: str):
    assert call_request(target, b"", JSON).path == call
    assert send_request(target, b"", JSON).path == send


@pytest.mark.parametrize(
    ("delay", "query"),
    [
        (timedelta(seconds=1.5), "?delay=1500ms"),
        (timedelta(0), "?delay=0ms"),
        (timedelta(days=400), "?delay=34560000000ms"),
        (None, ""),
    ],
)
def test_delays_have_a_unit(delay: timedelta | None, query: str):
    request = send_request(GREET, b"", Postage(delay=delay))
    assert request.path == f"/Greeter/greet/send{query}"


def test_a_request_has_its_headers():
    postage = Postage(
        headers={"X-Mine": "1"}, idempotency_key="key", content_type="application/json"
    )
    assert call_request(GREET, b"1", postage) == Request(
        path="/Greeter/greet",
        headers={"x-mine": "1", "idempotency-key": "key", "content-type": "application/json"},
        body=b"1",
        holds_value=True,
        wants_value=True,
    )


def test_the_content_type_of_the_headers_wins():
    postage = Postage(headers={"Content-Type": "text/plain"}, content_type="application/json")
    assert call_request(GREET, b"1", postage).headers == {"content-type": "text/plain"}


def test_no_body_has_no_type():
    assert call_request(GREET, b"", JSON).headers == {}


def test_a_limit_key_goes_with_a_scope():
    scoped = Target(service="Greeter", handler="greet", scope="s")
    request = call_request(scoped, b"", Postage(limit_key="a/b"))
    assert request.headers == {"x-restate-limit-key": "a/b"}


@pytest.mark.parametrize(
    ("postage", "message"),
    [
        (Postage(limit_key="a"), "limit_key needs a scope"),
        (Postage(idempotency_key="ü"), "idempotency_key must be of visible ASCII"),
        (Postage(idempotency_key="a\nb"), "idempotency_key must be of visible ASCII"),
        (Postage(headers={"x-name": "Zoë"}), "header 'x-name' must be of visible ASCII"),
        (Postage(headers={"x-name": "a\r\nb: c"}), "header 'x-name' must be of visible ASCII"),
        (Postage(headers={"x name": "a"}), "'x name' cannot be the name of a header"),
        (Postage(delay=timedelta(-1)), "send_delay must not be negative"),
    ],
)
def test_what_cannot_be_sent(postage: Postage, message: str):
    with pytest.raises(ValueError, match=message):
        send_request(GREET, b"", postage)


@pytest.mark.parametrize(
    ("target", "postage", "message"),
    [
        (Target(service="S", handler="h", key=5), Postage(), "a key is a string, not int"),
        (Target(service="S", handler="h"), Postage(headers=["h"]), "headers are a dict, not list"),
        (
            Target(service="S", handler="h"),
            Postage(headers={"h": 1}),
            "the header 'h' is a string, not int: write str(...)",
        ),
        (
            Target(service="S", handler="h"),
            Postage(idempotency_key=5),
            "idempotency_key is a string, not int: write str(...)",
        ),
        (Target(service="S", handler="h"), Postage(delay=5), "a duration is a timedelta, not 5"),
    ],
)
def test_what_is_of_the_wrong_type(target: Any, postage: Any, message: str):
    with pytest.raises(TypeError) as refused:
        send_request(target, b"", postage)
    assert message in str(refused.value)


def test_a_good_answer_is_its_body():
    assert read_answer(Response(status=200, headers={}, body=b"1")) == b"1"


@pytest.mark.parametrize(
    ("status", "headers", "body", "message"),
    [
        (404, {}, b'{"code":404,"message":"not found"}', "not found"),
        (200, {"x-restate-error-source": "invocation"}, b'{"message":"odd"}', "odd"),
        (413, {}, b"length limit exceeded", "the server refused the request"),
        (500, {}, b"\xff", "the server refused the request"),
        (
            302,
            {"location": "/login"},
            b"",
            "it leads to /login: give the client the address of the ingress itself",
        ),
        (304, {}, b"", "the server refused the request"),
    ],
)
def test_an_error_is_raised(status: int, headers: Any, body: bytes, message: str):
    with pytest.raises(HttpError) as caught:
        read_answer(Response(status=status, headers=headers, body=body))
    error = caught.value
    assert (error.status_code, error.message) == (status, message)
    assert error.body == body.decode(errors="replace")
