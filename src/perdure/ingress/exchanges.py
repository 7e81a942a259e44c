"""One HTTP request, as ASGI hands it over."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any
from urllib.parse import quote

from perdure.ingress.bodies import Receive, Room, read_body
from perdure.ingress.headers import first_values
from perdure.ingress.watching import disconnect_of

Scope = MutableMapping[str, Any]


class Exchange:
    """A request whose head is known and whose body is still to be read."""

    __slots__ = (
        "_body_bytes_max",
        "_room",
        "fields",
        "headers",
        "method",
        "query",
        "raw_path",
        "receive",
        "watch_disconnect",
    )

    def __init__(self, scope: Scope, receive: Receive, body_bytes_max: int, room: Room) -> None:
        self.method: str = scope["method"]
        self.raw_path = _raw_path(scope)
        self.query: bytes = scope["query_string"]
        #: Names, in lower case, and values, in order.
        self.headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
        #: The first value of each header.
        self.fields = first_values(self.headers)
        self.receive = receive
        self.watch_disconnect = disconnect_of(scope, receive)
        self._body_bytes_max = body_bytes_max
        self._room = room

    @property
    def url(self) -> bytes:
        """Path and query, as they came."""
        return self.raw_path + b"?" + self.query if self.query else self.raw_path

    async def body(self) -> bytes:
        """Read the body; once.

        Raises:
            TooLargeError: it is longer than the configured limit.
            OverloadedError: there is no room for it now.
            ClientGoneError: the client went away before its end.
        """
        declared_length = self.fields.get(b"content-length")
        return await read_body(self.receive, declared_length, self._body_bytes_max, self._room)


def _raw_path(scope: Scope) -> bytes:
    """Give the path below the point where the ingress is mounted, still percent-encoded."""
    # Servers that do not keep the raw path leave only the decoded one.
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    root_path: str = scope.get("root_path", "")
    return path.removeprefix(root_path.encode()) if root_path else path
