"""Between server and SDK: both keep to the protocol, as each message that passes shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from perdure.protocol.manifest import Manifest
from perdure.protocol.messages import Completion, End, Error, Message, Suspension
from perdure.protocol.session import ServiceHost, Session, Sink
from simworld.places import HERE, Place

Accuse = Callable[[str, str], None]


class WatchedHost:
    """A host whose sessions are listened to; it is the protocol ``ServiceHost`` itself.

    Args:
        host: runs the handlers.
        accuse: is told what breaks the protocol.
        place: makes an attempt's place; without it, whoever opens sessions sees to that.
    """

    def __init__(
        self, host: ServiceHost, accuse: Accuse, place: Callable[[], Place] | None = None
    ) -> None:
        self._host = host
        self._accuse = accuse
        self._place = place

    def manifest(self) -> Manifest:
        return self._host.manifest()

    def open(
        self, service: str, handler: str, protocol_version: int, sink: Sink, *headers: object
    ) -> Session:
        watched = WatchedSession(f"{service}/{handler}", sink, self._accuse)
        watched.session = self._host.open(
            service, handler, protocol_version, watched.speak, *headers
        )
        return watched if self._place is None else PlacedSession(watched, self._place())


class PlacedSession:
    """A session whose handler knows where it runs."""

    def __init__(self, session: Session, place: Place) -> None:
        self._session = session
        self._place = place

    def receive(self, messages: Sequence[Message]) -> None:
        outer = HERE.set(self._place)
        self._session.receive(messages)
        HERE.reset(outer)

    def close_input(self) -> None:
        self._session.close_input()

    def abort(self) -> None:
        self._session.abort()


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
