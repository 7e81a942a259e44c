"""Awakeables, completed from outside: a signal to the invocation that waits.

Completing one for which nobody waits is answered with 404 (the peer answers as if it had worked):
whoever completes it learns that the id is wrong or that the invocation has ended.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from perdure.engine.reception import Reception
from perdure.ingress.errors import NotFoundError
from perdure.ingress.exchanges import Exchange
from perdure.ingress.replies import Reply, accepted_reply
from perdure.ingress.routes import AwakeableRoute
from perdure.ingress.targets import read_awakeable_id
from perdure.protocol.messages import Failure, Value

#: Code of the failure that a handler sees when its awakeable is rejected.
_REJECTED: Final = 500


def complete(requests: Reception, exchange: Exchange, route: AwakeableRoute) -> None:
    """Resolve an awakeable with the body, or reject it with the body as the reason.

    Raises:
        BadRequestError: the id is malformed.
        TooLargeError: the body is.
    """
    invocation_id, signal = read_awakeable_id(route.awakeable_id)

    def proceed(body: bytes) -> None:
        reason = body.decode("utf-8", "replace")
        result = Value(body) if route.resolve else Failure(_REJECTED, reason)
        reply = partial(_reply, route.awakeable_id)
        requests.begin_signal(invocation_id, signal, result, partial(exchange.conclude, reply))

    exchange.read_body(proceed)


def _reply(awakeable_id: str, accepted: bool) -> Reply:
    """Answer who completed an awakeable.

    Raises:
        NotFoundError: nobody waits for it.
    """
    if not accepted:
        raise NotFoundError(
            f"nobody waits for the awakeable '{awakeable_id}': "
            "its invocation is unknown or has ended"
        )
    return accepted_reply()
