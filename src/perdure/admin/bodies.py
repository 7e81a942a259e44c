"""Bodies of requests: JSON documents, checked field by field so that every wrong one is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from types import UnionType
from typing import Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct
from starlette.requests import Request

from perdure.admin.errors import AdminError
from perdure.core.model.durations import DurationError, parse_duration_ms

T = TypeVar("T", bound=Struct)

#: Documents of requests: names, options, some headers.
BODY_BYTES_MAX: Final = 1024 * 1024


class Wrong(NamedTuple):
    """A field that is not as it should be."""

    field: str
    reason: str


async def read_body(request: Request, kind: type[T], bytes_max: int = BODY_BYTES_MAX) -> T:
    """Read the JSON document of a request; fields that are not known are left out.

    Raises:
        AdminError: it is not JSON, not of this shape, or too long.
    """
    raw = await _read_json(request, bytes_max)
    if not isinstance(raw, dict):
        raise AdminError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Failed to deserialize the JSON body into the target type: it is not an object",
        )
    values: dict[str, Any] = {}
    wrong: list[Wrong] = []
    for field in msgspec.structs.fields(kind):
        if field.encode_name in raw:
            values[field.encode_name] = raw[field.encode_name]
            wrong.extend(_check(field.encode_name, raw[field.encode_name], field.type))
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
            wrong.append(Wrong(field.encode_name, "missing field"))
    refuse(wrong)
    return msgspec.convert(values, kind)


def refuse(wrong: Iterable[Wrong]) -> None:
    """Raise one error about all that is wrong, if anything is.

    Raises:
        AdminError: something is wrong.
    """
    found = list(wrong)
    if found:
        raise unprocessable(found)


def unprocessable(wrong: Sequence[Wrong]) -> AdminError:
    """Give the error about all that is wrong."""
    listed = "; ".join(f"{field}: {reason}" for field, reason in wrong)
    return AdminError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"Failed to deserialize the JSON body into the target type: {listed}",
        fields=wrong,
    )


def read_duration(field: str, text: str | None, wrong: list[Wrong]) -> int | None:
    """Read a duration as milliseconds; note it among what is wrong if it is none."""
    if text is None:
        return None
    try:
        return parse_duration_ms(text)
    except DurationError as error:
        wrong.append(Wrong(field, str(error)))
        return None


async def _read_json(request: Request, bytes_max: int) -> Any:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise AdminError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Expected request with `Content-Type: application/json`",
        )
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise AdminError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {bytes_max} bytes"
            )
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AdminError(
            HTTPStatus.BAD_REQUEST, f"Failed to parse the request body as JSON: {error}"
        ) from error


def _check(name: str, value: object, wanted: Any) -> Iterator[Wrong]:
    """Check a field; of an object, each of its values."""
    of_values = _values_of(wanted)
    if of_values is not None and isinstance(value, dict):
        for key, each in value.items():
            yield from _check(f"{name}.{key}", each, of_values)
        return
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        yield Wrong(name + place.rstrip("`"), reason)


def _values_of(wanted: Any) -> Any:
    """Give the type of an object's values, or None if another thing is wanted."""
    for choice in get_args(wanted) if get_origin(wanted) in (Union, UnionType) else (wanted,):
        if get_origin(choice) is dict:
            return get_args(choice)[1]
    return None
