"""The serdes that need no choice: bytes, plain JSON, and JSON of the types `msgspec` models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Literal, TypeVar

import msgspec

from perdure.sdk import json_values
from perdure.sdk.errors import SerdeError

T = TypeVar("T")

#: Which face of a type a JSON schema describes: what is read, or what is written.
SchemaMode = Literal["validation", "serialization"]


class Serde(ABC, Generic[T]):
    """Turns values of one type into bytes and back. Derive from it to bring your own format."""

    @abstractmethod
    def deserialize(self, buf: bytes) -> T | None:
        """Read a value.

        Raises:
            Exception: the bytes hold no such value; for the input of a handler its message
                reaches the caller, with status 400.
        """

    @abstractmethod
    def serialize(self, obj: T | None) -> bytes:
        """Write a value; the same value always gives the same bytes."""

    def json_schema(self, mode: SchemaMode) -> Any:  # noqa: ARG002 - a default for those that can
        """Give the JSON schema of the values; None leaves it to the type hint."""
        return None


class BytesSerde(Serde[bytes]):
    """Passes bytes through as they are."""

    def deserialize(self, buf: bytes) -> bytes:
        """Give the bytes."""
        return buf

    def serialize(self, obj: bytes | bytearray | memoryview | None) -> bytes:
        """Give the bytes.

        Raises:
            SerdeError: the value is not bytes.
        """
        if type(obj) is bytes:
            return obj
        if obj is None:
            return b""
        if isinstance(obj, (bytes, bytearray, memoryview)):
            return bytes(obj)
        raise SerdeError(f"bytes are expected here, not {type(obj).__name__}: encode the value")


class JsonSerde(Serde[T]):
    """JSON, read into plain values (dict, list, str, ...) without a check of their shape."""

    def deserialize(self, buf: bytes) -> T | None:
        """Read JSON.

        Raises:
            SerdeError: it is not JSON.
        """
        value: T | None = json_values.decode(buf) if buf else None
        return value

    def serialize(self, obj: T | None) -> bytes:
        """Write JSON.

        Raises:
            SerdeError: the value has no form in JSON.
        """
        return json_values.encode(obj) if obj is not None else b""


class MsgspecJsonSerde(Serde[T]):
    """JSON of a type that `msgspec` models.

    These are its structs, dataclasses, typed and named tuples, typed dictionaries, enumerations,
    dates, numbers, text, and their containers and unions.

    Args:
        model: The type.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._decode = msgspec.json.Decoder[T](model).decode

    def deserialize(self, buf: bytes) -> T | None:
        """Read JSON into the type.

        Raises:
            SerdeError: it does not have the type's shape.
        """
        if not buf:
            return None
        try:
            value: T = self._decode(buf)
        except msgspec.ValidationError as error:
            raise SerdeError(str(error)) from error
        except msgspec.DecodeError:
            return self._decode_oddity(buf)
        return value

    def _decode_oddity(self, buf: bytes) -> T:
        # What `json_values` writes beyond the letter of JSON must come back: nobody could repeat
        # the step that gave it.
        try:
            value: T = msgspec.convert(json_values.decode(buf), self.model, str_keys=True)
        except msgspec.ValidationError as error:
            raise SerdeError(str(error)) from error
        return value

    def serialize(self, obj: T | None) -> bytes:
        """Write JSON.

        Raises:
            SerdeError: the value has no form in JSON.
        """
        return json_values.encode(obj) if obj is not None else b""

    def json_schema(self, mode: SchemaMode) -> Any:  # noqa: ARG002 - the same both ways
        """Give the schema of the type; anything goes where it has none."""
        try:
            return msgspec.json.schema(self.model)
        except TypeError:
            return True
