"""The real SDK, reached through bytes: every message is framed, cut in pieces and read back."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from perdure.protocol.framing import FrameDecoder
from perdure.protocol.manifest import Manifest
from perdure.protocol.messages import Message
from perdure.protocol.session import ServiceHost, Session, Sink
from perdure.protocol.wire import decode, encode


class Pipe:
    """One direction of a stream: messages in, bytes in odd pieces, equal messages out."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._decoder = FrameDecoder()

    def carry(self, messages: Sequence[Message]) -> list[Message]:
        data = b"".join(encode(message, self._version) for message in messages)
        frames = []
        for start in range(0, len(data), 7):
            frames += self._decoder.receive_data(data[start : start + 7])
        return [decode(kind, flags, payload, self._version) for kind, flags, payload in frames]


class FramedSession:
    """A session at the other end of two pipes; ``hasty`` ones close the input at once."""

    def __init__(self, session: Session, version: int, *, hasty: bool) -> None:
        self._session = session
        self._inbound = Pipe(version)
        self._hasty = hasty

    def receive(self, messages: Sequence[Message]) -> None:
        self._session.receive(self._inbound.carry(messages))
        if self._hasty:
            self._session.close_input()

    def close_input(self) -> None:
        self._session.close_input()

    def abort(self) -> None:
        self._session.abort()


class FramedHost:
    """A host that speaks one version only, and only through bytes."""

    def __init__(self, host: ServiceHost, version: int, *, hasty: bool) -> None:
        self._host = host
        self._version = version
        self._hasty = hasty
        self.attempts = 0
        #: Open sessions, for a crash to forget.
        self.sessions: list[Session] = []

    def manifest(self) -> Manifest:
        return replace(self._host.manifest(), max_protocol_version=self._version)

    def open(self, service: str, handler: str, protocol_version: int, sink: Sink) -> Session:
        assert protocol_version == self._version
        self.attempts += 1
        outbound = Pipe(protocol_version)
        session = self._host.open(
            service, handler, protocol_version, lambda messages: sink(outbound.carry(messages))
        )
        return FramedSession(session, protocol_version, hasty=self._hasty)
