"""Which context the handlers of each kind get, and whether their hints say so too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from perdure.sdk.context import (
    Context,
    ObjectContext,
    ObjectSharedContext,
    WorkflowContext,
    WorkflowSharedContext,
)
from perdure.sdk.definitions import Handler, HandlerKind
from perdure.sdk.errors import DefinitionError

CONTEXTS: Final[Mapping[HandlerKind, type[Context]]] = {
    HandlerKind.SERVICE: Context,
    HandlerKind.EXCLUSIVE: ObjectContext,
    HandlerKind.SHARED: ObjectSharedContext,
    HandlerKind.WORKFLOW: WorkflowContext,
    HandlerKind.WORKFLOW_SHARED: WorkflowSharedContext,
}


def check_context(handler: Handler) -> None:
    """Refuse a hint that promises the handler a context which it does not get.

    Raises:
        DefinitionError: what the handler gets.
    """
    where = f"handler {handler.name!r} of {handler.service!r}"
    given, hint = CONTEXTS[handler.kind], handler.signature.context_hint
    if _is_context(handler.signature.input_hint):
        raise DefinitionError(f"{where}: the context comes first: write (ctx: {given.__name__}, …)")
    if _is_context(hint) and not issubclass(given, hint):
        raise DefinitionError(
            f"{where}: its context is a {given.__name__}, not a {hint.__name__}: change the hint, "
            "or the kind of the handler"
        )


def _is_context(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Context)
