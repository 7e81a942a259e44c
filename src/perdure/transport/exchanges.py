"""One request with its response, before, while and after a connection carries it.

A sender may speak before there is a connection: what it says waits here. Until the first byte of a
response everything said is kept, so that a request that its server never looked at can be said
again on another connection. Both versions of HTTP share this; a connection only adds how bytes
travel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

from msgspec import Struct

from perdure.engine.memory import Memory

#: Bytes kept for saying them again; a request that has said more is not repeated by itself.
KEPT_BYTES_MAX: Final = 1024 * 1024
#: What is said is cut into pieces of this size.
PIECE_BYTES: Final = 16 * 1024
#: Connections that may refuse a request before it is given up.
TRIES_MAX: Final = 2


#: Bytes, or a part of some that is not copied.
Buffer = bytes | memoryview
#: Names, in lower case, and values.
Headers = tuple[tuple[str, str], ...]


class LostError(Exception):
    """There will be no complete response; the message says why."""


class PartedError(LostError):
    """The server left in good order, what it had begun or had not looked at yet."""


class NotHttp2Error(LostError):
    """The server does not speak HTTP/2."""


class Request(Struct, frozen=True, gc=False):
    """The head of a request."""

    method: str
    #: Path with query, as on the wire.
    path: str
    #: Lower-case names and values; connection headers and the host are the connection's business.
    headers: Headers
    #: Headers that no other request has like this.
    own_headers: Headers = ()

    @property
    def all_headers(self) -> Headers:
        """All headers."""
        return self.headers + self.own_headers


class Listener(Protocol):
    """Hears the response; each method is called from the event loop."""

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Take status and headers (lower-case names; repeated ones joined with commas)."""

    def data(self, data: bytes) -> None:
        """Take a piece of the body."""

    def end(self) -> None:
        """Learn that the response is complete."""

    def lost(self, error: LostError) -> None:
        """Learn that there will be no complete response; the last call there is."""


class Carrier(Protocol):
    """What a connection holds of an exchange."""

    def wake(self) -> None:
        """There is something to send."""

    def cancel(self) -> None:
        """Nothing that was said or will be answered matters any more."""


class Exchange:
    """One request with its response.

    Args:
        request: the head of the request.
        listener: hears the response.
        memory: counts what was said and is kept: all of it until nothing is, as a piece of a long
            value keeps the whole.
    """

    __slots__ = (
        "_answered",
        "_carrier",
        "_kept",
        "_kept_bytes",
        "_listener",
        "_tries",
        "ended",
        "ending",
        "held",
        "memory",
        "outgoing",
        "over",
        "request",
    )

    def __init__(self, request: Request, listener: Listener, memory: Memory | None = None) -> None:
        self.request = request
        self.memory = Memory() if memory is None else memory
        #: What is counted there for this exchange, in bytes.
        self.held = 0
        self._listener = listener
        self._carrier: Carrier | None = None
        #: What was said and is not taken yet.
        self.outgoing: deque[Buffer] = deque()
        #: What was sent since the request began; None once it cannot be said again.
        self._kept: list[Buffer] | None = []
        self._kept_bytes = 0
        self._tries = 0
        self._answered = False
        #: Whether the sender has said all it has to say.
        self.ended = False
        #: Whether the response ends with what the listener is told now.
        self.ending = False
        #: Whether nobody listens any more.
        self.over = False

    @property
    def drained(self) -> bool:
        """Whether all that was said so far was taken."""
        return not self.outgoing

    def send(self, data: bytes) -> None:
        """Say a piece of the body."""
        if self.ended or self.over or not data:
            return
        self.held += len(data)
        self.memory.held += len(data)
        if len(data) <= PIECE_BYTES:
            self.outgoing.append(data)
        else:
            view = memoryview(data)
            starts = range(0, len(data), PIECE_BYTES)
            self.outgoing.extend(view[start : start + PIECE_BYTES] for start in starts)
        if self._carrier is not None:
            self._carrier.wake()

    def end(self) -> None:
        """Say that the body is complete."""
        if self.ended or self.over:
            return
        self.ended = True
        if self._carrier is not None:
            self._carrier.wake()

    def cancel(self) -> None:
        """Give up: the listener hears nothing more."""
        if self.over:
            return
        carrier = self._carrier
        self._close()
        if carrier is not None:
            carrier.cancel()

    def carry(self, carrier: Carrier) -> None:
        """Begin on a connection."""
        self._carrier = carrier
        self._tries += 1

    def take(self, limit: int) -> Buffer:
        """Take the next bytes to send, at most so many."""
        data = self.outgoing.popleft()
        if len(data) > limit:
            self.outgoing.appendleft(data[limit:])
            data = data[:limit]
        if self._kept is not None:
            self._kept_bytes += len(data)
            if self._kept_bytes <= KEPT_BYTES_MAX:
                self._kept.append(data)
                return data
            self._kept = None
        if not self.outgoing:
            self._release()
        return data

    def rewind(self, tries: int = TRIES_MAX) -> bool:
        """Get ready to be carried by another connection; False if that is no longer possible.

        Args:
            tries: connections it may have been on by now.
        """
        self._carrier = None
        if self.over or self._answered or self._kept is None or self._tries > tries:
            return False
        self.outgoing.extendleft(reversed(self._kept))
        self._kept, self._kept_bytes = [], 0
        return True

    def hear_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Pass on the head of the response."""
        self._answered, self._kept = True, None
        if self.held and not self.outgoing:
            self._release()
        if not self.over:
            self._listener.head(status, headers)

    def hear_data(self, data: bytes) -> None:
        """Pass on a piece of the body."""
        if not self.over:
            self._listener.data(data)

    def hear_end(self) -> None:
        """Pass on that the response is complete; the connection may carry another by now."""
        if self.over:
            return
        self._close()
        self._listener.end()

    def lose(self, error: LostError) -> None:
        """Pass on that no more will come."""
        if self.over:
            return
        self._close()
        self._listener.lost(error)

    def _close(self) -> None:
        self.over = True
        self.outgoing.clear()
        self._kept = None
        self._carrier = None
        if self.held:
            self._release()

    def _release(self) -> None:
        held, self.held = self.held, 0
        self.memory.release(held)
