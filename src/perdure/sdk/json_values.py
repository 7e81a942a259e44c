"""Values as JSON: the same value gives the same bytes in every process and at every replay.

`msgspec` does the work. What it does otherwise than durable code needs takes a slower road:

- The order of a set differs from process to process, and a replay compares bytes: sets are
  written in sorted order.
- It writes ``nan`` and infinities as ``null``. They are written, and read, as the standard
  library does.
- Keys that are ``True`` or ``None`` and lone surrogates it refuses. They are left to the standard
  library, too.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from math import isfinite
from typing import Any, Final

import msgspec

from perdure.sdk.errors import SerdeError

_PLAIN: Final = frozenset({str, int, bool, type(None)})


def encode_unknown(value: Any) -> Any:
    """Give the plain form of a value that `msgspec` does not know: models, and subclasses.

    Raises:
        TypeError: it has none.
    """
    match value:
        case str():
            return str.__str__(value)
        case int():
            return int.__int__(value)
        case float():
            return float.__float__(value)
    # A model of Pydantic, told by its method: Pydantic is optional and slow to import.
    dump = getattr(value, "model_dump", None)
    if dump is None or isinstance(value, type):
        if isinstance(value, Awaitable):
            raise TypeError(f"a {type(value).__name__} is no value yet: write `await` before it")
        raise TypeError(
            f"a value of type {type(value).__name__} has no form in JSON: use a dataclass, a "
            "TypedDict, a model of Pydantic or msgspec, or give a serde of your own"
        )
    return dump(mode="json")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=encode_unknown)
_DECODER: Final = msgspec.json.Decoder()


def encode(value: Any) -> bytes:
    """Write a value as JSON.

    Raises:
        SerdeError: it has no form in JSON.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise SerdeError("bytes have no form in JSON: give BytesSerde(), or bytes as the type hint")
    try:
        text = _ENCODER.encode(value)
        if type(value) in _PLAIN:
            return text
        # Every set is written with a bracket, every `nan` as null: without them all is well.
        # (`in` would take four times as long: for bytes it first tries what it looks for as a
        # number, and makes an error of that.)
        if (text.find(b"[") >= 0 or text.find(b"null") >= 0) and not _is_settled(value):
            return _encode_settled(value)
    except (TypeError, UnicodeEncodeError) as error:
        return _encode_oddity(value, error)
    return text


def decode(text: bytes) -> Any:
    """Read JSON into plain values.

    Raises:
        SerdeError: it is not JSON.
    """
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError as error:
        try:
            return json.loads(text)
        except ValueError:
            raise SerdeError(f"this is not JSON: {error}") from error


def _is_settled(value: Any) -> bool:
    """Tell whether a value is surely made of builtins only, without sets and without ``nan``."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is float:
        return isfinite(value)
    if kind is dict:
        return all(map(_is_settled, value.values()))
    if kind is list or kind is tuple:
        return all(map(_is_settled, value))
    return False


def _encode_settled(value: Any) -> bytes:
    plain = msgspec.to_builtins(
        value, str_keys=True, order="deterministic", enc_hook=encode_unknown
    )
    return _ENCODER.encode(plain) if _is_settled(plain) else json.dumps(plain).encode()


def _encode_oddity(value: Any, refusal: Exception) -> bytes:
    try:
        return json.dumps(value, default=encode_unknown).encode()
    except (TypeError, ValueError) as error:
        raise SerdeError(str(error)) from refusal
