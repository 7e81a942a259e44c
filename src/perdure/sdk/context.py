"""The contexts that handlers get: one class a kind of handler.

A context is of use in its own handler only, and only while that runs.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from perdure.sdk.calling import DurableCallFuture, SendHandle
from perdure.sdk.context_base import AttemptFinishedEvent, Request
from perdure.sdk.context_calls import Calls
from perdure.sdk.context_runs import RunAction, RunOptions, Steps
from perdure.sdk.context_scopes import ScopedContext
from perdure.sdk.context_signals import DurablePromise, Promises, Signals
from perdure.sdk.context_state import ReadableState, WritableState
from perdure.sdk.definitions import HandlerType
from perdure.sdk.futures import DurableFuture, SleepFuture

__all__ = [
    "AttemptFinishedEvent",
    "Context",
    "DurableCallFuture",
    "DurableFuture",
    "DurablePromise",
    "HandlerType",
    "KeyValueStore",
    "ObjectContext",
    "ObjectSharedContext",
    "Request",
    "RestateDurableCallFuture",
    "RestateDurableFuture",
    "RestateDurableSleepFuture",
    "RunAction",
    "RunOptions",
    "ScopedContext",
    "SendHandle",
    "SleepFuture",
    "WorkflowContext",
    "WorkflowSharedContext",
    "current_context",
]

KeyValueStore = WritableState
RestateDurableFuture = DurableFuture
RestateDurableCallFuture = DurableCallFuture
RestateDurableSleepFuture = SleepFuture


class Context(Steps, Calls, Signals):
    """The context of a service's handler."""

    __slots__ = ()


class ObjectSharedContext(Context, ReadableState):
    """The context of a virtual object's shared handler: it may read the object's state."""

    __slots__ = ()


class ObjectContext(ObjectSharedContext, WritableState):
    """The context of a virtual object's exclusive handler: it may change the object's state."""

    __slots__ = ()


class WorkflowSharedContext(ObjectSharedContext, Promises):
    """The context of a workflow's further handlers: they run beside its run handler."""

    __slots__ = ()


class WorkflowContext(ObjectContext, Promises):
    """The context of a workflow's run handler."""

    __slots__ = ()


#: Set for the time of an attempt; libraries find the context here.
CURRENT: Final[ContextVar[Context | None]] = ContextVar("perdure_context", default=None)


def current_context() -> Context | None:
    """Give the context of the handler that runs here, if one does."""
    return CURRENT.get()
