"""Between server and SDK: both keep to the protocol, as each message that passes shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from perdure.protocol.manifest import Manifest
from perdure.protocol.messages import Completion, End, Error, Message, Suspension
from perdure.protocol.session import ServiceHost, Session, Sink

Accuse = Callable[[str, str], None]


class WatchedHost:
    """A host whose sessions are listened to; it is the protocol ``ServiceHost`` itself."""

    def __init__(self, host: ServiceHost, accuse: Accuse) -> None:
        self._host = host
        self._accuse = accuse

    def manifest(self) -> Manifest:
        return self._host.manifest()

    def open(self, service: str, handler: str, protocol_version: int, sink: Sink) -> Session:
        watched = WatchedSession(f"{service}/{handler}", sink, self._accuse)
        watched.session = self._host.open(service, handler, protocol_version, watched.speak)
        return watched


class WatchedSession:
    """One attempt, listened to."""

    session: Session

    def __init__(self, name: str, sink: Sink, accuse: Accuse) -> None:
        self._name = name
        self._sink = sink
        self._accuse = accuse
        self._answered: set[int] = set()
        self._over: str | None = None

    def receive(self, messages: Sequence[Message]) -> None:
        if self._over is not None:
            self._accuse("wire", f"the server spoke to {self._name} after its {self._over}")
        for message in messages:
            if isinstance(message, Completion):
                if message.completion_id in self._answered:
                    self._accuse("wire", f"{self._name} was told {message.completion_id} twice")
                self._answered.add(message.completion_id)
        self.session.receive(messages)

    def close_input(self) -> None:
        self.session.close_input()

    def abort(self) -> None:
        self._over = "abort"
        self.session.abort()

    def speak(self, messages: Sequence[Message]) -> None:
        if self._over is not None:
            self._accuse("wire", f"{self._name} spoke after its {self._over}")
        if isinstance(messages[-1], End | Suspension | Error):
            self._over = "end"
        self._sink(messages)
