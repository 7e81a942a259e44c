"""The ingress behind any ASGI server: a request that is received piece by piece, and awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from perdure.ingress.exchanges import Exchange
from perdure.ingress.watching import Receive, WatchDisconnect
from perdure.protocol.direct_http import Header, OnBody

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AsgiHead(Struct, frozen=True, gc=False):
    """What a request says before its body."""

    method: str
    raw_path: bytes
    query: bytes
    headers: Sequence[Header]


def head_of(scope: Scope) -> AsgiHead:
    """Read the head of a request."""
    return AsgiHead(scope["method"], _raw_path(scope), scope["query_string"], scope["headers"])


def _raw_path(scope: Scope) -> bytes:
    """Give the path below the point where the ingress is mounted, still percent-encoded."""
    # Servers that do not keep the raw path leave only the decoded one.
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    root_path: str = scope.get("root_path", "")
    return path.removeprefix(root_path.encode()) if root_path else path


class AsgiClient:
    """Who waits behind an ASGI server.

    Args:
        receive: gives the next event of the request.
        send: takes the next event of the answer.
    """

    __slots__ = ("_answer", "_on_body", "_on_disconnect", "_over", "_receive", "_send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._on_body: OnBody | None = None
        self._on_disconnect: Callable[[], None] | None = None
        self._answer: tuple[int, Sequence[Header], bytes] | None = None
        #: Done when there is an answer, or nobody to take it.
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def listen(self, on_body: OnBody, on_disconnect: Callable[[], None]) -> None:
        """Have the body brought, and the client's end told."""
        self._on_body = on_body
        self._on_disconnect = on_disconnect

    def respond(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Have an answer sent."""
        length = (b"content-length", b"%d" % len(body))
        self._answer = status, [*headers, length], body
        self._finish()

    async def serve(self, exchange: Exchange, watch_disconnect: WatchDisconnect) -> None:
        """Bring what the exchange waits for, and send its answer."""
        try:
            await self._bring_body()
            await self._wait(watch_disconnect)
        except asyncio.CancelledError:
            # A server cancels a request only when it stops and has given it time. That is obeyed
            # by answering, so that the client knows how to come back.
            exchange.stop()
        if self._answer is not None:
            status, headers, body = self._answer
            head = {"type": "http.response.start", "status": status, "headers": headers}
            await self._send(head)
            await self._send({"type": "http.response.body", "body": body})

    async def _bring_body(self) -> None:
        on_body, more = self._on_body, True
        while on_body is not None and more and not self._over.done():
            message = await self._receive()
            if message["type"] != "http.request":
                self._leave()
                return
            more = message.get("more_body", False)
            on_body(message.get("body", b""), more)

    async def _wait(self, watch_disconnect: WatchDisconnect) -> None:
        if self._over.done():
            return
        watch_disconnect(self._leave)
        try:
            await self._over
        finally:
            watch_disconnect(None)

    def _leave(self) -> None:
        if self._on_disconnect is not None:
            self._on_disconnect()
        self._finish()

    def _finish(self) -> None:
        # What knows each other is freed at once only if it lets go.
        self._on_body = self._on_disconnect = None
        if not self._over.done():
            self._over.set_result(None)
