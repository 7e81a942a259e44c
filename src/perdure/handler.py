"""Handlers, under the official SDK's path."""

from perdure.sdk.definitions import Handler, HandlerKind, HandlerType, handler_from_callable

__all__ = ["Handler", "HandlerKind", "HandlerType", "handler_from_callable"]
