"""Serdes of Pydantic, which is optional and slow to import: asked for only when a hint needs it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from inspect import signature
from itertools import islice
from typing import Any, Final, Protocol, TypeVar, get_args

from perdure.sdk import json_values
from perdure.sdk.errors import DefinitionError, SerdeError
from perdure.sdk.serde_kinds import SchemaMode, Serde
from perdure.sdk.typed_dicts import with_readable

T = TypeVar("T")

#: How many faults of an input an error names.
_FAULTS_MAX: Final = 10


class Model(Protocol):
    """What a model of Pydantic can do, as far as the SDK asks."""

    @classmethod
    def model_validate_json(cls, json_data: bytes) -> Any:
        """Read JSON."""

    @classmethod
    def model_json_schema(cls, *, by_alias: bool = ..., mode: SchemaMode) -> Any:
        """Give the schema."""

    def model_dump_json(self, *, by_alias: bool = ...) -> str:
        """Write JSON."""


class PydanticJsonSerde(Serde[T]):
    """JSON of a model of Pydantic.

    Args:
        model: The class of the model.
    """

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self._form = _form(model, getattr(model, "__pydantic_core_schema__", None))

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
        if dump is None:
            return json_values.encode(obj)
        kind: Any = type(obj)
        form = self._form if _takes_form(kind) else {}
        text: str = dump(**form)
        return text.encode()

    def json_schema(self, mode: SchemaMode) -> Any:
        """Give the schema of the model; anything goes where it has none."""
        try:
            names = {} if mode == "validation" else _names(self.model, self._form)
            return self.model.model_json_schema(mode=mode, **names)
        except _pydantic().PydanticUserError:
            return True


class PydanticAdapterSerde(Serde[T]):
    """JSON of a type made of models of Pydantic, or constrained by its fields.

    Args:
        hint: The type: a union or container of models, a dataclass of Pydantic, ...
    """

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self._adapter: Any = _adapter(hint)
        self._validator = _validator(self._adapter)
        self._form = _form(hint, self._adapter.core_schema)

    def deserialize(self, buf: bytes) -> T | None:
        """Read JSON into the type.

        Raises:
            SerdeError: it does not pass the type's validation.
        """
        if not buf:
            return None
        try:
            value: T = self._validator.validate_json(buf)
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
        try:
            text: bytes = self._adapter.dump_json(obj, warnings=False, **self._form)
        except ValueError as error:
            raise SerdeError(str(error)) from error
        return text

    def json_schema(self, mode: SchemaMode) -> Any:
        """Give the schema of the type; anything goes where it has none."""
        try:
            names = {} if mode == "validation" else _names(self._hint, self._form)
            return self._adapter.json_schema(mode=mode, **names)
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
        if _is_about_typed_dicts(error):
            raise DefinitionError(
                f"{hint!r} needs Pydantic to be read, and has a TypedDict that before Python 3.12 "
                "must be the one of typing_extensions: import it from there"
            ) from error
        return None


def _form(hint: Any, schema: Any) -> dict[str, bool]:
    """Give the options with which values of a type are written.

    Fields are written by their aliases, as they are read, unless they are read by their names, or
    their model takes these too or says itself how it is written.

    Args:
        hint: The type.
        schema: What Pydantic has made of it.
    """
    configured = list(_configurations(hint))
    aliased = list(_aliased(schema))
    by_names = (bool(configured) and all(map(_goes_by_names, configured))) or (
        bool(aliased) and not any("validation_alias" in field for field in aliased)
    )
    return {} if by_names else {"by_alias": True}


def _names(hint: Any, form: Mapping[str, bool]) -> dict[str, bool]:
    """Give the options with which the schema of a type has the names that are written."""
    said = (each.get("serialize_by_alias") for each in _configurations(hint))
    return {} if form or any(said) else {"by_alias": False}


def _aliased(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Find the fields that are read or written by another name than their own."""
    if type(schema) is dict:
        if "validation_alias" in schema or "serialization_alias" in schema:
            yield schema
        schema = list(schema.values())
    if type(schema) in {list, tuple}:
        for part in schema:
            yield from _aliased(part)


@lru_cache(maxsize=1024)
def _takes_form(model: Any) -> bool:
    """Tell whether values of a model can be told how to be written; an author's own may not."""
    taken = signature(model.model_dump_json).parameters.values()
    return any(each.name == "by_alias" or each.kind is each.VAR_KEYWORD for each in taken)


def _configurations(hint: Any) -> Iterator[Mapping[str, Any]]:
    """Find how the models in a hint are configured, but not those in their fields."""
    for name in ("model_config", "__pydantic_config__"):
        configuration = getattr(hint, name, None)
        if isinstance(configuration, Mapping):
            yield configuration
    for part in get_args(hint):
        yield from _configurations(part)


def _goes_by_names(configuration: Mapping[str, Any]) -> bool:
    read = configuration.get("populate_by_name") or configuration.get("validate_by_name")
    return bool(read) or "serialize_by_alias" in configuration


def _adapter(hint: Any) -> Any:
    make = _pydantic().TypeAdapter
    try:
        return make(hint)
    except _pydantic().PydanticUserError as error:
        if not _is_about_typed_dicts(error):
            raise
    return make(with_readable(hint))


def _validator(adapter: Any) -> Any:
    # Pydantic would check each item of an `Iterable` when the handler comes to it, and give the
    # items only once.
    schema = _with_lists(adapter.core_schema)
    if schema == adapter.core_schema:
        return adapter.validator
    return importlib.import_module("pydantic_core").SchemaValidator(schema)


def _with_lists(schema: Any) -> Any:
    # Defaults are in it, too, which may be of types derived from these.
    if type(schema) is dict:
        parts = {name: _with_lists(part) for name, part in schema.items()}
        return {**parts, "type": "list"} if schema.get("type") == "generator" else parts
    if type(schema) in {list, tuple}:
        return type(schema)(map(_with_lists, schema))
    return schema


def _is_about_typed_dicts(error: Exception) -> bool:
    return getattr(error, "code", None) == "typed-dict-version"


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
