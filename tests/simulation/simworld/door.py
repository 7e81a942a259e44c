"""Requests through the ingress itself, as HTTP, where others go to the engine directly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from perdure.engine.errors import UnavailableError
from perdure.engine.requests import Answer, Requests
from perdure.ingress.app import Ingress
from perdure.ingress.watching import DISCONNECT_EXTENSION
from perdure.protocol.messages import Failure, Value
from simworld.violations import Violation

#: What a door says when it takes nothing now.
REFUSED = frozenset({429, 503})


class ErrorBody(msgspec.Struct):
    """What the ingress says of an error."""

    message: str
    code: int = 0
    source: str = ""
    metadata: dict[str, str] = {}


async def call(requests: Requests, path: tuple[str, ...], argument: bytes, once: str) -> Answer:
    """Call a handler under an idempotency key, and wait for its result.

    Raises:
        UnavailableError: the server takes no requests now.
        Violation: it answers as it may not.
    """
    url = "/" + "/".join(map(quote, path))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(argument)),
        (b"idempotency-key", once.encode()),
    ]
    visit = Visit(url.encode(), headers, argument)
    status, body = await visit.through(Ingress(requests))
    if status == 200:
        return Answer(Value(body))
    error = msgspec.json.decode(body, type=ErrorBody)
    if error.source == "invocation":
        return Answer(Failure(error.code, error.message, tuple(error.metadata.items())))
    if status in REFUSED:
        raise UnavailableError(error.message)
    raise Violation("door", f"{url} is answered with {status} {error.message}")


class Visit:
    """One request over HTTP."""

    def __init__(self, url: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._body: bytes | None = body
        self._leave: Callable[[], None] | None = None
        self._status = 0
        self._reply = b""
        self._scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": url.decode(),
            "raw_path": url,
            "query_string": b"",
            "headers": headers,
            "extensions": {DISCONNECT_EXTENSION: self._watch},
        }

    async def through(self, ingress: Ingress) -> tuple[int, bytes]:
        """Give status and body of the answer; who is cancelled meanwhile was not there for it."""
        loop = asyncio.get_running_loop()
        served = loop.create_task(ingress(self._scope, self._receive, self._send))
        try:
            await asyncio.shield(served)
        except asyncio.CancelledError:
            if self._leave is not None:
                self._leave()
            raise
        return self._status, self._reply

    def _watch(self, leave: Callable[[], None] | None) -> None:
        self._leave = leave

    async def _receive(self) -> dict[str, Any]:
        body, self._body = self._body, None
        assert body is not None, "the door reads a request once"
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, event: Any) -> None:
        self._status = event.get("status", self._status)
        self._reply += event.get("body", b"")
