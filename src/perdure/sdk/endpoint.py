"""The endpoint of an application: what is answered to which request (service protocol, section 1).

Requests and answers are plain values here; ASGI servers and AWS Lambda bring them and carry them
away. Requests are told apart by the last segments of their path, so that any prefix works.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from time import time
from typing import Final

import msgspec

from perdure.protocol.identity import IdentityError, Verifier
from perdure.protocol.manifest import ProtocolMode
from perdure.protocol.versions import PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN
from perdure.sdk.endpoint_attempt import WireAttempt
from perdure.sdk.endpoint_discovery import (
    InexpressibleError,
    document,
    manifest_version,
    media_type,
)
from perdure.sdk.host import Host

_CONTENT_TYPE: Final = re.compile(r"application/vnd\.restate\.invocation\.v(\d{1,9})")
#: Content types that are not read again: there are as many as versions.
_REMEMBERED_MAX: Final = 16
#: Paths that are not taken apart again: so many, and none that is longer.
_PATHS_MAX: Final = 256
_PATH_CHARS_MAX: Final = 256
_JSON: Final = "application/json"
#: Whoever balances load may ask for the head alone.
_READING: Final = frozenset({"GET", "HEAD"})


class EndpointRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, without the body."""

    method: str
    path: str
    headers: Mapping[str, str]
    """With names in lower case."""
    mode: ProtocolMode
    """What the way that the request came can do."""
    compression: str | None = None
    """How answers may be compressed on that way."""


class Answer(msgspec.Struct, frozen=True):
    """An answer that needs no body of the request."""

    status: int
    content_type: str
    body: bytes

    @classmethod
    def problem(cls, status: int, message: str) -> Answer:
        """Refuse a request."""
        return cls(status, _JSON, msgspec.json.encode({"message": message}))


class Invocation(msgspec.Struct, frozen=True):
    """An attempt that has begun: it takes the body of the request, and gives that of the answer."""

    content_type: str
    attempt: WireAttempt


class Endpoint:
    """Answers the requests of servers.

    Args:
        host: The services.
        mode: How servers shall talk to them; as the way they come allows, if absent.
        identity_keys: Public keys of the servers that are answered; all are, if there are none.
        now_s: Gives the time in seconds since 1970.

    Raises:
        IdentityKeyError: a key is not written as keys are.
        ImportError: there are keys, and the package that reads them is missing.
    """

    def __init__(
        self,
        host: Host,
        mode: ProtocolMode | None = None,
        identity_keys: tuple[str, ...] = (),
        now_s: Callable[[], float] = time,
    ) -> None:
        self.host = host
        self.server_header = f"perdure-sdk/{sdk_version()}"
        self._mode = mode
        self._verifier = Verifier(identity_keys) if identity_keys else None
        self._now_s = now_s

    def answer(self, request: EndpointRequest, wake: Callable[[], None]) -> Answer | Invocation:
        """Answer a request, or begin the attempt that it asks for.

        Args:
            request: What was asked.
            wake: Called when the attempt has something to send.
        """
        path = request.path
        last, called = _places(path) if len(path) <= _PATH_CHARS_MAX else _read_path(path)
        if last == "health" and request.method in _READING:
            return Answer(200, _JSON, b'{"status":"ok"}')
        if self._verifier is not None:
            try:
                self._verifier.verify(request.headers, path, self._now_s())
            except IdentityError as error:
                return Answer.problem(401, str(error))
        if called is not None and request.method == "POST":
            return self._invoke(request, called, wake)
        if request.method == "GET" and last == "discover":
            return self._discover(request)
        return Answer.problem(
            404,
            f"there is nothing at {request.method} {path}: servers ask for GET /discover, "
            "POST /invoke/{service}/{handler} and GET /health",
        )

    def _discover(self, request: EndpointRequest) -> Answer:
        accept = request.headers.get("accept")
        chosen = manifest_version(accept)
        if chosen is None:
            return Answer.problem(
                415, f"no version of the discovery manifest in {accept!r} is spoken here"
            )
        manifest = msgspec.structs.replace(
            self.host.manifest(),
            protocol_mode=self._mode or request.mode,
            lambda_compression=request.compression,
        )
        try:
            return Answer(200, media_type(chosen), document(manifest, chosen))
        except InexpressibleError as error:
            return Answer.problem(500, str(error))

    def _invoke(
        self, request: EndpointRequest, called: tuple[str, str], wake: Callable[[], None]
    ) -> Answer | Invocation:
        content_type = request.headers.get("content-type")
        if content_type is None:
            return Answer.problem(415, "the request has no content-type")
        number = _version_asked(content_type)
        if number is None:
            return Answer.problem(400, f"the content-type {content_type!r} is not an invocation's")
        if not PROTOCOL_VERSION_MIN <= number <= PROTOCOL_VERSION_MAX:
            return Answer.problem(
                415,
                f"version {number} of the service protocol is not spoken here, but "
                f"{PROTOCOL_VERSION_MIN} to {PROTOCOL_VERSION_MAX} are",
            )
        attempt = WireAttempt(number, wake)
        service, handler = called
        try:
            session = self.host.open(service, handler, number, attempt.say, request.headers)
        except LookupError as error:
            return Answer.problem(404, str(error.args[0]))
        attempt.carry(session)
        return Invocation(content_type, attempt)


def _read_path(path: str) -> tuple[str, tuple[str, str] | None]:
    """Give the last segment of a path, and the service and handler if it is one of those."""
    segments = path.rstrip("/").split("/")
    called = len(segments) >= 3 and segments[-3] == "invoke"
    return segments[-1], (segments[-2], segments[-1]) if called else None


#: Attempts come to the same few paths again and again.
_places: Final = lru_cache(_PATHS_MAX)(_read_path)


@lru_cache(_REMEMBERED_MAX)
def _version_asked(content_type: str) -> int | None:
    """Give the version of the protocol that a content type names, if it names one."""
    found = _CONTENT_TYPE.fullmatch(content_type)
    return None if found is None else int(found[1])


def sdk_version() -> str:
    """Give the version of this package; one that was never installed has none."""
    try:
        return version("perdure")
    except PackageNotFoundError:
        return "0"
