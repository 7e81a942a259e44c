"""Refusals of the ingress, each with the HTTP status it is answered with.

    IngressError
    ├── BadRequestError, NotFoundError, MethodNotAllowedError,
    │   TooLargeError, UriTooLongError                            the client's to mend
    ├── NotReadyError                                             ask again later
    └── UnavailableError                                          the server's; try again

What a handler fails with is not an error here: it is a result.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import ClassVar

Headers = tuple[tuple[bytes, bytes], ...]


class IngressError(Exception):
    """A request that the ingress answers by itself; the message tells the client what to do."""

    status: ClassVar[int]

    @property
    def headers(self) -> Headers:
        """Headers that belong to this refusal."""
        return ()


class BadRequestError(IngressError):
    """The request cannot be understood, or is not one that its target takes."""

    status = HTTPStatus.BAD_REQUEST


class NotFoundError(IngressError):
    """What the request names does not exist."""

    status = HTTPStatus.NOT_FOUND


class MethodNotAllowedError(IngressError):
    """The path exists, for other methods."""

    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__("method not allowed")
        self._allowed = ", ".join(sorted(allowed))

    @property
    def headers(self) -> Headers:
        """Name the methods that are allowed, as RFC 9110 (15.5.6) asks."""
        return ((b"allow", self._allowed.encode()),)


class TooLargeError(IngressError):
    """The body is longer than the configured limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UriTooLongError(IngressError):
    """Path and query are longer than any client needs."""

    status = HTTPStatus.REQUEST_URI_TOO_LONG


class NotReadyError(IngressError):
    """The invocation has no result yet."""

    status = 470

    def __init__(self) -> None:
        super().__init__("the invocation exists but has not completed yet")


class UnavailableError(IngressError):
    """The server stops; the client may send the request again, here or elsewhere."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def headers(self) -> Headers:
        """Say when to try again, and that this connection is of no more use."""
        return (*retry_after(1), (b"connection", b"close"))


def retry_after(seconds: int) -> Headers:
    """Tell the client when to try again."""
    return ((b"retry-after", b"%d" % seconds),)
