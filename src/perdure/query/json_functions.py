"""Functions on JSON text: what stands under a key, of which type, and how much of it there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import pyarrow as pa
from datafusion import ScalarUDF, udf

_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode
#: What stands for nothing under the key; null is something.
_MISSING: Final = object()


def json_functions() -> Iterator[ScalarUDF]:
    """Give the functions, to be registered where queries run."""
    found: dict[str, tuple[Callable[[Any], Any], pa.DataType]] = {
        "json_get": (_json, pa.string()),
        "json_get_json": (_json, pa.string()),
        "json_get_array": (_typed(list, _json), pa.string()),
        "json_as_text": (_text, pa.string()),
        "json_get_str": (_typed(str), pa.string()),
        "json_get_int": (_typed(int), pa.int64()),
        "json_get_float": (_typed((int, float), float), pa.float64()),
        "json_get_bool": (_typed(bool), pa.bool_()),
        "json_length": (_length, pa.uint64()),
        "json_contains": (lambda value: value is not _MISSING, pa.bool_()),
    }
    for name, (pick, result) in found.items():
        arguments = [pa.large_string(), pa.string()]
        yield udf(_under_key(pick, result), arguments, result, "immutable", name)
    for name, pick, result in (
        ("json_object_keys", _keys, pa.list_(pa.string())),
        ("json_keys", _keys, pa.list_(pa.string())),
        ("json_len", _length, pa.uint64()),
    ):
        yield udf(_whole(pick, result), [pa.large_string()], result, "immutable", name)


def _under_key(pick: Callable[[Any], Any], result: pa.DataType) -> Callable[..., pa.Array]:
    def apply(documents: pa.Array, keys: pa.Array) -> pa.Array:
        pairs = zip(documents.to_pylist(), keys.to_pylist(), strict=True)
        return pa.array([pick(_child(document, key)) for document, key in pairs], result)

    return apply


def _whole(pick: Callable[[Any], Any], result: pa.DataType) -> Callable[..., pa.Array]:
    def apply(documents: pa.Array) -> pa.Array:
        return pa.array([pick(_read(document)) for document in documents.to_pylist()], result)

    return apply


def _read(document: str | None) -> Any:
    if document is None:
        return _MISSING
    try:
        return _DECODE(document)
    except msgspec.DecodeError:
        return _MISSING


def _child(document: str | None, key: str | None) -> Any:
    """Give what stands under a key of an object, or at an index of a list."""
    value = _read(document)
    if isinstance(value, dict):
        return value.get(key, _MISSING)
    if isinstance(value, list) and key is not None and key.isdecimal():
        index = int(key)
        return value[index] if index < len(value) else _MISSING
    return _MISSING


def _json(value: Any) -> str | None:
    return None if value is _MISSING else _ENCODE(value).decode()


def _text(value: Any) -> str | None:
    if value is _MISSING or value is None:
        return None
    return value if isinstance(value, str) else _ENCODE(value).decode()


def _typed(
    types: type | tuple[type, ...], show: Callable[[Any], Any] = lambda value: value
) -> Callable[[Any], Any]:
    """Give values of a type only; a truth is no number."""

    def pick(value: Any) -> Any:
        is_truth = isinstance(value, bool) and types is not bool
        return show(value) if isinstance(value, types) and not is_truth else None

    return pick


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list | dict) else None


def _keys(value: Any) -> list[str] | None:
    return list(value) if isinstance(value, dict) else None
