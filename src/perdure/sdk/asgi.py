"""An application behind an ASGI server: requests in, answers out, attempts streamed both ways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from perdure.protocol.manifest import ProtocolMode
from perdure.sdk.asgi_exchange import Exchange, read_on
from perdure.sdk.asgi_lifespan import AsgiLifespan
from perdure.sdk.endpoint import Answer, Endpoint, EndpointRequest

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Over HTTP/1.1 a request may have to end before its answer begins; above, both flow freely.
ONE_WAY_VERSIONS: Final = frozenset({"1.0", "1.1"})


class Asgi:
    """The ASGI application of an endpoint.

    Args:
        endpoint: Answers the requests.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.lifespan = AsgiLifespan(endpoint.host)
        self._server = (b"x-restate-server", endpoint.server_header.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan of the server.

        Raises:
            ValueError: it is neither.
        """
        if scope["type"] == "lifespan":
            await self.lifespan.serve(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"only http is served here, not {scope['type']}")
        if self._endpoint.host.needs_startup:
            # Mounted into another application, or served without the lifespan protocol.
            await self.lifespan.enter()
        request, carrier = _request(scope), Exchange(receive, send)
        answer = self._endpoint.answer(request, carrier.wake)
        head = {
            "type": "http.response.start",
            "status": answer.status if isinstance(answer, Answer) else 200,
            "headers": [(b"content-type", answer.content_type.encode("latin-1")), self._server],
        }
        if not isinstance(answer, Answer):
            await carrier.run(answer.attempt, head)
            return
        await send(head)
        # Some servers break the connection, and all that goes on in it, if more of a request comes
        # after its answer.
        unread = request.method == "POST"
        await send({"type": "http.response.body", "body": answer.body, "more_body": unread})
        if unread and await read_on(receive):
            await send({"type": "http.response.body", "body": b""})


def _request(scope: Scope) -> EndpointRequest:
    one_way = scope.get("http_version") in ONE_WAY_VERSIONS
    return EndpointRequest(
        method=scope["method"],
        path=scope["path"],
        headers={
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        },
        mode=ProtocolMode.REQUEST_RESPONSE if one_way else ProtocolMode.BIDI_STREAM,
    )
