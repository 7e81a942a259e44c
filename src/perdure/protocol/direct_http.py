"""What our HTTP server offers an application beyond ASGI: requests that call back.

Such an application is told of a request and answers it when it likes: in one piece, or piece by
piece while the request still comes. No task runs for a request, and no coroutine waits for its body
or its answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

Header = tuple[bytes, bytes]
#: Takes a piece of a request's body, and whether more will come.
OnBody = Callable[[bytes, bool], None]


class Head(Protocol):
    """What a request says before its body."""

    @property
    def method(self) -> str:
        """The method, in capitals."""

    @property
    def raw_path(self) -> bytes:
        """The path as it came, percent-encoded."""

    @property
    def query(self) -> bytes:
        """What follows the question mark."""

    @property
    def headers(self) -> Sequence[Header]:
        """Names, in lower case, and values, in order."""


class Client(Protocol):
    """Who sent a request and waits for its answer."""

    def listen(self, on_body: OnBody, on_disconnect: Callable[[], None]) -> None:
        """Have functions called with the body and at its end; never from within this call.

        Args:
            on_body: takes the body.
            on_disconnect: learns that nobody is there any more to answer; nothing follows it.
        """

    def respond(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Send the answer, once, if anybody is there to take it; nothing follows it."""


class Stream(Client, Protocol):
    """A request and its answer, both piece by piece."""

    def start(self, status: int, headers: Sequence[Header]) -> None:
        """Begin the answer, once.

        Args:
            status: the status.
            headers: names and values; in a tuple if many answers have just these.
        """

    def proceed(self, piece: bytes, *, more: bool) -> None:
        """Send a piece of the answer, if anybody is there to take it; nothing follows the last."""

    def fail(self, error: Exception) -> None:
        """Break off, because of a defect; nothing follows it."""


class StreamHead(Head, Protocol):
    """What a request says before its body, to whom streams it."""

    @property
    def version(self) -> str:
        """The version of HTTP, such as ``1.1`` or ``2``."""

    @property
    def path(self) -> str:
        """The path, decoded."""


class DirectApplication(ABC):
    """An application that is called back."""

    @abstractmethod
    def begin(self, head: Head, client: Client) -> object:
        """Take a request; the answer may be given at once."""


class StreamingApplication(ABC):
    """An application that is called back with each piece of a request as it comes."""

    @abstractmethod
    def begin(self, head: StreamHead, stream: Stream) -> None:
        """Take a request; the answer may be given at once."""
