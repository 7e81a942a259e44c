"""The ingress as an ASGI application.

No framework: between the server and the engine stand one parsed path, one pass over the headers and
one reply. Whatever goes wrong is answered with JSON.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from perdure.engine.errors import RefusalError
from perdure.engine.requests import Requests
from perdure.ingress import awakeables
from perdure.ingress.bodies import BODY_BYTES_MAX, ClientGoneError, Receive, Room
from perdure.ingress.cors import CONSTANT_HEADERS, origin_header, preflight_reply
from perdure.ingress.errors import (
    IngressError,
    MethodNotAllowedError,
    UnavailableError,
    UriTooLongError,
    retry_after,
)
from perdure.ingress.exchanges import Exchange, Scope
from perdure.ingress.invoking import invoke
from perdure.ingress.replies import Reply, error_reply, health_reply, refusal_reply
from perdure.ingress.results import answer_about
from perdure.ingress.routes import (
    URI_BYTES_MAX,
    AwakeableRoute,
    HandlerRoute,
    HealthRoute,
    parse_path,
)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_STOPPING: Final = "the server is stopping; send the request again, here or elsewhere"

logger = logging.getLogger("perdure.ingress")


class Ingress:
    """Takes requests over HTTP and gives them to the engine.

    Args:
        requests: the engine.
        body_bytes_max: longest request body that is accepted, in bytes.
    """

    def __init__(self, requests: Requests, *, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._requests = requests
        self._body_bytes_max = body_bytes_max
        self._room = Room()
        self._draining = False

    def drain(self) -> None:
        """Refuse requests from now on; those under way go on until the server closes them."""
        self._draining = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise ValueError(f"the ingress speaks HTTP only, not {scope['type']}")
        exchange = Exchange(scope, receive, self._body_bytes_max, self._room)
        try:
            reply = await self._answer(exchange)
        except ClientGoneError:
            return
        headers = reply.headers
        if (origin := exchange.fields.get(b"origin")) is not None:
            headers.append(origin_header(origin))
        headers += CONSTANT_HEADERS
        headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, exchange: Exchange) -> Reply:
        """Turn whatever happens into a reply."""
        try:
            return await self._respond(exchange)
        except IngressError as error:
            return refusal_reply(error)
        except RefusalError as refusal:
            headers = retry_after(refusal.retry_after_s)
            return error_reply(refusal.status, str(refusal), headers)
        except asyncio.CancelledError:
            # As in ``while_connected``: the server stops, and the client is told so.
            return refusal_reply(UnavailableError(_STOPPING))
        except ClientGoneError:
            raise
        except Exception:
            # Nothing may leave a request without an answer: the client is told that it was not
            # its fault, the log why.
            logger.exception("a request to the ingress failed unexpectedly")
            return error_reply(500, "internal error; the server's log says more")

    async def _respond(self, exchange: Exchange) -> Reply:
        if self._draining:
            raise UnavailableError(_STOPPING)
        if exchange.method == "OPTIONS":
            return preflight_reply(exchange.headers)
        if len(exchange.raw_path) + len(exchange.query) > URI_BYTES_MAX:
            raise UriTooLongError(f"path and query are longer than {URI_BYTES_MAX} bytes")
        route = parse_path(exchange.raw_path)
        if exchange.method not in route.methods:
            raise MethodNotAllowedError(route.methods)
        if isinstance(route, HandlerRoute):
            return await invoke(self._requests, exchange, route)
        if isinstance(route, AwakeableRoute):
            return await awakeables.complete(self._requests, exchange, route)
        if isinstance(route, HealthRoute):
            return health_reply(sorted(self._requests.registry.services))
        return await answer_about(self._requests, exchange, route)
