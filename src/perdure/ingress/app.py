"""The ingress as an application: called back by our own server, or behind any ASGI server.

No framework: between the server and the engine stand one parsed path, one pass over the headers and
one reply. Whatever goes wrong is answered with JSON.
"""

from __future__ import annotations

from typing import Final

from perdure.engine.reception import Reception
from perdure.ingress import awakeables
from perdure.ingress.asgi import AsgiClient, Scope, Send, head_of
from perdure.ingress.bodies import BODY_BYTES_MAX, Room
from perdure.ingress.cors import preflight_reply
from perdure.ingress.errors import MethodNotAllowedError, UnavailableError, UriTooLongError
from perdure.ingress.exchanges import Exchange
from perdure.ingress.invoking import invoke
from perdure.ingress.replies import Reply, health_reply
from perdure.ingress.results import answer_about
from perdure.ingress.routes import (
    URI_BYTES_MAX,
    AwakeableRoute,
    HandlerRoute,
    HealthRoute,
    parse_path,
)
from perdure.ingress.watching import Receive, disconnect_of
from perdure.protocol.direct_http import Client, DirectApplication, Head

_STOPPING: Final = "the server is stopping; send the request again, here or elsewhere"


class Ingress(DirectApplication):
    """Takes requests over HTTP and gives them to the engine.

    Args:
        requests: the engine.
        body_bytes_max: longest request body that is accepted, in bytes.
    """

    def __init__(self, requests: Reception, *, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._requests = requests
        self._body_bytes_max = body_bytes_max
        self._room = Room()
        self._draining = False

    def drain(self) -> None:
        """Refuse requests from now on; those under way go on until the server closes them."""
        self._draining = True

    def begin(self, head: Head, client: Client) -> Exchange:
        """Take a request."""
        exchange = Exchange(head, client, self._body_bytes_max, self._room)
        exchange.attempt(self._respond, exchange)
        return exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of an ASGI server."""
        if scope["type"] != "http":
            raise ValueError(f"the ingress speaks HTTP only, not {scope['type']}")
        client = AsgiClient(receive, send)
        exchange = self.begin(head_of(scope), client)
        await client.serve(exchange, disconnect_of(scope, receive))

    def _respond(self, exchange: Exchange) -> Reply | None:
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
            invoke(self._requests, exchange, route)
        elif isinstance(route, AwakeableRoute):
            awakeables.complete(self._requests, exchange, route)
        elif isinstance(route, HealthRoute):
            return health_reply(sorted(self._requests.registry.services))
        else:
            return answer_about(self._requests, exchange, route)
        return None  # there will be one
