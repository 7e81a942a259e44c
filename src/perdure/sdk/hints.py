"""The types that actions of ``ctx.run`` return, by their hints."""

from __future__ import annotations

import typing
from collections.abc import Callable
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

from perdure.sdk.signatures import innermost


class ResultHints:
    """Looks up what functions return, and remembers the hints that are written as text.

    Text is looked up once for each place in the code: that takes far longer than a run.
    """

    __slots__ = ("_resolved",)

    def __init__(self) -> None:
        self._resolved: dict[CodeType, Any] = {}

    def of(self, function: Callable[..., Any]) -> Any:
        """Give the type that a function returns; None without a hint that can be understood.

        A class gives what is of it.
        """
        if type(function) is not FunctionType:
            if isinstance(function, type):
                return function
            function = innermost(function)
        hint = getattr(function, "__annotations__", {}).get("return")
        if not isinstance(hint, str):
            return hint
        if hasattr(function, "__wrapped__"):
            # A decorator passes on the text of a function, whose module knows the names in it.
            function = innermost(function)
        if not isinstance(function, FunctionType):
            return None
        code = function.__code__
        if code not in self._resolved:
            self._resolved[code] = _resolved(hint, function)
        return self._resolved[code]


def _resolved(hint: str, function: FunctionType) -> Any:
    bearer = SimpleNamespace(__annotations__={"return": hint})
    try:
        hints = typing.get_type_hints(bearer, globalns=function.__globals__, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError):
        # Imported for type checkers only, or local to a function: plain JSON then.
        return None
    return hints["return"]
