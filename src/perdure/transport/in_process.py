"""Services in the server's own process: messages are handed over as values."""

from __future__ import annotations

from typing import Final

from perdure.core.model.deployments import Deployment
from perdure.engine.transports import Line, TransportError
from perdure.protocol.session import ServiceHost, Session

SCHEME: Final = "inprocess"


def endpoint_of(name: str) -> str:
    """Give the endpoint under which an application in this process is registered."""
    return f"{SCHEME}://{name}"


class InProcessTransport:
    """Opens attempts at the applications of this process.

    All revisions of an application lead to the code that runs now: the code of an earlier revision
    is gone. An invocation that does not fit the new code fails its replay with a journal mismatch,
    which names the command that differs, and is tried again until the code fits.
    """

    def __init__(self) -> None:
        self._hosts: dict[str, ServiceHost] = {}

    def add(self, endpoint: str, host: ServiceHost) -> None:
        """Serve an endpoint with an application, instead of the one that did so far."""
        self._hosts[endpoint] = host

    def open(self, deployment: Deployment, line: Line) -> Session:
        """Begin an attempt.

        Raises:
            TransportError: no such application runs here, or it has no such handler.
        """
        host = self._hosts.get(deployment.endpoint)
        if host is None:
            raise TransportError(
                "RT0010",
                f"the application {deployment.endpoint} does not run in this process; start it "
                "with the server, or resume the invocation on another deployment",
            )
        target = line.target
        try:
            return host.open(target.service, target.handler, line.protocol_version, line.sink)
        except LookupError as error:
            raise TransportError(
                "RT0011",
                f"{deployment.endpoint} no longer serves {target.service}/{target.handler}: "
                f"{error}; bring the handler back, or kill the invocation",
            ) from error
