"""One attempt over ASGI: what the server sends goes in, what the handler says goes out.

Attempts that end with what they know from the beginning, which are most, are read, run and
answered in one task. Only those that go on reading while they write get a second one.

The attempt itself moves in callbacks of the loop: it runs the handler's tasks, and a task must not
step another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from perdure.sdk.endpoint_attempt import WireAttempt

#: So long the server may take to end its request after the last word. Answers that end before
#: their request are legal, but some servers and proxies between turn that into a reset.
END_OF_REQUEST_S: Final = 5.0
#: So much of a request is read that is refused: more than is on its way before the server knows.
REFUSED_BYTES_MAX: Final = 1024 * 1024


class Exchange:
    """Carries one attempt.

    Args:
        receive: Gives the next event of the request.
        send: Takes the next event of the answer.
    """

    __slots__ = ("_attempt", "_gone", "_head", "_input_over", "_receive", "_send", "_woken")

    def __init__(
        self,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        self._attempt: WireAttempt
        self._head: MutableMapping[str, Any] | None = None
        #: Set by the attempt when there is something to send.
        self._woken = asyncio.Event()
        self._receive = receive
        self._send = send
        #: Whether the request has ended.
        self._input_over = False
        #: Whether nobody is there any more to read the answer.
        self._gone = False

    def wake(self) -> None:
        """Send what the attempt has to say."""
        self._woken.set()

    async def run(self, attempt: WireAttempt, head: MutableMapping[str, Any]) -> None:
        """Go on until the attempt is over and the answer complete.

        Args:
            attempt: The attempt, which calls :meth:`wake` when there is something to send.
            head: The event that begins the answer.
        """
        self._attempt, self._head = attempt, head
        try:
            while not (self._attempt.begun or self._input_over):
                await self._read()
            if not self._attempt.over:
                await self._stream()
            elif not self._input_over:
                await self._write()
                await self._read_to_the_end()
            await self._write(more=False)
        finally:
            if not self._attempt.over:
                # The server stops, or has failed: whoever called notices, and tries again.
                asyncio.get_running_loop().call_soon(self._attempt.abort)
            del self._attempt  # It knows this object: both are freed at once now.

    async def _stream(self) -> None:
        """Read and write side by side until the attempt is over."""
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._keep_reading())
            await self._write()
            while not self._attempt.over:
                await self._woken.wait()
                self._woken.clear()
                await self._write()
            if not self._input_over:
                await asyncio.wait((reader,), timeout=END_OF_REQUEST_S)
            reader.cancel()

    async def _keep_reading(self) -> None:
        """Read on, beyond the end of the request too: to learn when nobody is there any more."""
        while not (self._gone or (self._attempt.over and self._input_over)):
            await self._read()

    async def _read_to_the_end(self) -> None:
        try:
            async with asyncio.timeout(END_OF_REQUEST_S):
                while not self._input_over:
                    await self._read()
        except TimeoutError:
            pass  # The answer then ends before the request.

    async def _read(self) -> None:
        """Take the next event of the request."""
        event = await self._receive()
        if event["type"] == "http.disconnect":
            self._gone = self._input_over = True
            await self._let(self._attempt.abort)
            return
        body = event.get("body", b"")
        if body:
            await self._let(self._attempt.receive_data, body)
        if not event.get("more_body", False):
            self._input_over = True
            await self._let(self._attempt.receive_eof)

    async def _let(self, act: Callable[..., None], *args: bytes) -> None:
        """Let the attempt do something in a callback of its own, and come back after that."""
        asyncio.get_running_loop().call_soon(act, *args)
        await asyncio.sleep(0)

    async def _write(self, *, more: bool = True) -> None:
        """Send what there is to send; waits while the other side reads slowly."""
        if self._gone:
            return
        head, self._head = self._head, None
        if head is not None:
            await self._send(head)
        data = self._attempt.data_to_send()
        if data or not more:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})


async def read_on(
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]], within_s: float = END_OF_REQUEST_S
) -> bool:
    """Read what is left of a request whose answer stands; False if nobody is there any more.

    Whoever asked may leave the request open until it has seen the answer, or for good: this takes
    neither long nor much.
    """
    left = REFUSED_BYTES_MAX
    try:
        async with asyncio.timeout(within_s):
            while left > 0:
                event = await receive()
                if event["type"] == "http.disconnect":
                    return False
                if not event.get("more_body", False):
                    return True
                left -= len(event.get("body", b""))
    except TimeoutError:
        pass
    return True
