"""Errors of the admin API, each with its HTTP status; the message says what to do instead."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus


class AdminError(Exception):
    """A request that cannot be answered as asked.

    Args:
        status: HTTP status.
        message: what is wrong.
        code: documented code such as META0006, where there is one.
        fields: wrong fields of the body, each with what is wrong with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.fields = tuple(fields)


def bad_field(field: str, reason: object) -> AdminError:
    """Blame a part of the request's path."""
    message = f"The request field '{field}' is invalid. Reason: {reason}"
    return AdminError(HTTPStatus.BAD_REQUEST, message)


def bad_value(field: str, reason: object) -> AdminError:
    """Blame a field of the request's body, which is of the right type at least."""
    error = bad_field(field, reason)
    error.fields = ((field, str(reason)),)
    return error


def bad_parameter(parameter: str, reason: object) -> AdminError:
    """Blame a part of the request's query."""
    message = f"The query parameter '{parameter}' is invalid. Reason: {reason}"
    return AdminError(HTTPStatus.BAD_REQUEST, message)


def missing(what: str) -> AdminError:
    """Say that something does not exist."""
    return AdminError(HTTPStatus.NOT_FOUND, f"The requested {what} does not exist")
