"""One attempt over HTTP: messages out as frames of a request, frames of its response in.

A stream that goes wrong, in whichever way, costs this attempt and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from perdure.core.model.invocations import Problem
from perdure.core.model.payloads import essence
from perdure.engine.transports import Line
from perdure.protocol import wire
from perdure.protocol.framing import Frame, FrameDecoder, MessageTooLargeError, WireError
from perdure.protocol.messages import End, Error, Message, Start, Suspension
from perdure.transport.exchanges import PIECE_BYTES, Exchange, LostError, PartedError
from perdure.transport.farewells import Farewells

_TERMINAL: Final = frozenset({End, Suspension, Error})
#: When to try again what a server left that said goodbye in good order: it is no failure of the
#: handler's, and does not count as one.
PARTED_RETRY_MS: Final = 250
#: How often in a row that holds: who always leaves before anything is done does not serve.
PARTINGS_MAX: Final = 10


class Fault(NamedTuple):
    """What is wrong with what a service said."""

    doc_code: str
    what: str


class Refusal(NamedTuple):
    """What the status of a response means."""

    doc_code: str
    code: int
    meaning: str


_REFUSALS: Final[Mapping[int, Refusal]] = {
    401: Refusal(
        "RT0012",
        500,
        "it does not recognise this server; give it the public key, and compare both clocks",
    ),
    404: Refusal(
        "RT0012", 500, "it has no such handler any more, or its services are at another path"
    ),
    413: Refusal("RT0019", 413, "the request is too large for it"),
    415: Refusal("RT0015", 415, "it no longer speaks the negotiated version of the protocol"),
    429: Refusal("RT0023", 500, "it is asked too often"),
    502: Refusal("RT0010", 500, "it is not available"),
    503: Refusal("RT0023", 500, "it is overloaded"),
    504: Refusal("RT0010", 500, "it is not available"),
}
_UNEXPECTED: Final = Refusal("RT0012", 500, "this is not how a service answers")


class HttpSession:
    """The service's half of one attempt; also listens to the exchange that carries it.

    Args:
        line: the attempt.
        uri: where the deployment is, for error messages.
        content_type: what both sides speak.
        payload_bytes_limit: messages as long as this, or longer, are refused.
        unrecognised: is told that the service does not know who asks; None if nobody proved it.
    """

    __slots__ = (
        "_content_type",
        "_decoder",
        "_exchange",
        "_farewells",
        "_line",
        "_over",
        "_unrecognised",
        "_uri",
        "_waiting",
    )

    def __init__(
        self,
        line: Line,
        uri: str,
        content_type: str,
        payload_bytes_limit: int,
        unrecognised: Callable[[], object] | None,
    ) -> None:
        self._line = line
        self._unrecognised = unrecognised
        self._uri = uri
        self._content_type = content_type
        self._decoder = FrameDecoder(payload_bytes_limit)
        #: What is counted of a message that is not whole yet, in bytes.
        self._waiting = 0
        self._exchange: Exchange | None = None
        self._farewells: Farewells
        #: Whether the sink or the loss was told the last thing there is to tell.
        self._over = False

    def begin(self, exchange: Exchange, farewells: Farewells) -> None:
        """Speak over an exchange that was opened for this session.

        Args:
            exchange: the exchange.
            farewells: see to it that the exchange ends when the attempt has.
        """
        self._exchange = exchange
        self._farewells = farewells

    # -----------------------------------------------------------------------------------------
    # Called by the engine

    def receive(self, messages: Sequence[Message]) -> None:
        """Send messages."""
        exchange = self._exchange
        assert exchange is not None, "an exchange carries it from its beginning"
        pieces = wire.encode_pieces(messages, self._line.protocol_version)
        if sum(map(len, pieces)) <= PIECE_BYTES:
            exchange.send(b"".join(pieces))
        else:
            for joined in _joined(pieces):
                exchange.send(joined)
        memory = self._line.memory
        # Before an attempt begins there was room for it; then it may grow.
        if memory.held > memory.most and type(messages[0]) is not Start:
            problem = self._overgrown()
            if problem is not None:
                self._lose(*problem)

    def close_input(self) -> None:
        """Close the request, so that the service suspends."""
        assert self._exchange is not None
        self._exchange.end()

    def abort(self) -> None:
        """End the attempt at once."""
        self._finish()
        self._hang_up()

    # -----------------------------------------------------------------------------------------
    # Called by the exchange

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Check that this is how a service answers."""
        if not 200 <= status < 300:
            if status == 401 and self._unrecognised is not None:
                self._unrecognised()
            refusal = _REFUSALS.get(status, _UNEXPECTED)
            retry_after_ms = None
            if refusal.doc_code == "RT0023":
                retry_after_ms = parse_retry_after(headers.get("retry-after"), time.time())
            self._lose(
                refusal.doc_code,
                f"the service answers with HTTP status {status}: {refusal.meaning}",
                code=refusal.code,
                retry_after_ms=retry_after_ms,
            )
            return
        given = headers.get("content-type", "")
        if given != self._content_type and essence(given) != self._content_type:
            self._lose(
                "RT0012",
                f"the service answers with content type {given!r} instead of "
                f"{self._content_type!r}",
            )

    def data(self, data: bytes) -> None:
        """Take what the service says."""
        if self._over:
            return
        problem: Fault | None = None
        frames: Sequence[Frame]
        try:
            frames = self._decoder.receive_data(data)
        except MessageTooLargeError as error:
            frames, problem = error.before, Fault("RT0003", str(error))
        waiting = self._decoder.waiting_bytes
        if waiting != self._waiting:
            problem = self._hold(waiting) or problem
        messages: list[Message] = []
        problem = self._decode(frames, messages) or problem
        if messages:
            last = type(messages[-1]) in _TERMINAL
            if last:
                self._finish()
            # This may end the session: then the problem belongs to nobody any more.
            self._line.sink(messages)
            if last:
                self._part()
        if problem is not None:
            self._lose(*problem)

    def end(self) -> None:
        """Learn that the response is complete."""
        self._let_go()
        if self._over:
            return
        try:
            self._decoder.receive_eof()
        except WireError as error:
            self._lose("RT0012", str(error))
            return
        self._lose("RT0007", "the service closed the stream without a last message")

    def lost(self, error: LostError) -> None:
        """Learn that the rest of the response will not come."""
        self._let_go()
        forgiven = isinstance(error, PartedError) and self._line.failures < PARTINGS_MAX
        self._lose("RT0010", str(error), retry_after_ms=PARTED_RETRY_MS if forgiven else None)

    # -----------------------------------------------------------------------------------------

    def _decode(self, frames: Sequence[Frame], messages: list[Message]) -> Fault | None:
        """Decode up to the last message that counts; say what is wrong with the next one."""
        version = self._line.protocol_version
        try:
            for kind, flags, payload in frames:
                message = wire.decode(kind, flags, payload, version)
                messages.append(message)
                if type(message) in _TERMINAL:
                    break
        except wire.TooDeepMessageError as error:
            return Fault("RT0025", str(error))
        except WireError as error:
            return Fault("RT0012", str(error))
        return None

    def _part(self) -> None:
        """Close our side after the service's last message, and give it time to close its own."""
        exchange = self._exchange
        if exchange is not None:
            exchange.end()
            if not exchange.ending:
                self._farewells.begin(exchange)

    def _lose(
        self, doc_code: str, what: str, *, code: int = 500, retry_after_ms: int | None = None
    ) -> None:
        if self._over:
            return
        self._finish()
        self._hang_up()
        message = f"error when calling {self._uri!r}: {what}"
        self._line.lost(Problem(code, message, doc_code=doc_code), retry_after_ms)

    def _hold(self, waiting: int) -> Fault | None:
        """Count what has come of a message that is not whole; say so if there is no room for it."""
        memory, more = self._line.memory, waiting - self._waiting
        self._waiting = waiting
        if more < 0:
            memory.release(-more)
            return None
        memory.held += more
        return self._overgrown() if memory.held > memory.most else None

    def _overgrown(self) -> Fault | None:
        """Say that all attempts together hold too much, if this one has to give back its part."""
        memory = self._line.memory
        own = self._waiting + (0 if self._exchange is None else self._exchange.held)
        if not memory.overgrown(own):
            return None
        return Fault(
            "RT0001",
            f"{own} bytes of messages were on their way, of {memory.held} that open attempts held "
            "together: let services take and give less at a time, or raise "
            f"worker.invoker.memory-limit, which is {memory.limit}",
        )

    def _finish(self) -> None:
        """Take note that there is nothing more to tell, nor to wait for."""
        self._over = True
        waiting, self._waiting = self._waiting, 0
        if waiting:
            self._line.memory.release(waiting)

    def _hang_up(self) -> None:
        exchange = self._let_go()
        if exchange is not None:
            exchange.cancel()

    def _let_go(self) -> Exchange | None:
        """Forget the exchange, which knows this session: both are freed at once then."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._farewells.end(exchange)
        return exchange


def parse_retry_after(text: str | None, now_s: float) -> int | None:
    """Read the header Retry-After: give milliseconds from now, or None where it says nothing.

    Args:
        text: whole seconds, or a date of HTTP.
        now_s: seconds since 1970.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) * 1000
    try:
        at_s = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return round((at_s - now_s) * 1000) if at_s > now_s else None


def _joined(pieces: list[bytes]) -> Iterator[bytes]:
    """Put short pieces together, as far as they go into one frame; long ones are not copied."""
    together: list[bytes] = []
    size = 0
    for piece in pieces:
        if size + len(piece) > PIECE_BYTES and together:
            yield b"".join(together)
            together, size = [], 0
        together.append(piece)
        size += len(piece)
    yield together[0] if len(together) == 1 else b"".join(together)
