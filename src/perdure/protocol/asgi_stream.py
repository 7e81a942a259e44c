"""What a server may offer an ASGI application beyond ASGI: a request that calls back.

An application that is told of each piece of a body, and answers when it likes, needs no task that
waits for pieces and none that waits for answers. A server that can do so offers a :class:`Stream`
as an extension; the application still runs until its answer is complete.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Final, Protocol

#: Under this name a server's ``extensions`` of a request's scope hold a :class:`Stream`.
STREAM_EXTENSION: Final = "perdure.stream"


class Stream(Protocol):
    """One request and its answer."""

    def listen(
        self, on_body: Callable[[bytes, bool], None], on_disconnect: Callable[[], None]
    ) -> None:
        """Have functions called, in place of ``receive``; never from within this call.

        Args:
            on_body: takes a piece of the request's body, and whether more will come.
            on_disconnect: learns that nobody is there any more to answer.
        """

    def answer(self, message: MutableMapping[str, Any]) -> None:
        """Take a piece of the answer as ``send`` does, but at once.

        Raises:
            ConnectionResetError: the client went away.
        """
