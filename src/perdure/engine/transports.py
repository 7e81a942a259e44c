"""How attempts reach handlers: a port for transports, and the choice among them by endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct, field

from perdure.core.model.deployments import Deployment
from perdure.core.model.invocations import Problem
from perdure.core.model.targets import Target
from perdure.engine.memory import Memory
from perdure.protocol.ids import InvocationId
from perdure.protocol.session import Session, Sink

#: Takes why a session is lost, and after how many milliseconds the service wants to be asked again
#: if it said so. Called at most once, from a callback of the event loop; nothing follows it.
Lost = Callable[[Problem, int | None], None]


class TransportError(Exception):
    """An attempt could not be opened; it is retried by policy."""

    def __init__(self, doc_code: str, message: str) -> None:
        super().__init__(message)
        #: Documented code, such as RT0010.
        self.doc_code = doc_code


class Line(Struct, frozen=True):
    """An attempt, as a transport sees it."""

    invocation_id: InvocationId
    target: Target
    protocol_version: int
    sink: Sink
    lost: Lost
    #: Attempts before it that failed, and brought no entry of the journal.
    failures: int = 0
    #: Counts what is held of its messages on their way.
    memory: Memory = field(default_factory=Memory)


class Transport(Protocol):
    """Opens attempts at deployments of one kind."""

    def open(self, deployment: Deployment, line: Line) -> Session:
        """Begin an attempt.

        Raises:
            TransportError: the deployment cannot be reached or does not serve the target.
        """


def scheme_of(endpoint: str) -> str:
    """Give the part of an endpoint that names its transport: of an URI or ARN, the first."""
    return endpoint.partition(":")[0]


class Transports:
    """All transports, by the scheme of the endpoints they reach."""

    def __init__(self, by_scheme: Mapping[str, Transport]) -> None:
        self._by_scheme = by_scheme

    def open(self, deployment: Deployment, line: Line) -> Session:
        """Begin an attempt with whichever transport reaches the deployment.

        Raises:
            TransportError: none does, or the one that does cannot.
        """
        transport = self._by_scheme.get(scheme_of(deployment.endpoint))
        if transport is None:
            raise TransportError(
                "RT0010",
                f"this server has no transport for {deployment.endpoint}; it was registered with "
                "a server that has",
            )
        return transport.open(deployment, line)
