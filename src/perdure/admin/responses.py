"""Responses of the admin API: JSON, or nothing but a status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.responses import Response

_ENCODER: Final = msgspec.json.Encoder()


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
) -> Response:
    """Write an error as every error of this API looks."""
    return json_response({"message": message, "restate_code": code}, status, headers)
