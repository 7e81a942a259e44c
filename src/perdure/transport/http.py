"""Services over HTTP: opens attempts at deployments with ``http`` and ``https`` addresses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
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
from perdure.transport.exchanges import Headers, Request
from perdure.transport.farewells import Farewells
from perdure.transport.http_session import HttpSession
from perdure.transport.identity_keys import KeyRing
from perdure.transport.network import Origin

SCHEMES: Final = ("http", "https")
#: Longer keys are told to the SDK alone, and not in headers: who finds a head too long may end the
#: connection, and with it the attempts of others.
TOLD_KEY_CHARS_MAX: Final = 1024
#: Ways to handlers that are remembered.
WAYS_MAX: Final = 1024


class Way(Struct, frozen=True):
    """What the requests of all attempts at one handler of a deployment share."""

    deployment: Deployment
    #: The path of such a request, below the deployment's own and as a whole.
    path: str
    placed_path: str
    #: What both sides speak, and the headers that name it.
    content_type: str
    typed: Headers
    #: All headers of a request that nobody signs, but for those that no other has like this.
    headers: Headers


class HttpOptions(Struct, frozen=True, kw_only=True):
    """How services are spoken to."""

    payload_bytes_limit: int = PAYLOAD_BYTES_LIMIT
    #: Headers of every request.
    headers: Mapping[str, str] = {}
    #: Prove who asks.
    keys: KeyRing | None = None

    def signer(self, endpoint: str) -> Signer | None:
        """Give what proves to an endpoint who asks, if anything does."""
        return None if self.keys is None else self.keys.signer(endpoint)

    def refused(self, endpoint: str, signer: Signer | None) -> bool:
        """Take note that an endpoint answered 401; tell whether it gets another proof next time."""
        return self.keys is not None and signer is not None and self.keys.refused(endpoint, signer)

    def request_headers(
        self,
        additional: Mapping[str, str],
        path: str,
        signer: Signer | None,
        subject: str | None = None,
    ) -> tuple[Headers, Headers]:
        """Give the headers that requests for attempts and for discovery share, and the signature.

        Args:
            additional: headers of the deployment.
            path: the request's path below the deployment's own.
            signer: proves who asks.
            subject: key of the object or workflow, if there is one.
        """
        shared = {**self.headers, **additional} if additional else self.headers
        if signer is None or self.keys is None:
            return tuple(shared.items()), ()
        signature = signer.headers(path, int(time.time()), key=subject, valid_s=self.keys.valid_s)
        unsigned = [header for header in shared.items() if header[0] not in signature]
        return tuple(unsigned), tuple(signature.items())

    def way(self, deployment: Deployment, line: Line, placed: Callable[[str], str] = str) -> Way:
        """Give what the requests of all attempts at the handler of one share.

        Args:
            deployment: where the attempts run.
            line: one of them.
            placed: gives the path of a request by its path below the deployment's own.
        """
        path = f"/invoke/{line.target.service}/{line.target.handler}"
        content_type, typed = _media(line.protocol_version)
        unsigned, _ = self.request_headers(deployment.additional_headers, path, None)
        return Way(deployment, path, placed(path), content_type, typed, typed + unsigned)

    def attempt(self, way: Way, line: Line) -> tuple[Request, HttpSession]:
        """Give the request that opens an attempt, and the session that it carries.

        Args:
            way: where the attempt runs.
            line: the attempt.
        """
        target, endpoint = line.target, way.deployment.endpoint
        keyed = target.kind.keyed and len(target.key) <= TOLD_KEY_CHARS_MAX
        subject = target.key if keyed else None
        shared = way.headers
        own: Headers = (("x-restate-invocation-id", invocation_text(line.invocation_id)),)
        if subject is not None:
            own += (("x-restate-service-key", quote(subject, safe="")),)
        signer = None if self.keys is None else self.signer(endpoint)
        if signer is not None:
            additional = way.deployment.additional_headers
            unsigned, signature = self.request_headers(additional, way.path, signer, subject)
            shared = way.typed + unsigned
            own += signature
        session = HttpSession(
            line,
            endpoint,
            way.content_type,
            self.payload_bytes_limit,
            None if signer is None else partial(self.refused, endpoint, signer),
        )
        return Request("POST", way.placed_path, shared, own), session


@cache  # of as many as there are versions
def _media(protocol_version: int) -> tuple[str, Headers]:
    """Give the content type of attempts, and the headers that name it."""
    content_type = f"application/vnd.restate.invocation.v{protocol_version}"
    return content_type, (("content-type", content_type), ("accept", content_type))


class HttpTransport:
    """Opens attempts at services elsewhere."""

    def __init__(self, client: HttpClient, options: HttpOptions) -> None:
        self._client = client
        self._options = options
        self._farewells = Farewells()
        #: Where attempts went, by deployment, service, handler and version of the protocol.
        self._ways: dict[tuple[str, str, str, int], tuple[Origin, Way]] = {}

    def open(self, deployment: Deployment, line: Line) -> HttpSession:
        """Begin an attempt; what goes wrong on the way is told to the line.

        Raises:
            TransportError: the deployment has no address to connect to.
        """
        origin, way = self._find_way(deployment, line)
        request, session = self._options.attempt(way, line)
        exchange = self._client.open(origin, request, session, memory=line.memory)
        session.begin(exchange, self._farewells)
        return session

    def _find_way(self, deployment: Deployment, line: Line) -> tuple[Origin, Way]:
        """Find the way to the handler of an attempt: attempts go where others went before them.

        Raises:
            TransportError: the deployment has no address to connect to.
        """
        target = line.target
        key = (deployment.id, target.service, target.handler, line.protocol_version)
        known = self._ways.get(key)
        if known is not None and known[1].deployment is deployment:
            return known
        try:
            address = parse_address(deployment.endpoint, http2=deployment.http_version == HTTP_2)
        except AddressError as error:
            raise TransportError("RT0010", str(error)) from error
        if len(self._ways) >= WAYS_MAX:
            self._ways.clear()
        found = address.origin, self._options.way(deployment, line, address.path)
        self._ways[key] = found
        return found
