"""One HTTP request on its way to its reply: its head, its body, and what it waits for.

Everything here happens in callbacks: of the server, which brings the body or tells that the client
has gone, and of the engine, which brings the answer. Whatever goes wrong in one becomes the reply.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from perdure.engine.errors import RefusalError
from perdure.engine.waiters import APART, Waiter
from perdure.ingress.bodies import Pieces, Room, check_size
from perdure.ingress.cors import CONSTANT_HEADERS, origin_header
from perdure.ingress.errors import IngressError, UnavailableError, retry_after
from perdure.ingress.replies import Header, Reply, error_reply, refusal_reply
from perdure.protocol.direct_http import Client, Head
from perdure.protocol.ids import invocation_text

T = TypeVar("T")

logger = logging.getLogger("perdure.ingress")


class Exchange:
    """A request whose head is known, until it is answered or nobody is there to answer.

    Args:
        head: what the request says before its body.
        client: who gets the reply.
        body_bytes_max: longest body that is accepted.
        room: memory for bodies in pieces.
    """

    __slots__ = (
        "_body_bytes_max",
        "_client",
        "_pieces",
        "_room",
        "_then",
        "fields",
        "headers",
        "method",
        "over",
        "query",
        "raw_path",
        "waiter",
    )

    def __init__(self, head: Head, client: Client, body_bytes_max: int, room: Room) -> None:
        self.method = head.method
        self.raw_path = head.raw_path
        self.query = head.query
        #: Names, in lower case, and values, in order.
        self.headers: Sequence[Header] = head.headers
        #: The first value of each header.
        self.fields = dict(reversed(head.headers))
        #: Whether it was answered, or the client has gone.
        self.over = False
        self._client = client
        self._body_bytes_max = body_bytes_max
        self._room = room
        #: Takes the whole body.
        self._then: Callable[[bytes], Reply | None] | None = None
        #: What came of a body that comes in pieces.
        self._pieces: Pieces | None = None
        #: Waits for an invocation's result, as long as there is a client to give it to.
        self.waiter: Waiter | None = None

    @property
    def url(self) -> bytes:
        """Path and query, as they came."""
        return self.raw_path + b"?" + self.query if self.query else self.raw_path

    def attempt(self, step: Callable[[T], Reply | None], given: T) -> None:
        """Take a step, and reply if it came to that; whatever goes wrong becomes the reply.

        Args:
            step: what to do.
            given: what the step takes.
        """
        try:
            reply = step(given)
            if reply is not None:
                self.reply(reply)
        except IngressError as error:
            self.reply(refusal_reply(error))
        except RefusalError as error:
            self.reply(_postponed(error))
        except Exception:
            # Nothing may leave a request without an answer: the client is told that it was not
            # its fault, the log why.
            logger.exception("a request to the ingress failed unexpectedly")
            self.reply(error_reply(500, "internal error; the server's log says more"))

    def read_body(self, then: Callable[[bytes], Reply | None]) -> None:
        """Read the body, once, and take the next step with it.

        Raises:
            TooLargeError: it declares to be longer than the configured limit.
        """
        declared_length = self.fields.get(b"content-length")
        if declared_length is not None:
            check_size(int(declared_length), self._body_bytes_max)
        self._then = then
        self._client.listen(self._take, self._leave)

    def conclude(self, make_reply: Callable[[T], Reply], answer: T | RefusalError) -> None:
        """Reply with what the engine answered."""
        if self.over:
            return
        self.waiter = None  # there is nothing to wait for any more
        if isinstance(answer, RefusalError):
            self.reply(_postponed(answer))
        else:
            self.attempt(make_reply, answer)

    def reply(self, reply: Reply) -> None:
        """Answer, unless that was done before."""
        if self.over:
            return
        self._close()
        headers = reply.headers
        if (origin := self.fields.get(b"origin")) is not None:
            headers.append(origin_header(origin))
        headers += CONSTANT_HEADERS
        self._client.respond(reply.status, headers, reply.body)

    def stop(self) -> None:
        """Answer that the server stops, and tell the client how to come back."""
        what = "send the request again, here or elsewhere"
        if self.waiter is not None and self.waiter.invocation_id != APART:
            text = invocation_text(self.waiter.invocation_id)
            what = f"if invocation {text} was accepted it goes on, attach to it later"
        self.reply(refusal_reply(UnavailableError(f"the server is stopping; {what}")))

    def _take(self, piece: bytes, more: bool) -> None:
        """Take a piece of the body, and go on after the last."""
        then = self._then
        if then is None:
            return
        if more or self._pieces is not None or len(piece) > self._body_bytes_max:
            self.attempt(self._gather, piece)
            if more or self.over or self._pieces is None:
                return
            piece = self._pieces.take()
        self._then = None
        self.attempt(then, piece)

    def _gather(self, piece: bytes) -> None:
        if self._pieces is None:
            self._pieces = Pieces(self._body_bytes_max, self._room)
        self._pieces.add(piece)

    def _leave(self) -> None:
        """Take note that the client has gone; what was accepted goes on."""
        if not self.over:
            self._close()

    def _close(self) -> None:
        """Let go of all that is held for this request."""
        self.over = True
        self._then = None
        if self._pieces is not None:
            self._pieces.take()
        waiter, self.waiter = self.waiter, None
        if waiter is not None:
            waiter.leave()


def _postponed(refusal: RefusalError) -> Reply:
    """Answer that the engine takes no requests now, and when to come back."""
    return error_reply(refusal.status, str(refusal), retry_after(refusal.retry_after_s))
