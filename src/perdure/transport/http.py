"""Services over HTTP: opens attempts at deployments with ``http`` and ``https`` addresses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from perdure.core.model.deployments import Deployment
from perdure.engine.transports import Line, TransportError
from perdure.protocol.framing import PAYLOAD_BYTES_LIMIT
from perdure.protocol.identity import Signer
from perdure.protocol.ids import invocation_text
from perdure.transport.addresses import HTTP_2, AddressError, parse_address
from perdure.transport.client_http import HttpClient
from perdure.transport.exchanges import Request
from perdure.transport.http_session import HttpSession

SCHEMES: Final = ("http", "https")


class HttpOptions(Struct, frozen=True, kw_only=True):
    """How services are spoken to."""

    payload_bytes_limit: int = PAYLOAD_BYTES_LIMIT
    #: Headers of every request.
    headers: Mapping[str, str] = {}
    #: Proves who asks.
    signer: Signer | None = None

    def request_headers(
        self, additional: Mapping[str, str], path: str, subject: str | None = None
    ) -> tuple[tuple[str, str], ...]:
        """Give the headers that requests for attempts and for discovery share.

        Args:
            additional: headers of the deployment.
            path: the request's path below the deployment's own.
            subject: key of the object or workflow, if there is one.
        """
        signature: Mapping[str, str] = {}
        if self.signer is not None:
            signature = self.signer.headers(path, int(time.time()), key=subject)
        return tuple({**self.headers, **additional, **signature}.items())


class HttpTransport:
    """Opens attempts at services elsewhere."""

    def __init__(self, client: HttpClient, options: HttpOptions) -> None:
        self._client = client
        self._options = options

    def open(self, deployment: Deployment, line: Line) -> HttpSession:
        """Begin an attempt; what goes wrong on the way is told to the line.

        Raises:
            TransportError: the deployment has no address to connect to.
        """
        try:
            address = parse_address(deployment.endpoint, http2=deployment.http_version == HTTP_2)
        except AddressError as error:
            raise TransportError("RT0010", str(error)) from error
        target = line.target
        content_type = f"application/vnd.restate.invocation.v{line.protocol_version}"
        path = f"/invoke/{target.service}/{target.handler}"
        subject = target.key if target.kind.keyed else None
        headers = [
            ("content-type", content_type),
            ("accept", content_type),
            ("x-restate-invocation-id", invocation_text(line.invocation_id)),
        ]
        if subject is not None:
            headers.append(("x-restate-service-key", quote(subject, safe="")))
        shared = self._options.request_headers(deployment.additional_headers, path, subject)
        session = HttpSession(
            line, deployment.endpoint, content_type, self._options.payload_bytes_limit
        )
        request = Request("POST", address.path(path), (*headers, *shared))
        session.begin(self._client.open(address.origin, request, session))
        return session
