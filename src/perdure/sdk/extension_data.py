"""What libraries keep with a handler's context, until its attempt ends."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any

from perdure.sdk.context import Context
from perdure.sdk.errors import ContextMisuseError
from perdure.sdk.finished import Finished


def set_extension_data(ctx: Context, key: str, value: Any) -> None:
    """Keep something for the time of the attempt.

    Args:
        ctx: The context of the handler that runs.
        key: A name for it, of the library's own.
        value: What is kept. If it has a method ``__close__``, that is called when the attempt ends.

    Raises:
        ContextMisuseError: its ``__close__`` is a coroutine, or ``ctx`` is no handler's context.
    """
    if iscoroutinefunction(getattr(value, "__close__", None)):
        raise ContextMisuseError(
            f"The __close__ of {key} is a coroutine, which nobody could await any more when it is "
            "called: make it a plain function"
        )
    _data_of(ctx)[key] = value


def get_extension_data(ctx: Context, key: str) -> Any:
    """Give what is kept under a key; None if nothing is."""
    return _data_of(ctx).get(key)


def clear_extension_data(ctx: Context, key: str) -> None:
    """Keep it no longer, without closing it."""
    _data_of(ctx).pop(key, None)


def _data_of(ctx: Context) -> dict[str, Any]:
    end = ctx.request().attempt_finished_event
    if not isinstance(end, Finished):
        raise ContextMisuseError(f"{ctx!r} is the context of no handler: take `current_context()`")
    return end.data
