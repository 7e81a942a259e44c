"""A ``TypedDict`` of the standard library, which Pydantic reads from Python 3.12 on only."""

from __future__ import annotations

import typing
from types import UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
)

import typing_extensions

_KEPT: Final = ("__module__", "__qualname__", "__doc__", "__pydantic_config__")


def with_readable(hint: Any) -> Any:
    """Give a type of the same values, with each ``TypedDict`` made one of ``typing_extensions``.

    Those stay that are in fields of classes, or of themselves.

    Raises:
        NameError: the hint mentions a name that is not defined.
    """
    return _remade(hint, {})


def _remade(hint: Any, known: dict[Any, Any]) -> Any:
    if typing.is_typeddict(hint):
        return known[hint] if hint in known else _remade_dict(hint, known)
    origin, parts = get_origin(hint), get_args(hint)
    if not parts or origin is Literal:
        return hint
    if origin is Annotated:
        return Annotated[(_remade(parts[0], known), *parts[1:])]
    parts = tuple(_remade(part, known) for part in parts)
    kind: Any = Union if origin is UnionType else origin
    return kind[parts if len(parts) > 1 else parts[0]]


def _remade_dict(original: Any, known: dict[Any, Any]) -> Any:
    known[original] = original
    fields = {
        name: _marked(_remade(hint, known), name in original.__required_keys__)
        for name, hint in typing.get_type_hints(original, include_extras=True).items()
    }
    make: Any = typing_extensions.TypedDict
    known[original] = remade = make(original.__name__, fields)
    for name in _KEPT:
        if hasattr(original, name):
            setattr(remade, name, getattr(original, name))
    return remade


def _marked(hint: Any, is_required: bool) -> Any:
    # The mark of the field itself is right where annotations are texts; the class did not see it.
    is_marked = get_origin(hint) in {Required, NotRequired}
    return hint if is_required or is_marked else NotRequired[hint]
