"""One request and its response, as applications see them, in any version of HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

from perdure.ingress.watching import DISCONNECT_EXTENSION
from perdure.protocol.direct_http import DirectApplication, Header, StreamingApplication
from perdure.server.heads import RequestHead, Response, ResponseError

AsgiApplication = Callable[[Any, Any, Any], Awaitable[None]]
CalledBack = DirectApplication | StreamingApplication
Application = AsgiApplication | CalledBack
Message = MutableMapping[str, Any]

#: Members of an enum are slow to reach before Python 3.12: looked up once for all requests.
_OK: Final = HTTPStatus.OK
#: What a client is told whose request was not answered.
EXCUSES: Final = {
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal error; the server's log says more",
    HTTPStatus.SERVICE_UNAVAILABLE: "the server is stopping; send the request again later",
}

#: What is gathered of a body before an application that is called back hears of it: most have come
#: whole by then.
_PIECE_BYTES: Final = 16 * 1024
#: From here on a copy of a body costs more than a write of its own.
_LONG_BYTES: Final = 256 * 1024

logger = logging.getLogger("perdure.server")


class Wire(Protocol):
    """What carries an exchange: a connection, or a stream of one."""

    @property
    def date(self) -> bytes:
        """The current date, as the responses of this wire have it."""

    @property
    def writable(self) -> asyncio.Event:
        """Set while the client takes what it is sent."""

    def invite(self) -> None:
        """Tell the client to send the body."""

    def write(self, content: bytes) -> None:
        """Send what the response gave out, or keep it until it can be sent."""

    def consumed(self) -> None:
        """Take note that the application took what was received of the body."""

    def answered(self, exchange: Exchange) -> None:
        """Take note that the response is complete."""

    def finished(self, exchange: Exchange, status: HTTPStatus) -> None:
        """Take note that the application has ended, and how, if the response is not complete."""


class Exchange:
    """A request whose head is known, and the response to it.

    Args:
        wire: what carries it.
        head: the request's head.
        response: makes of what the application answers what the wire sends.
    """

    __slots__ = (
        "_body_given",
        "_chunks",
        "_direct",
        "_expects_continue",
        "_gathers",
        "_gone",
        "_head",
        "_listener",
        "_news",
        "_on_disconnect",
        "_wire",
        "buffered",
        "received",
        "response",
        "task",
    )

    def __init__(self, wire: Wire, head: RequestHead, response: Response) -> None:
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
        #: Takes the body as it arrives, if the application asked for that.
        self._listener: Callable[[bytes, bool], None] | None = None
        self.response = response
        #: Size of what arrived and was not given to the application yet, in bytes.
        self.buffered = 0
        #: Whether the whole request was received.
        self.received = False
        #: What runs the application, while it does.
        self.task: asyncio.Task[None] | None = None
        #: Whether the application is called back, and runs in no task.
        self._direct = False
        self._gathers = False

    # -- For the connection

    def begin(self, application: CalledBack, *, gathers: bool) -> None:
        """Let an application answer that is called back.

        Args:
            application: the application.
            gathers: whether it hears of the body only when there is much of it, or all.
        """
        self._direct = True
        self._gathers = gathers
        try:
            application.begin(self._head, self)
        except Exception:
            logger.exception("an application failed to take a request")
            self._finish(HTTPStatus.INTERNAL_SERVER_ERROR)

    def stop(self) -> None:
        """End without the application's answer: the server stops."""
        if self.task is not None:
            self.task.cancel()
        elif self._direct:
            self._gone = True
            self._tell_disconnect()
            self._finish(HTTPStatus.SERVICE_UNAVAILABLE)

    async def run(self, application: AsgiApplication, scope: dict[str, Any]) -> None:
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
            self._finish(status)

    def _finish(self, status: HTTPStatus) -> None:
        # What goes in circles waits for the garbage collector.
        self._listener = self._on_disconnect = None
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
        if self._gathers:
            return True
        return self.response.complete or (self._news is not None and not self._news.is_set())

    def take_body(self, chunk: bytes, *, last: bool = False) -> None:
        """Keep a piece of the body for the application, if that still wants it.

        Args:
            chunk: the piece.
            last: whether the end of the body is told next, so that the application hears of both.
        """
        if self.response.complete or self._gone:
            return
        self._chunks.append(chunk)
        self.buffered += len(chunk)
        if not last and (not self._gathers or self.buffered >= _PIECE_BYTES):
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
        if self._direct:
            self._finish(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _drop_body(self) -> None:
        self._chunks.clear()
        self.buffered = 0

    def _wake(self) -> None:
        """Tell the application of what has arrived, in whichever way it asked for."""
        if self._news is not None:
            self._news.set()
        elif self._listener is None or self._gone or self.response.complete:
            pass  # Nobody wants to hear of it.
        elif self._chunks or (self.received and not self._body_given):
            self._listener(self._take_chunks(), not self.received)

    def _tell_disconnect(self) -> None:
        if self._on_disconnect is not None:
            self._on_disconnect()

    # -- For the application

    def watch_disconnect(self, callback: Callable[[], None] | None) -> None:
        """Have a function called when the client goes away; None calls nothing any more."""
        self._on_disconnect = callback
        if self._gone and callback is not None:
            asyncio.get_running_loop().call_soon(self._tell_disconnect)

    def listen(
        self, on_body: Callable[[bytes, bool], None], on_disconnect: Callable[[], None]
    ) -> None:
        """Have functions called with the body, and at its end, in place of :meth:`receive`."""
        self._listener = on_body
        self._on_disconnect = on_disconnect
        if self._chunks or self.received or self._gone:
            asyncio.get_running_loop().call_soon(self._wake)
            if self._gone:
                self.watch_disconnect(on_disconnect)
        elif self._expects_continue:
            self._invite()

    def respond(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Answer in one piece, unless the client went away."""
        if self._gone:
            return
        self._listener = self._on_disconnect = None
        outcome = _OK
        try:
            if self._expects_continue:
                self._forgo_body()
            if len(body) < _LONG_BYTES:
                self._write(self.response.whole(status, headers, body, date=self._wire.date))
            else:
                self._respond_apart(status, headers, body)
        except ResponseError:
            logger.exception("an application's response cannot be sent")
            outcome = HTTPStatus.INTERNAL_SERVER_ERROR
        self._wire.finished(self, outcome)

    def _respond_apart(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Answer with the head first: the body is sent as it is, and not copied behind it."""
        date = self._wire.date
        self.response.start(status, [*headers, (b"content-length", b"%d" % len(body))])
        self._write(self.response.proceed(b"", more=True, date=date))
        self._write(self.response.proceed(body, more=False, date=date))

    def start(self, status: int, headers: Sequence[Header]) -> None:
        """Begin an answer in pieces.

        Raises:
            ResponseError: it has begun.
        """
        self.response.start(status, headers)

    def proceed(self, piece: bytes, *, more: bool) -> None:
        """Send a piece of the answer, unless the client went away.

        Raises:
            ResponseError: the piece does not fit what came before it.
        """
        if self._gone:
            return
        self._proceed(piece, more=more)
        if not more:
            self._finish(_OK)

    def fail(self, error: Exception) -> None:
        """Break off, and log why."""
        logger.error("an application failed to answer a request", exc_info=error)
        if not self._gone:
            self._finish(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def receive(self) -> Message:
        """Give what arrived of the body; after the body, wait for the end of the exchange."""
        while not self._has_news():
            if self._expects_continue:
                self._invite()
            if self._news is None:
                self._news = asyncio.Event()
            self._news.clear()
            await self._news.wait()
        if self._gone or self.response.complete:
            return {"type": "http.disconnect"}
        body = self._take_chunks()
        return {"type": "http.request", "body": body, "more_body": not self.received}

    def _invite(self) -> None:
        """Tell a client that waits for it to send the body."""
        if not self.response.opened:
            self._expects_continue = False
            self._wire.invite()

    def _take_chunks(self) -> bytes:
        self._body_given = self.received
        if not self._chunks:
            return b""
        body = b"".join(self._chunks)
        self._drop_body()
        self._wire.consumed()
        return body

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
        if message["type"] == "http.response.body" and not self._wire.writable.is_set():
            await self._wire.writable.wait()
        kind = message["type"]
        if kind == "http.response.start":
            self.response.start(message["status"], list(message.get("headers", ())))
            return
        if kind != "http.response.body":
            raise ResponseError(f"'{kind}' is nothing that can be sent here")
        if self._gone:
            raise ConnectionResetError("the client went away")
        self._proceed(message.get("body", b""), more=message.get("more_body", False))

    def _proceed(self, body: bytes, *, more: bool) -> None:
        if self._expects_continue:
            self._forgo_body()
        self._write(self.response.proceed(body, more=more, date=self._wire.date))

    def _forgo_body(self) -> None:
        """Answer a client that was never told to send its body, unless it has."""
        if not self.received:
            # Whether the body follows nobody knows, so that nothing after this can be taken for a
            # request.
            self.response.keep_alive = False

    def _write(self, content: bytes) -> None:
        self._wire.write(content)
        if self.response.complete:
            if self._chunks:
                self._drop_body()
            if self._news is not None:
                self._news.set()
            self._wire.answered(self)
