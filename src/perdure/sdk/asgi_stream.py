"""One attempt over a stream that calls back: no tasks but the one that ASGI began.

What arrives goes to the attempt in the very callback that brought it, and what the handler says to
it goes out from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from perdure.protocol.asgi_stream import Stream
from perdure.sdk.asgi_exchange import END_OF_REQUEST_S
from perdure.sdk.endpoint_attempt import WireAttempt


class StreamedAttempt:
    """Carries one attempt.

    Args:
        stream: The request and its answer.
    """

    __slots__ = ("_attempt", "_farewell", "_head", "_input_over", "_over", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._attempt: WireAttempt | None = None
        self._head: MutableMapping[str, Any] | None = None
        #: Whether the request has ended.
        self._input_over = False
        #: Done when the answer is complete, or nobody is there any more to read it.
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._farewell: asyncio.TimerHandle | None = None

    async def run(self, attempt: WireAttempt, head: MutableMapping[str, Any]) -> None:
        """Go on until the attempt is over and the answer complete.

        Args:
            attempt: The attempt, which calls :meth:`wake` when there is something to send.
            head: The event that begins the answer.
        """
        self._attempt, self._head = attempt, head
        self._stream.listen(self._hear, self._finish)
        try:
            await self._over
        finally:
            self._attempt = None
            if self._farewell is not None:
                self._farewell.cancel()
            if not attempt.over:
                # Whoever called is gone; or the server stops, and they notice and try again.
                asyncio.get_running_loop().call_soon(attempt.abort)

    def wake(self) -> None:
        """Send what the attempt has to say."""
        attempt = self._attempt
        if attempt is None or self._over.done():
            return
        complete = attempt.over and self._input_over
        self._answer(attempt.data_to_send(), more=not complete)
        if complete:
            self._finish()
        elif attempt.over and self._farewell is None:
            loop = asyncio.get_running_loop()
            self._farewell = loop.call_later(END_OF_REQUEST_S, self._end_early)

    def _hear(self, body: bytes, more: bool) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        self._input_over = not more
        try:
            if body:
                attempt.receive_data(body)
            if not more:
                attempt.receive_eof()
            if attempt.over or (self._head is not None and attempt.begun):
                self.wake()
        except Exception as error:  # noqa: BLE001 - raised in run: it shall cost this attempt alone
            self._fail(error)

    def _end_early(self) -> None:
        """End the answer before the request, which the server leaves open."""
        self._input_over = True
        self.wake()

    def _answer(self, data: bytes, *, more: bool) -> None:
        try:
            head, self._head = self._head, None
            if head is not None:
                self._stream.answer(head)
            elif not data and more:
                return
            self._stream.answer({"type": "http.response.body", "body": data, "more_body": more})
        except ConnectionResetError:
            self._finish()

    def _fail(self, error: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)
