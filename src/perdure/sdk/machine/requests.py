"""What one invocation asks of another."""

from __future__ import annotations

from msgspec import Struct

from perdure.protocol.messages import Headers


class Request(Struct, frozen=True, gc=False):
    """What to call, with what; ``key`` is empty for plain services."""

    service: str
    handler: str
    parameter: bytes
    key: str = ""
    headers: Headers = ()
    idempotency_key: str | None = None
    scope: str | None = None
    limit_key: str | None = None
