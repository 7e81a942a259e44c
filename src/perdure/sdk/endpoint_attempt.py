"""One attempt as a stream of bytes: frames in, frames out, the session between them.

Nothing here waits or does input and output: what brings the bytes (ASGI, Lambda) calls
:meth:`WireAttempt.receive_data` and :meth:`~WireAttempt.receive_eof`, and fetches the answer with
:meth:`~WireAttempt.data_to_send`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from perdure.protocol.framing import FrameDecoder, WireError
from perdure.protocol.messages import End, Error, Message, Start, Suspension
from perdure.protocol.session import Session
from perdure.protocol.wire import UnencodableMessageError, decode_all, encode

#: The Start message may hold as much state as the server's limit of 32 MiB, and the keys of it.
PAYLOAD_BYTES_LIMIT: Final = 128 * 1024 * 1024

_TERMINAL: Final = frozenset({End, Suspension, Error})
_UNREADABLE: Final = 500


class WireAttempt:
    """The SDK's end of one attempt.

    Args:
        version: The service protocol's version that the invocation runs with.
        wake: Called when there is something to send.
    """

    __slots__ = (
        "_begun",
        "_decoder",
        "_journal",
        "_output",
        "_session",
        "_version",
        "_wake",
        "over",
    )

    def __init__(self, version: int, wake: Callable[[], None]) -> None:
        self._version = version
        self._wake = wake
        self._decoder = FrameDecoder(PAYLOAD_BYTES_LIMIT)
        self._journal: list[Message] = []
        self._begun = False
        self._output: list[bytes] = []
        #: Whether the last word was said, or is not wanted any more.
        self.over = False
        #: None when the attempt is over: what goes in circles waits for the garbage collector.
        self._session: Session | None = None

    def carry(self, session: Session) -> None:
        """Begin: bring to a session what the server sends; what it says comes by :meth:`say`."""
        self._session = session

    @property
    def begun(self) -> bool:
        """Whether the known journal has come, so that the handler runs."""
        return self._begun

    def receive_data(self, data: bytes) -> None:
        """Take what the server has sent; the handler goes as far as that allows."""
        if self.over:
            return
        try:
            messages = decode_all(self._decoder.receive_data(data), self._version)
        except WireError as error:
            self._fail(error)
            return
        if self._begun:
            self._open_session.receive(messages)
        else:
            self._gather(messages)

    def receive_eof(self) -> None:
        """Learn that the server sends nothing more."""
        if self.over:
            return
        try:
            self._decoder.receive_eof()
        except WireError as error:
            self._fail(error)
            return
        if not self._begun:
            self._begin()
        if self._session is not None:
            self._session.close_input()

    def abort(self) -> None:
        """End the attempt: nobody wants to know what comes of it."""
        if not self.over:
            self._output.clear()
            self._end()

    def data_to_send(self) -> bytes:
        """Give the bytes that the server has to get, and forget them."""
        output, self._output = self._output, []
        return output[0] if len(output) == 1 else b"".join(output)

    def _gather(self, messages: list[Message]) -> None:
        """Keep back the beginning of the journal until the rest of it is there."""
        journal = self._journal
        journal += messages
        if not journal:
            return
        start = journal[0]
        if type(start) is Start and len(journal) <= start.known_entries:
            return
        self._begin()

    def _begin(self) -> None:
        self._begun = True
        journal, self._journal = self._journal, []
        self._open_session.receive(journal)

    @property
    def _open_session(self) -> Session:
        assert self._session is not None, "an attempt that is not over has a session"
        return self._session

    def say(self, messages: Sequence[Message]) -> None:
        """Take what the session has to say."""
        if self.over:
            return
        output, version = self._output, self._version
        try:
            for message in messages:
                output.append(encode(message, version))
        except UnencodableMessageError as error:
            self._fail(error)
            return
        if type(messages[-1]) in _TERMINAL:
            self.over = True
            self._session = None
        self._wake()

    def _fail(self, error: Exception) -> None:
        """Tell the server that the attempt has failed, and stop the handler."""
        self._output.append(encode(Error(_UNREADABLE, str(error)), self._version))
        self._end()

    def _end(self) -> None:
        """Stop the handler, which may still speak, but to nobody."""
        self.over = True
        session, self._session = self._session, None
        if session is not None:
            session.abort()
        self._wake()
