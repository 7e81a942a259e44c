"""A session whose values are encoded for the server, and decoded for the handler."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from perdure.protocol.messages import End, Error, Failure, Input, Message, Output, Start, Suspension
from perdure.protocol.session import Session, Sink
from perdure.sdk.journal_codec import CodecSource, JournalValueCodec, values_of, with_values

_TERMINAL: Final = (End, Suspension, Error)
_BAD_REQUEST: Final = 400
_RETRYABLE_CODE: Final = 500


class _UnreadableInputError(Exception):
    """The input cannot be decoded, and no other attempt will do better."""


class CodedSession:
    """Stands between the server and the session of an attempt.

    Decoding may wait for something, so messages queue here until those before them are decoded;
    encoding does not.

    Args:
        open_session: Opens the session that sees values as serdes wrote them.
        sink: Takes what the attempt has to say.
        source: Where the codec comes from.
        takes_input: Whether the handler has a use for its input.
    """

    def __init__(
        self,
        open_session: Callable[[Sink], Session],
        sink: Sink,
        source: CodecSource,
        *,
        takes_input: bool,
    ) -> None:
        self._sink = sink
        self._source = source
        self._takes_input = takes_input
        self._loop = asyncio.get_running_loop()
        self._codec: JournalValueCodec | None = None
        #: What has come and is not decoded yet; None stands for the end of input.
        self._incoming: deque[Sequence[Message] | None] = deque()
        self._decoding: asyncio.Task[None] | None = None
        self._over = False
        #: Whether the handler has done nothing yet.
        self._begins = False
        self._session = open_session(self._send)

    def receive(self, messages: Sequence[Message]) -> None:
        """Take messages from the server, in order."""
        self._take(messages)

    def close_input(self) -> None:
        """Learn that nothing more will come."""
        self._take(None)

    def abort(self) -> None:
        """End the attempt at once, and say nothing more."""
        self._end()

    def _take(self, messages: Sequence[Message] | None) -> None:
        if self._over:
            return
        self._incoming.append(messages)
        if self._decoding is None:
            self._decoding = self._loop.create_task(self._hand_over())

    async def _hand_over(self) -> None:
        """Decode what has come, and give it to the session."""
        try:
            self._codec = codec = await self._source.codec()
            while self._incoming:
                messages = self._incoming.popleft()
                if messages is None:
                    self._session.close_input()
                else:
                    self._session.receive([await self._decoded(each, codec) for each in messages])
            self._decoding = None
        except _UnreadableInputError as error:
            self._say_last(Output(Failure(_BAD_REQUEST, str(error))), End())
        except Exception as error:  # noqa: BLE001 - told to the server
            reason = f"The journal value codec cannot decode what the journal holds: {error!r}"
            self._say_last(Error(_RETRYABLE_CODE, reason))

    async def _decoded(self, message: Message, codec: JournalValueCodec) -> Message:
        if isinstance(message, Start):
            self._begins = message.known_entries == 1
        if not isinstance(message, Input):
            return with_values(message, [await codec.decode(each) for each in values_of(message)])
        if not self._takes_input:
            return message
        try:
            return with_values(message, [await codec.decode(message.value.content)])
        except Exception as error:
            if not self._begins:
                raise
            raise _UnreadableInputError(
                f"The input cannot be decoded: {error!r}. Callers have to use the journal value "
                "codec of the application"
            ) from error

    def _send(self, messages: Sequence[Message]) -> None:
        """Encode what the session has to say."""
        if self._over:
            return
        try:
            encoded = [self._encoded(message) for message in messages]
        except Exception as error:  # noqa: BLE001 - told to the server
            reason = f"The journal value codec cannot encode a value: {error!r}"
            self._say_last(Error(_RETRYABLE_CODE, reason))
            return
        self._over = isinstance(messages[-1], _TERMINAL)
        self._sink(encoded)

    def _encoded(self, message: Message) -> Message:
        assert self._codec is not None, "the handler runs when its journal was decoded"
        return with_values(message, [self._codec.encode(each) for each in values_of(message)])

    def _say_last(self, *messages: Message) -> None:
        if not self._over:
            self._over = True
            self._sink(messages)
        self._end()

    def _end(self) -> None:
        self._over = True
        self._incoming.clear()
        decoding, self._decoding = self._decoding, None
        if decoding is not None and decoding is not asyncio.current_task(self._loop):
            decoding.cancel()
        self._session.abort()
