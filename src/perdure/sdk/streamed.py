"""An application behind our own HTTP server: attempts that are called back, and no tasks.

What arrives goes to the attempt in the very callback that brought it, and what the handler says to
it goes out from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from typing_extensions import override

from perdure.protocol.direct_http import Header, Stream, StreamHead, StreamingApplication
from perdure.protocol.manifest import ProtocolMode
from perdure.sdk.asgi import ONE_WAY_VERSIONS
from perdure.sdk.asgi_exchange import END_OF_REQUEST_S
from perdure.sdk.endpoint import Answer, Endpoint, EndpointRequest, Invocation
from perdure.sdk.endpoint_attempt import WireAttempt

_OK: Final = 200
#: Members of an enum are slow to reach before Python 3.12: looked up once for all requests.
_BIDI_STREAM: Final = ProtocolMode.BIDI_STREAM


class Streamed(StreamingApplication):
    """An endpoint whose lifespan its server looks after.

    Args:
        endpoint: Answers the requests.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._server = (b"x-restate-server", endpoint.server_header.encode())
        #: Those of answers, by their content types, of which there are a few.
        self._headers: dict[str, tuple[Header, ...]] = {}

    @override
    def begin(self, head: StreamHead, stream: Stream) -> None:
        """Answer a request, or begin the attempt that it asks for."""
        carrier = StreamedAttempt(stream)
        answer = self._endpoint.answer(_request(head), carrier.wake)
        headers = self._headers.get(answer.content_type)
        if headers is None:
            headers = ((b"content-type", answer.content_type.encode("latin-1")), self._server)
            self._headers[answer.content_type] = headers
        # Struct classes have a metaclass, which makes an isinstance that fails slow.
        if type(answer) is Answer:
            stream.respond(answer.status, headers, answer.body)
        elif type(answer) is Invocation:
            carrier.begin(answer.attempt, headers)


class StreamedAttempt:
    """Carries one attempt.

    Args:
        stream: The request and its answer.
    """

    __slots__ = ("_attempt", "_farewell", "_headers", "_input_over", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        #: None before it begins, and once the answer is complete or nobody is there to read it.
        self._attempt: WireAttempt | None = None
        #: Those of the answer, until it begins.
        self._headers: tuple[Header, ...] | None = None
        #: Whether the request has ended.
        self._input_over = False
        self._farewell: asyncio.TimerHandle | None = None

    def begin(self, attempt: WireAttempt, headers: tuple[Header, ...]) -> None:
        """Go on until the attempt is over and the answer complete.

        Args:
            attempt: The attempt, which calls :meth:`wake` when there is something to send.
            headers: Those of the answer.
        """
        self._attempt, self._headers = attempt, headers
        self._stream.listen(self._hear, self._leave)

    def wake(self) -> None:
        """Send what the attempt has to say."""
        attempt = self._attempt
        if attempt is None:
            return
        complete = attempt.over and self._input_over
        data = attempt.data_to_send()
        headers, self._headers = self._headers, None
        if headers is not None:
            self._stream.start(_OK, headers)
        elif not data and not complete:
            return
        if complete:
            self._leave()
        elif attempt.over and self._farewell is None:
            loop = asyncio.get_running_loop()
            self._farewell = loop.call_later(END_OF_REQUEST_S, self._end_early)
        self._stream.proceed(data, more=not complete)

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
            if self._attempt is None:
                return  # All is said, and was sent.
            if attempt.over or (self._headers is not None and attempt.begun):
                self.wake()
        except Exception as error:  # noqa: BLE001 - it is logged, and costs this attempt alone
            self._leave()
            self._stream.fail(error)

    def _end_early(self) -> None:
        """End the answer before the request, which the server leaves open."""
        self._input_over = True
        self.wake()

    def _leave(self) -> None:
        """Let go of the attempt: all is said, or whoever called is gone, and tries again."""
        attempt, self._attempt = self._attempt, None
        if self._farewell is not None:
            self._farewell.cancel()
        if attempt is not None and not attempt.over:
            # In a callback of its own: whoever says that the client is gone may be a task.
            asyncio.get_running_loop().call_soon(attempt.abort)


class TextHeaders(Mapping[str, str]):
    """Headers as text. Of those of an attempt hardly any is ever looked at.

    Args:
        headers: Names, in lower case, and values; of those that have one name, the last one counts.
    """

    __slots__ = ("_headers",)

    def __init__(self, headers: Iterable[Header]) -> None:
        self._headers = dict(headers)

    @override
    def __getitem__(self, name: str) -> str:
        return self._headers[name.encode("latin-1")].decode("latin-1")

    @override
    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._headers)

    @override
    def __len__(self) -> int:
        return len(self._headers)


def _request(head: StreamHead) -> EndpointRequest:
    one_way = head.version in ONE_WAY_VERSIONS
    return EndpointRequest(
        method=head.method,
        path=head.path,
        headers=TextHeaders(head.headers),
        mode=ProtocolMode.REQUEST_RESPONSE if one_way else _BIDI_STREAM,
    )
