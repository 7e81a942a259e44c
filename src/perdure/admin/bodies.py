"""Bodies of requests: JSON documents, checked field by field so that every wrong one is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType, UnionType
from typing import Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct
from starlette.requests import Request

from perdure.admin.errors import AdminError
from perdure.core.model.durations import DurationError, parse_duration_ms
from perdure.core.model.payloads import essence

T = TypeVar("T", bound=Struct)

#: Raises an AdminError, with its fields, about a value that is of the right type and yet wrong.
Check = Callable[[Any], object]

_NO_CHECKS: Final[Mapping[str, Check]] = MappingProxyType({})

_NO_OBJECT: Final = "it is not an object"

#: Documents of requests: names, options, some headers.
BODY_BYTES_MAX: Final = 1024 * 1024
#: So much is told of a list; there may be more that is wrong.
WRONG_MAX: Final = 100


class Wrong(NamedTuple):
    """A field that is not as it should be."""

    field: str
    reason: str


async def read_body(
    request: Request,
    kind: type[T],
    bytes_max: int = BODY_BYTES_MAX,
    checks: Mapping[str, Check] = _NO_CHECKS,
    one_of: Sequence[str] = (),
) -> T:
    """Read the JSON document of a request; fields that are not known are left out.

    Args:
        request: the request.
        kind: shape of the document.
        bytes_max: longest document.
        checks: what more a field must pass, unless it is null.
        one_of: fields of which at least one must be given.

    Raises:
        AdminError: it is not JSON, not of this shape, or too long; or, in one error, all that
            checks say.
    """
    raw = await _read_json(request, bytes_max)
    return _read_object(raw, kind, checks, one_of)


async def read_list(
    request: Request, kind: type[T], checks: Mapping[str, Check] = _NO_CHECKS
) -> list[T]:
    """Read the JSON list of a request; a wrong field is told with its place, as ``[0].name``.

    Args:
        request: the request.
        kind: shape of each element.
        checks: what more a field of an element, which is never null, must pass.

    Raises:
        AdminError: it is not JSON, not of this shape, or too long; or, in one error, what is wrong
            with the elements.
    """
    raw = await _read_json(request, BODY_BYTES_MAX)
    if not isinstance(raw, list):
        raise _wrong_body("it is not a list")
    try:
        read = [msgspec.convert(element, kind) for element in raw]
        for element in read:
            for name, check in checks.items():
                check(getattr(element, name))
    except (msgspec.ValidationError, AdminError) as error:
        raise unprocessable(_wrong_elements(raw, kind, checks)) from error
    return read


def _wrong_elements(
    raw: Iterable[object], kind: type[Struct], checks: Mapping[str, Check]
) -> list[Wrong]:
    """Tell what is wrong with elements of which at least one is wrong."""
    wrong: list[Wrong] = []
    for index, element in enumerate(raw):
        if len(wrong) >= WRONG_MAX:
            break
        try:
            _read_object(element, kind, checks)
        except AdminError as error:
            place = f"[{index}]"
            wrong += [Wrong(f"{place}.{name}", reason) for name, reason in error.fields] or [
                Wrong(place, _NO_OBJECT)
            ]
    return wrong


def _read_object(
    raw: object, kind: type[T], checks: Mapping[str, Check], one_of: Sequence[str] = ()
) -> T:
    """Make a document of a JSON value; blame all fields that are wrong."""
    if not isinstance(raw, dict):
        raise _wrong_body(_NO_OBJECT)
    values: dict[str, Any] = {}
    errors: list[AdminError] = []
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if name in raw:
            values[name] = raw[name]
            errors += _errors(name, raw[name], field.type, checks.get(name))
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
            errors.append(unprocessable([Wrong(name, "missing field")]))
    if one_of and all(values.get(name) is None for name in one_of):
        errors.append(unprocessable([Wrong(one_of[0], f"missing; give {' or '.join(one_of)}")]))
    if errors:
        raise _together(errors)
    return msgspec.convert(values, kind)


def unprocessable(wrong: Sequence[Wrong]) -> AdminError:
    """Give the error about all that is wrong."""
    return _wrong_body("; ".join(f"{field}: {reason}" for field, reason in wrong), wrong)


def _wrong_body(reason: str, wrong: Sequence[Wrong] = ()) -> AdminError:
    return AdminError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"Failed to deserialize the JSON body into the target type: {reason}",
        fields=wrong,
    )


def read_duration(field: str, text: str | None) -> int | None:
    """Read a duration as milliseconds.

    Raises:
        AdminError: it is none.
    """
    if text is None:
        return None
    try:
        return parse_duration_ms(text)
    except DurationError as error:
        raise unprocessable([Wrong(field, str(error))]) from error


async def _read_json(request: Request, bytes_max: int) -> Any:
    content_type = essence(request.headers.get("content-type", ""))
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


def _errors(name: str, value: object, wanted: Any, check: Check | None) -> list[AdminError]:
    """Tell what is wrong with a field; what is of another type is not checked further."""
    mistyped = list(_check_type(name, value, wanted))
    if mistyped:
        return [unprocessable(mistyped)]
    if check is None or value is None:
        return []
    try:
        check(value)
    except AdminError as error:
        return [error]
    return []


def _together(errors: Sequence[AdminError]) -> AdminError:
    """Make one error of several; one alone keeps its status and code."""
    if len(errors) == 1:
        return errors[0]
    return unprocessable([Wrong(*each) for error in errors for each in error.fields])


def _check_type(name: str, value: object, wanted: Any) -> Iterator[Wrong]:
    """Check the type of a field; of an object, that of each of its values."""
    of_values = _values_of(wanted)
    if of_values is not None and isinstance(value, dict):
        for key, each in value.items():
            yield from _check_type(f"{name}.{key}", each, of_values)
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
