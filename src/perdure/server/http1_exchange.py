"""One request and its response, as an ASGI application sees them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

from perdure.ingress.watching import DISCONNECT_EXTENSION
from perdure.server.http1_requests import RequestHead
from perdure.server.http1_response import Message, Response, ResponseError
from perdure.server.http1_text import CONTINUE

Application = Callable[[Any, Any, Any], Awaitable[None]]

logger = logging.getLogger("perdure.server")


class Wire(Protocol):
    """The connection that an exchange belongs to."""

    @property
    def date(self) -> bytes:
        """The header with the current date."""

    @property
    def writable(self) -> asyncio.Event:
        """Set while the client takes what it is sent."""

    def write(self, content: bytes) -> None:
        """Send bytes, or keep them until they can be sent."""

    def consumed(self) -> None:
        """Take note that the application took what was received of the body."""

    def answered(self, exchange: Exchange) -> None:
        """Take note that the response is complete."""

    def finished(self, exchange: Exchange, status: HTTPStatus) -> None:
        """Take note that the application has ended, and how, if the response is not complete."""


class Exchange:
    """A request whose head is known, and the response to it.

    Args:
        wire: the connection.
        head: the request's head.
    """

    __slots__ = (
        "_body_given",
        "_chunks",
        "_expects_continue",
        "_gone",
        "_head",
        "_news",
        "_on_disconnect",
        "_wire",
        "buffered",
        "received",
        "response",
        "task",
    )

    def __init__(self, wire: Wire, head: RequestHead) -> None:
        self._wire = wire
        self._head = head
        self._expects_continue = head.expects_continue
        #: What arrived of the body and was not given to the application yet.
        self._chunks: list[bytes] = []
        self._body_given = False
        self._gone = False
        #: Wakes the application when something arrives; made when it first waits.
        self._news: asyncio.Event | None = None
        self._on_disconnect: Callable[[], None] | None = None
        self.response = Response(head.method, head.version, keep_alive=head.keep_alive)
        #: Size of what arrived and was not given to the application yet, in bytes.
        self.buffered = 0
        #: Whether the whole request was received.
        self.received = False
        #: What runs the application, while it does.
        self.task: asyncio.Task[None] | None = None

    # -- For the connection

    async def run(self, application: Application, scope: dict[str, Any]) -> None:
        """Let the application answer.

        Args:
            application: the application.
            scope: what ASGI wants to know about the connection.
        """
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            await application(self._scope(scope), self.receive, self.send)
            if not self.response.complete and not self._gone:
                logger.error("an application ended without having answered a request")
        except asyncio.CancelledError:
            # A door cancels what is under way only when it stops.
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise
        except Exception:
            # The last place where an application's error can be told: to the log here, to the
            # client by the connection. An application whose client went away may well fail.
            if not self._gone:
                logger.exception("an application failed to answer a request")
        finally:
            self._wire.finished(self, status)

    def _scope(self, connection: dict[str, Any]) -> dict[str, Any]:
        """Give the request's head as ASGI has it.

        It leads back here, and what goes in circles waits for the garbage collector: nobody but
        the application keeps it.
        """
        head = self._head
        scope = connection.copy()
        scope["http_version"] = head.version
        scope["method"] = head.method
        scope["path"] = head.path
        scope["raw_path"] = head.raw_path
        scope["query_string"] = head.query
        scope["headers"] = head.headers
        scope["extensions"] = {DISCONNECT_EXTENSION: self.watch_disconnect}
        return scope

    @property
    def waits_for_client(self) -> bool:
        """Whether nothing can go on before more of the request arrives."""
        if self.received:
            return False
        return self.response.complete or (self._news is not None and not self._news.is_set())

    def take_body(self, chunk: bytes) -> None:
        """Keep a piece of the body for the application, if that still wants it."""
        if self.response.complete or self._gone:
            return
        self._chunks.append(chunk)
        self.buffered += len(chunk)
        self._wake()

    def end_body(self) -> None:
        """Take note that the whole request was received."""
        self.received = True
        self._wake()

    def lose_client(self) -> None:
        """Tell the application that there is nobody to answer."""
        self._gone = True
        self._drop_body()
        self._wake()
        self._tell_disconnect()

    def _drop_body(self) -> None:
        self._chunks.clear()
        self.buffered = 0

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()

    def _tell_disconnect(self) -> None:
        if self._on_disconnect is not None:
            self._on_disconnect()

    # -- For the application

    def watch_disconnect(self, callback: Callable[[], None] | None) -> None:
        """Have a function called when the client goes away; None calls nothing any more."""
        self._on_disconnect = callback
        if self._gone and callback is not None:
            asyncio.get_running_loop().call_soon(self._tell_disconnect)

    async def receive(self) -> Message:
        """Give what arrived of the body; after the body, wait for the end of the exchange."""
        while not self._has_news():
            if self._expects_continue and not self.response.opened:
                self._expects_continue = False
                self._wire.write(CONTINUE)
            if self._news is None:
                self._news = asyncio.Event()
            self._news.clear()
            await self._news.wait()
        if self._gone or self.response.complete:
            return {"type": "http.disconnect"}
        body = b"".join(self._chunks)
        self._drop_body()
        self._body_given = self.received
        self._wire.consumed()
        return {"type": "http.request", "body": body, "more_body": not self.received}

    def _has_news(self) -> bool:
        if self._chunks or self._gone or self.response.complete:
            return True
        return self.received and not self._body_given

    async def send(self, message: Message) -> None:
        """Take a piece of the response.

        Raises:
            ResponseError: the piece does not fit what came before it.
            ConnectionResetError: the client went away.
        """
        kind = message["type"]
        if kind == "http.response.start":
            self.response.start(message)
            return
        if kind != "http.response.body":
            raise ResponseError(f"'{kind}' is nothing that can be sent here")
        if not self._wire.writable.is_set():
            await self._wire.writable.wait()
        if self._gone:
            raise ConnectionResetError("the client went away")
        self._proceed(message.get("body", b""), more=message.get("more_body", False))

    def _proceed(self, body: bytes, *, more: bool) -> None:
        response = self.response
        if self._expects_continue and not self.received:
            # The client was never told to go on. Whether the body follows nobody knows, so that
            # nothing after this can be taken for a request.
            response.keep_alive = False
        self._wire.write(response.proceed(body, more=more, date=self._wire.date))
        if response.complete:
            self._drop_body()
            self._wake()
            self._wire.answered(self)
