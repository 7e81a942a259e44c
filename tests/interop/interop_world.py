"""One way to reach the services of these tests, and what a client does with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from interop_peer import Peer, wait_until


@dataclass(frozen=True)
class Way:
    """How the services are reached."""

    server: str
    web_server: str
    http1: bool = False
    inactivity_ms: int = 60_000
    signed: bool = False
    mounted: bool = False

    def __str__(self) -> str:
        parts = [self.server, self.web_server, "http1" if self.http1 else "http2"]
        marks = {
            "impatient": not self.inactivity_ms,
            "signed": self.signed,
            "mounted": self.mounted,
        }
        return "-".join([*parts, *(mark for mark, holds in marks.items() if holds)])


WAYS = [
    Way("official", "serve"),
    Way("official", "serve", inactivity_ms=0),
    Way("official", "granian"),
    Way("official", "hypercorn"),
    Way("official", "uvicorn", http1=True, mounted=True),
    Way("official_v7", "serve"),
    Way("official_v7", "serve", http1=True, signed=True),
    Way("own", "serve"),
    Way("own", "hypercorn", inactivity_ms=0),
    Way("own", "serve", http1=True, signed=True),
]


@dataclass(frozen=True)
class Interop:
    """The services of one way, registered with the official server."""

    way: Way
    peer: Peer
    uri: str
    prefix: str
    deployment: dict[str, Any]

    def send(self, path: str, value: Any = None, **headers: str) -> httpx.Response:
        """Call ``Service/handler`` or ``Object/key/handler`` through the ingress."""
        if value is None:
            return self.peer.ingress.post(f"/{self.prefix}{path}", headers=headers)
        return self.peer.ingress.post(f"/{self.prefix}{path}", json=value, headers=headers)

    def call(self, path: str, value: Any = None, **headers: str) -> Any:
        reply = self.send(path, value, **headers)
        assert reply.status_code == 200, reply.text
        return reply.json() if reply.content else None

    def submit(self, path: str, value: Any = None) -> str:
        reply = self.send(f"{path}/send", value)
        assert reply.status_code == 202, reply.text
        invocation_id: str = reply.json()["invocationId"]
        return invocation_id

    def result(self, invocation_id: str) -> Any:
        reply = self.peer.ingress.get(f"/restate/invocation/{invocation_id}/attach")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def wait_for_status(self, invocation_id: str, *statuses: str) -> None:
        wait_until(
            lambda: self.peer.invocation(invocation_id).get("status") in statuses,
            f"{invocation_id} as {statuses}",
            self.peer.check,
        )
