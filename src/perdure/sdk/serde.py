"""Serdes: how values become bytes in the journal and on the wire, and come back.

:func:`serde_for` picks one by type hint. What comes in is checked against the hint; what goes out
is written as it is. ``None`` is written as no bytes at all, and no bytes are read as ``None``.
"""

from __future__ import annotations

import dataclasses
from copy import deepcopy
from functools import lru_cache
from inspect import Parameter
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

import msgspec
from msgspec import inspect as shapes

from perdure.sdk.errors import DefinitionError
from perdure.sdk.serde_kinds import BytesSerde, JsonSerde, MsgspecJsonSerde, SchemaMode, Serde
from perdure.sdk.serde_pydantic import PydanticJsonSerde, adapter_for

__all__ = [
    "BytesSerde",
    "DefaultSerde",
    "JsonSerde",
    "MsgspecJsonSerde",
    "OrDefault",
    "PydanticJsonSerde",
    "SchemaMode",
    "Serde",
    "serde_for",
]

T = TypeVar("T")


class DefaultSerde(Serde[T]):
    """The serde that :func:`serde_for` picks for a type hint; plain JSON without one.

    Args:
        type_hint: The type.
    """

    def __init__(self, type_hint: Any = None) -> None:
        self.type_hint = type_hint
        chosen: Serde[T] = serde_for(type_hint)
        self._chosen = chosen

    def with_maybe_type(self, type_hint: Any = None) -> DefaultSerde[T]:
        """Give the default serde for another type."""
        return DefaultSerde(type_hint)

    def deserialize(self, buf: bytes) -> T | None:
        """Read a value.

        Raises:
            SerdeError: the bytes hold none of that type.
        """
        return self._chosen.deserialize(buf)

    def serialize(self, obj: T | None) -> bytes:
        """Write a value.

        Raises:
            SerdeError: it cannot be written.
        """
        return self._chosen.serialize(obj)

    def json_schema(self, mode: SchemaMode) -> Any:
        """Give the JSON schema of the type; None without a type."""
        return None if self.type_hint is None else self._chosen.json_schema(mode)


class OrDefault(Serde[T]):
    """Another serde, with a value of its own where there are no bytes.

    Each reading gives a copy, since handlers change what they are given, and the next attempt is
    to begin with the same. What cannot be written, such as a mark for "not given", is no data:
    it stays the one object that it is.

    Args:
        inner: The other serde.
        default: The value for no bytes.
    """

    def __init__(self, inner: Serde[T], default: T) -> None:
        self._inner = inner
        self._default = default
        self._is_data = _is_writable(inner, default)

    def deserialize(self, buf: bytes) -> T | None:
        """Read a value, or give the default."""
        if buf:
            return self._inner.deserialize(buf)
        return deepcopy(self._default) if self._is_data else self._default

    def serialize(self, obj: T | None) -> bytes:
        """Write a value."""
        return self._inner.serialize(obj)

    def json_schema(self, mode: SchemaMode) -> Any:
        """Give the schema of the other serde."""
        return self._inner.json_schema(mode)


def _is_writable(serde: Serde[T], value: T) -> bool:
    try:
        serde.serialize(value)
    except Exception:  # noqa: BLE001 - of a serde that may be an author's own
        return False
    return True


def serde_for(type_hint: Any) -> Serde[Any]:
    """Pick the serde for values of a type.

    Bytes pass as they are. Types that `msgspec` or Pydantic can model are JSON, checked when
    read. A hint that says nothing (``Any``, none at all, a class that nobody can model) is plain
    JSON. ``Annotated[Type, serde]`` names a serde of your own.

    Raises:
        DefinitionError: the hint names something undefined, or is a dataclass or struct with a
            field that has no form in JSON.
    """
    try:
        return _known_serde(type_hint)
    except TypeError:  # not hashable, such as Annotated[int, []]
        return _choose(type_hint)


def _choose(hint: Any) -> Serde[Any]:
    if hint in (None, type(None), Any, object, Parameter.empty):
        return JsonSerde()
    if hint is bytes:
        return BytesSerde()
    metadata = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    for given in metadata:
        if isinstance(given, Serde):
            return given
    if isinstance(hint, type) and hasattr(hint, "model_validate_json"):
        return PydanticJsonSerde(hint)
    if not _is_constrained(hint) and _is_modelled(hint):
        return MsgspecJsonSerde(hint)
    return _adapter_or_json(hint)


#: One serde a type: building one takes far longer than using it.
_known_serde: Final = lru_cache(maxsize=1024)(_choose)


def _adapter_or_json(hint: Any) -> Serde[Any]:
    try:
        adapter = adapter_for(hint)
    except NameError as error:
        raise DefinitionError(f"{hint!r} mentions a name that is not defined: {error}") from error
    if adapter is not None:
        return adapter
    if dataclasses.is_dataclass(hint) or hasattr(hint, "__struct_fields__"):
        raise DefinitionError(
            f"{hint!r} has a field whose type has no form in JSON: change the type of the field, "
            "or give a serde of your own"
        )
    return JsonSerde()


def _is_modelled(hint: Any) -> bool:
    """Tell whether `msgspec` models a type, with all that is inside."""
    try:
        todo: list[Any] = [shapes.type_info(hint)]
    except TypeError:
        return False
    except NameError as error:
        raise DefinitionError(f"{hint!r} mentions a name that is not defined: {error}") from error
    seen: set[int] = set()
    while todo:
        shape = todo.pop()
        if isinstance(shape, shapes.CustomType) or _is_validated(shape):
            return False
        if isinstance(shape, (shapes.Type, shapes.Field)) and id(shape) not in seen:
            seen.add(id(shape))
            todo.extend(msgspec.structs.astuple(shape))
        elif isinstance(shape, tuple):
            todo.extend(shape)
    return True


def _is_validated(shape: Any) -> bool:
    """Tell whether a type is a dataclass of Pydantic: it passes for a plain one, but validates."""
    return hasattr(getattr(shape, "cls", None), "__pydantic_validator__")


def _is_constrained(hint: Any) -> bool:
    """Tell whether a type carries annotations of Pydantic, of which `msgspec` knows nothing."""
    makers = ("pydantic", "annotated_types")
    return any(
        type(part).__module__.partition(".")[0] in makers or _is_constrained(part)
        for part in get_args(hint)
    )
