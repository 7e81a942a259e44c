"""What the function of a handler takes and gives, by its signature and type hints."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from inspect import Parameter
from types import SimpleNamespace
from typing import Any, Final

from perdure.sdk.errors import DefinitionError

#: Stands for a hint or a default that the author left out.
MISSING: Final = Parameter.empty

#: What a hint may be instead of a type by mistake.
_VALUES: Final = (bool, int, float, bytes, list, dict, set, tuple)
_BY_POSITION: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, kw_only=True, slots=True)
class HandlerSignature:
    """The signature of a handler, after its context."""

    takes_input: bool
    context_hint: Any = MISSING
    """Type of the context, as far as it can be told."""
    input_hint: Any = MISSING
    """Type of the input."""
    input_default: Any = MISSING
    """The input if the caller sends none."""
    output_hint: Any = MISSING
    """Type of the output; ``NoneType`` if there is none."""


def read_signature(where: str, fn: Callable[..., Any]) -> HandlerSignature:
    """Read the signature of a handler.

    Args:
        where: Which handler it is, as an error shall say it.
        fn: The function.

    Raises:
        DefinitionError: it cannot be a handler: it is not an ``async`` function, takes nothing
            or too much, or has a hint that cannot be resolved.
    """
    _check_async(where, fn)
    signature = inspect.signature(fn)
    parameters = _check_parameters(where, signature)
    output_hint = _resolve(where, fn, "return", signature.return_annotation)
    context_hint = MISSING
    with suppress(DefinitionError):  # often known to type checkers alone, and that is enough
        context_hint = _resolve(where, fn, parameters[0].name, parameters[0].annotation)
    if len(parameters) == 1:
        return HandlerSignature(
            takes_input=False, context_hint=context_hint, output_hint=output_hint
        )
    parameter = parameters[1]
    return HandlerSignature(
        takes_input=True,
        context_hint=context_hint,
        input_hint=_resolve(where, fn, parameter.name, parameter.annotation),
        input_default=parameter.default,
        output_hint=output_hint,
    )


def _check_async(where: str, fn: Callable[..., Any]) -> None:
    if not callable(fn):
        raise DefinitionError(f"{where}: a handler is a function, not {type(fn).__name__}")
    core = innermost(fn)
    if inspect.isasyncgenfunction(core):
        raise DefinitionError(f"{where}: a handler returns its output once: write `return`")
    if not any(map(inspect.iscoroutinefunction, (fn, core))):
        raise DefinitionError(f"{where}: a handler is asynchronous: write `async def`")


def _check_parameters(where: str, signature: inspect.Signature) -> list[Parameter]:
    parameters = list(signature.parameters.values())
    taken = [each for each in parameters if each.kind in _BY_POSITION]
    for each in parameters:
        if each not in taken and each.default is MISSING:
            raise DefinitionError(
                f"{where}: a handler takes a context and at most one input by position, "
                f"which {str(each)!r} is not: write `(ctx, input)`; a decorator of your own keeps "
                "the signature of its function with `@functools.wraps(function)`"
            )
    if not taken:
        raise DefinitionError(f"{where}: a handler takes a context first: write `(ctx)`")
    if taken[0].name == "self":
        raise DefinitionError(
            f"{where}: a handler is a function, not a method of a class: write `(ctx)`, or give "
            "the method of an object, `service.handler()(thing.method)`"
        )
    if len(taken) > 2:
        names = ", ".join(each.name for each in taken)
        raise DefinitionError(
            f"{where}: a handler takes a context and at most one input, not ({names}): "
            "put the values into a dataclass, a TypedDict or a model"
        )
    return taken


def _resolve(where: str, fn: Callable[..., Any], name: str, hint: Any) -> Any:
    """Give the type that a hint names; alone, so that no other hint can stand in its way."""
    if hint is MISSING:
        return MISSING
    bearer = SimpleNamespace(__annotations__={name: hint})
    try:
        hints = typing.get_type_hints(bearer, globalns=_globals(fn), include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        what = "return hint" if name == "return" else f"hint of {name!r}"
        raise DefinitionError(
            f"{where}: the {what}, {hint!r}, cannot be resolved ({error}): "
            "import or define the type at the top of the module, above the handler"
        ) from error
    resolved = hints[name]
    if isinstance(resolved, _VALUES):
        what = "return hint" if name == "return" else f"hint of {name!r}"
        raise DefinitionError(
            f"{where}: the {what}, {resolved!r}, is a value: write a type, such as "
            f"{type(resolved).__name__}"
        )
    return resolved


def _globals(fn: Callable[..., Any]) -> dict[str, Any]:
    """Give the names that the hints of a function can mention: its module's and its closure's."""
    core = innermost(fn)
    names: dict[str, Any] = dict(getattr(core, "__globals__", {}))
    if inspect.isfunction(core):
        for name, cell in zip(core.__code__.co_freevars, core.__closure__ or (), strict=True):
            # A name that the surrounding function binds later has an empty cell until then.
            with suppress(ValueError):
                names[name] = cell.cell_contents
    return names


def innermost(fn: Callable[..., Any]) -> Any:
    """Give the function at the core of decorators, partial applications, methods and callables."""
    while True:
        inner = fn.func if isinstance(fn, partial) else inspect.unwrap(fn)
        inner = getattr(inner, "__func__", inner)
        method = getattr(type(inner), "__call__", None)  # noqa: B004 - of an object's class
        if inspect.isfunction(method):
            return method
        if inner is fn:
            return fn
        fn = inner
