"""Services whose handlers do what the test says: the SDK's side of attempts, without an SDK."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    Manifest,
    ServiceManifest,
    ServiceType,
)
from perdure.protocol.messages import End, Future, Message, Notification, Output, Start, Value
from perdure.protocol.session import Sink


def handler(name: str, ty: HandlerType | None = None, **options) -> HandlerManifest:
    return HandlerManifest(name=name, ty=ty, **options)


def manifest(*services: ServiceManifest, versions: tuple[int, int] = (5, 7)) -> Manifest:
    return Manifest(
        min_protocol_version=versions[0], max_protocol_version=versions[1], services=services
    )


def service(name: str, *handlers: HandlerManifest, **options) -> ServiceManifest:
    return ServiceManifest(name=name, ty=ServiceType.SERVICE, handlers=handlers, **options)


def virtual_object(name: str, *handlers: HandlerManifest, **options) -> ServiceManifest:
    return ServiceManifest(name=name, ty=ServiceType.VIRTUAL_OBJECT, handlers=handlers, **options)


GREETER = service("Greeter", handler("greet"), handler("relay"))
COUNTER = virtual_object("Counter", handler("add"), handler("look", HandlerType.SHARED))
SIGNUP = ServiceManifest(
    name="Signup",
    ty=ServiceType.WORKFLOW,
    handlers=(handler("run", HandlerType.WORKFLOW), handler("verify")),
)
MANIFEST = manifest(GREETER, COUNTER, SIGNUP)


class ScriptedSession:
    """One attempt: what it heard, and a way to speak."""

    def __init__(self, host: ScriptedHost, address: str, version: int, sink: Sink) -> None:
        self._host = host
        self._sink = sink
        self.address = address
        self.version = version
        self.heard: list[Message] = []
        self.input_closed = False
        self.aborted = False

    @property
    def start(self) -> Start:
        start = self.heard[0]
        assert isinstance(start, Start)
        return start

    @property
    def journal(self) -> list[Message]:
        """What was replayed, from the input on."""
        return self.heard[1 : 1 + self.start.known_entries]

    @property
    def news(self) -> list[Message]:
        """What came after the replay."""
        return self.heard[1 + self.start.known_entries :]

    def say(self, *messages: Message) -> None:
        self._sink(messages)

    def receive(self, messages: Sequence[Message]) -> None:
        self.heard.extend(messages)
        self._host.act(self)

    def close_input(self) -> None:
        self.input_closed = True
        self._host.act(self)

    def abort(self) -> None:
        self.aborted = True


#: Called whenever something reaches a session; decides what it says.
Script = Callable[[ScriptedSession], None]


class ScriptedHost:
    """The port ``ServiceHost``; a handler without a script says nothing by itself."""

    def __init__(self, served: Manifest = MANIFEST, **scripts: Script) -> None:
        self._served = served
        #: By the handler's name.
        self.scripts = scripts
        #: In the order in which they were opened.
        self.sessions: list[ScriptedSession] = []

    def manifest(self) -> Manifest:
        return self._served

    def open(
        self, service: str, handler: str, protocol_version: int, sink: Sink
    ) -> ScriptedSession:
        if not any(
            each.name == service and handler in {one.name for one in each.handlers}
            for each in self._served.services
        ):
            raise LookupError(f"there is no {service}/{handler}")
        session = ScriptedSession(self, f"{service}/{handler}", protocol_version, sink)
        self.sessions.append(session)
        return session

    def act(self, session: ScriptedSession) -> None:
        script = self.scripts.get(session.address.partition("/")[2])
        if script is not None:
            script(session)

    @property
    def last(self) -> ScriptedSession:
        return self.sessions[-1]

    def sessions_of(self, name: str) -> list[ScriptedSession]:
        return [each for each in self.sessions if each.address.endswith(f"/{name}")]


# Scripts.


def returns(content: bytes = b"out") -> Script:
    """End at once."""

    def script(session: ScriptedSession) -> None:
        if not session.news and not session.input_closed:
            session.say(Output(Value(content)), End())

    return script


def first_says(*messages: Message) -> Script:
    """Say this once the journal is there, and nothing after that."""

    def script(session: ScriptedSession) -> None:
        if not session.news and not session.input_closed:
            session.say(*messages)

    return script


def ended(content: bytes = b"out") -> tuple[Message, Message]:
    """Give the last words of a handler that returned."""
    return Output(Value(content)), End()


def on(*completions: int, signals=(), names=()) -> Future:
    return Future(tuple(completions), tuple(signals), tuple(names))


def notifications(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if isinstance(message, Notification)]
