"""Serdes of Pydantic, which is optional and slow to import: asked for only when a hint needs it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, Protocol, TypeVar

from perdure.sdk import json_values
from perdure.sdk.errors import DefinitionError, SerdeError
from perdure.sdk.serde_kinds import SchemaMode, Serde

T = TypeVar("T")

#: How many faults of an input an error names.
_FAULTS_MAX: Final = 10


class Model(Protocol):
    """What a model of Pydantic can do, as far as the SDK asks."""

    @classmethod
    def model_validate_json(cls, json_data: bytes) -> Any:
        """Read JSON."""

    @classmethod
    def model_json_schema(cls, *, mode: SchemaMode) -> Any:
        """Give the schema."""

    def model_dump_json(self) -> str:
        """Write JSON."""


class PydanticJsonSerde(Serde[T]):
    """JSON of a model of Pydantic.

    Args:
        model: The class of the model.
    """

    def __init__(self, model: type[Model]) -> None:
        self.model = model

    def deserialize(self, buf: bytes) -> T | None:
        """Read JSON into the model.

        Raises:
            SerdeError: it does not pass the model's validation.
        """
        if not buf:
            return None
        try:
            value: T = self.model.model_validate_json(buf)
        except ValueError as error:
            raise SerdeError(_faults(error)) from error
        return value

    def serialize(self, obj: T | None) -> bytes:
        """Write JSON.

        Raises:
            SerdeError: the value has no form in JSON.
        """
        if obj is None:
            return b""
        dump = getattr(obj, "model_dump_json", None)
        return dump().encode() if dump is not None else json_values.encode(obj)

    def json_schema(self, mode: SchemaMode) -> Any:
        """Give the schema of the model; anything goes where it has none."""
        try:
            return self.model.model_json_schema(mode=mode)
        except _pydantic().PydanticUserError:
            return True


class PydanticAdapterSerde(Serde[T]):
    """JSON of a type made of models of Pydantic, or constrained by its fields.

    Args:
        hint: The type: a union or container of models, a dataclass of Pydantic, ...
    """

    def __init__(self, hint: Any) -> None:
        self._adapter: Any = _pydantic().TypeAdapter(hint)

    def deserialize(self, buf: bytes) -> T | None:
        """Read JSON into the type.

        Raises:
            SerdeError: it does not pass the type's validation.
        """
        if not buf:
            return None
        try:
            value: Any = self._adapter.validate_json(buf)
            if isinstance(value, Iterator):
                # Pydantic would check each item of an `Iterable` when the handler comes to it, and
                # give the items only once.
                value = list(value)
        except ValueError as error:
            raise SerdeError(_faults(error)) from error
        whole: T = value
        return whole

    def serialize(self, obj: T | None) -> bytes:
        """Write JSON.

        Raises:
            SerdeError: the value has no form in JSON.
        """
        if obj is None:
            return b""
        try:
            text: bytes = self._adapter.dump_json(obj, warnings=False)
        except ValueError as error:
            raise SerdeError(str(error)) from error
        return text

    def json_schema(self, mode: SchemaMode) -> Any:
        """Give the schema of the type; anything goes where it has none."""
        try:
            return self._adapter.json_schema(mode=mode)
        except _pydantic().PydanticUserError:
            return True


def adapter_for(hint: Any) -> PydanticAdapterSerde[Any] | None:
    """Give a serde for whatever Pydantic can model; None if it cannot, or is not installed.

    Raises:
        DefinitionError: it has a ``TypedDict`` of a kind that Pydantic cannot read.
        NameError: the hint mentions a name that is not defined.
    """
    try:
        user_error = _pydantic().PydanticUserError
    except ImportError:
        return None
    try:
        return PydanticAdapterSerde(hint)
    except (user_error, TypeError) as error:
        if getattr(error, "code", None) == "typed-dict-version":
            raise DefinitionError(
                f"{hint!r} has models of Pydantic in a TypedDict, which before Python 3.12 must be "
                "the one of typing_extensions: import it from there"
            ) from error
        return None


def _pydantic() -> Any:
    return importlib.import_module("pydantic")


def _faults(error: ValueError) -> str:
    """Tell what Pydantic found, without the data: messages of errors go to logs."""
    report: Any = getattr(error, "errors", None)
    if report is None:
        return str(error)
    faults: Iterable[dict[str, Any]] = report(
        include_url=False, include_context=False, include_input=False
    )
    return "; ".join(
        f"{fault['msg']} - at `{'.'.join(('$', *map(str, fault['loc'])))}`"
        for fault in islice(faults, _FAULTS_MAX)
    )
