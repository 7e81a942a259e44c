"""What the client asks of the ingress, as values: requests to send and answers to read.

An :data:`Exchange` carries a request to a server and brings the answer back. One speaks HTTP; an
application that embeds the server, or a test, brings its own.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from urllib.parse import quote

import msgspec

from perdure.sdk.durations import milliseconds
from perdure.sdk.errors import HttpError
from perdure.sdk.journal_codec import JournalValueCodec

#: Says that a result is not there yet.
STATUS_NOT_READY: Final = 470
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request to the ingress."""

    path: str
    """Path and query, percent-encoded."""
    method: str = "POST"
    headers: Mapping[str, str]
    """Headers; their names are in lower case."""
    body: bytes = b""
    holds_value: bool = False
    """Whether the body is a value of the application."""
    wants_value: bool = False
    """Whether the body of a good answer is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """The answer to a request."""

    status: int
    headers: Mapping[str, str]
    """Headers; their names are in lower case."""
    body: bytes


#: Carries a request to the server and its answer back; raises ConnectError if it cannot.
Exchange = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The handler that a request is for."""

    service: str
    handler: str
    key: str | None = None
    scope: str | None = None

    def path(self, verb: str) -> str:
        """Give the path that calls (``call``) or sends to (``send``) the handler."""
        key = () if self.key is None else (segment(self.key),)
        address = "/".join((self.service, *key, self.handler))
        if self.scope is not None:
            return f"/restate/scope/{segment(self.scope)}/{verb}/{address}"
        return f"/{address}" if verb == "call" else f"/{address}/{verb}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Postage:
    """What goes with the input of a request."""

    headers: Mapping[str, str] | None = None
    idempotency_key: str | None = None
    limit_key: str | None = None
    content_type: str | None = None
    """Type of the input; the headers may say it, too."""
    delay: timedelta | None = None
    """How long a send waits before the handler runs."""


class _Failure(msgspec.Struct):
    message: str


class _Accepted(msgspec.Struct, rename="camel"):
    invocation_id: str


def call_request(target: Target, body: bytes, postage: Postage) -> Request:
    """Give the request that calls a handler and waits for its output.

    Raises:
        TypeError: a key or header is no text.
        ValueError: a header, idempotency key or limit key cannot stand in a header, or the limit
            key lacks a scope.
    """
    return Request(
        path=target.path("call"),
        headers=_headers(target, body, postage),
        body=body,
        holds_value=True,
        wants_value=True,
    )


def send_request(target: Target, body: bytes, postage: Postage) -> Request:
    """Give the request that invokes a handler, after a delay if there is one.

    Raises:
        TypeError: as for :func:`call_request`, or the delay is no duration.
        ValueError: as for :func:`call_request`, or the delay is negative.
    """
    path = target.path("send")
    if postage.delay is not None:
        delay_ms = milliseconds(postage.delay)
        if delay_ms < 0:
            raise ValueError("send_delay must not be negative")
        path += f"?delay={delay_ms}ms"
    headers = _headers(target, body, postage)
    return Request(path=path, headers=headers, body=body, holds_value=True)


def segment(text: str) -> str:
    """Give a text as one segment of a path.

    Raises:
        TypeError: it is no text.
    """
    _check_text("a key", text)
    # Dots alone would be taken for steps within the path.
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def read_answer(response: Response) -> bytes:
    """Give the body of a good answer.

    Raises:
        HttpError: the answer is an error.
    """
    if is_good(response):
        return response.body
    try:
        message = msgspec.json.decode(response.body, type=_Failure).message
    except msgspec.MsgspecError:
        message = _explained(response)
    raise HttpError(response.status, message, response.body.decode(errors="replace"))


def read_accepted(response: Response) -> str:
    """Give the id of the invocation that a good answer names.

    Raises:
        HttpError: the answer is an error, or that of some other server.
    """
    body = read_answer(response)
    try:
        return msgspec.json.decode(body, type=_Accepted).invocation_id
    except msgspec.MsgspecError as error:
        raise HttpError(
            response.status,
            "the answer names no invocation: is the client's address that of the ingress?",
            body.decode(errors="replace"),
        ) from error


def is_good(response: Response) -> bool:
    """Tell whether an answer is what was asked for, and no error."""
    # A terminal error may carry any status, 200 among them: the header tells in any case.
    return 200 <= response.status < 300 and "x-restate-error-source" not in response.headers


def coded(exchange: Exchange, codec: JournalValueCodec) -> Exchange:
    """Give an exchange whose values are encoded for the server, and decoded for the caller."""

    async def coded_exchange(request: Request) -> Response:
        if request.holds_value:
            request = replace(request, body=codec.encode(request.body))
        response = await exchange(request)
        if request.wants_value and is_good(response):
            response = replace(response, body=await codec.decode(response.body))
        return response

    return coded_exchange


def _explained(response: Response) -> str:
    """Say what an answer means that does not say so itself."""
    location = response.headers.get("location")
    if response.status < 400 and location is not None:
        return f"it leads to {location}: give the client the address of the ingress itself"
    return "the server refused the request"


def _headers(target: Target, body: bytes, postage: Postage) -> dict[str, str]:
    headers = _own_headers(postage.headers or {})
    # A body that is not there has no type: the ingress refuses one of a type that is empty.
    if body and postage.content_type is not None:
        headers.setdefault("content-type", postage.content_type)
    if postage.idempotency_key is not None:
        headers["idempotency-key"] = _header_text("idempotency_key", postage.idempotency_key)
    if postage.limit_key is not None:
        if target.scope is None:
            raise ValueError("limit_key needs a scope: give one, or leave limit_key out")
        headers["x-restate-limit-key"] = _header_text("limit_key", postage.limit_key)
    return headers


def _own_headers(given: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise TypeError(f"headers are a dict, not {type(given).__name__}")
    headers = {}
    for name, value in given.items():
        _check_text("the name of a header", name)
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a header: write letters and dashes")
        headers[name.lower()] = _header_text(f"the header {name!r}", value)
    return headers


def _check_text(what: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a string, not {type(value).__name__}: write str(...)")


def _header_text(name: str, text: str) -> str:
    _check_text(name, text)
    if text.isascii() and text.replace("\t", " ").isprintable():
        return text
    raise ValueError(f"{name} must be of visible ASCII characters, to stand in a header")
