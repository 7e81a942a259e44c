"""Reception through the ingress itself, as HTTP, where others go to the engine directly."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from perdure.engine.errors import UnavailableError
from perdure.engine.reception import Reception
from perdure.engine.waiters import Answer
from perdure.ingress.app import Ingress
from perdure.protocol.messages import Failure, Value
from simworld.violations import Violation
from simworld.visits import Visit

#: What a door says when it takes nothing now.
REFUSED = frozenset({429, 503})


class ErrorBody(msgspec.Struct):
    """What the ingress says of an error."""

    message: str
    code: int = 0
    source: str = ""
    metadata: dict[str, str] = {}


async def call(requests: Reception, path: tuple[str, ...], argument: bytes, once: str) -> Answer:
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
    visit = Visit("POST", url.encode(), headers, argument)
    status, body = await visit.through(Ingress(requests))
    if status == 200:
        return Answer(Value(body))
    error = msgspec.json.decode(body, type=ErrorBody)
    if error.source == "invocation":
        return Answer(Failure(error.code, error.message, tuple(error.metadata.items())))
    if status in REFUSED:
        raise UnavailableError(error.message)
    raise Violation("door", f"{url} is answered with {status} {error.message}")
