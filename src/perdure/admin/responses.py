"""Responses of the admin API: JSON, or nothing but a status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

_ENCODER: Final = msgspec.json.Encoder()


class FieldDocument(Struct):
    """A field of the body that is wrong."""

    field: str
    reason: str


class ErrorDocument(Struct):
    """What every error of this API looks like."""

    message: str
    restate_code: str | None
    #: Every field that is wrong, if it was the body.
    fields: list[FieldDocument] | UnsetType = UNSET


def json_response(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Write a JSON document."""
    return Response(_ENCODER.encode(content), status, headers, "application/json")


def error_response(
    status: int,
    message: str,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    fields: Iterable[tuple[str, str]] = (),
) -> Response:
    """Write an error."""
    document = ErrorDocument(message, code)
    document.fields = [FieldDocument(*wrong) for wrong in fields] or UNSET
    return json_response(document, status, headers)
