"""Awakeables, completed from outside: a signal to the invocation that waits.

Completing one for which nobody waits is answered with 404 (the peer answers as if it had worked):
whoever completes it learns that the id is wrong or that the invocation has ended.
"""

from __future__ import annotations

from typing import Final

from perdure.engine.requests import Requests
from perdure.ingress.errors import NotFoundError
from perdure.ingress.exchanges import Exchange
from perdure.ingress.replies import Reply, accepted_reply
from perdure.ingress.routes import AwakeableRoute
from perdure.ingress.targets import read_awakeable_id
from perdure.protocol.messages import Failure, Value

#: Code of the failure that a handler sees when its awakeable is rejected.
_REJECTED: Final = 500


async def complete(requests: Requests, exchange: Exchange, route: AwakeableRoute) -> Reply:
    """Resolve an awakeable with the body, or reject it with the body as the reason.

    Raises:
        BadRequestError: the id is malformed.
        NotFoundError: nobody waits for it.
        ClientGoneError: the client went away before the body's end.
    """
    invocation_id, signal = read_awakeable_id(route.awakeable_id)
    body = await exchange.body()
    result = Value(body) if route.resolve else Failure(_REJECTED, body.decode("utf-8", "replace"))
    if not await requests.signal(invocation_id, signal, result):
        raise NotFoundError(
            f"nobody waits for the awakeable '{route.awakeable_id}': "
            "its invocation is unknown or has ended"
        )
    return accepted_reply()
