"""One request over HTTP, as a server hands it to an application; no socket is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from perdure.ingress.watching import DISCONNECT_EXTENSION

Application = Callable[..., Coroutine[Any, Any, None]]


class Visit:
    """One request over HTTP."""

    def __init__(
        self, method: str, url: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> None:
        self._body: bytes | None = body
        self._leave: Callable[[], None] | None = None
        self._status = 0
        self._reply = b""
        self._scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": url.decode(),
            "raw_path": url,
            "query_string": b"",
            "headers": headers,
            "extensions": {DISCONNECT_EXTENSION: self._watch},
        }

    async def through(self, door: Application) -> tuple[int, bytes]:
        """Give status and body of the answer; who is cancelled meanwhile was not there for it."""
        loop = asyncio.get_running_loop()
        served = loop.create_task(door(self._scope, self._receive, self._send))
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
