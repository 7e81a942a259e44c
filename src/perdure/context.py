"""Contexts and what they give, under the official SDK's path."""

from perdure.sdk.context import (
    AttemptFinishedEvent,
    Context,
    DurablePromise,
    ObjectContext,
    ObjectSharedContext,
    Request,
    RestateDurableCallFuture,
    RestateDurableFuture,
    RestateDurableSleepFuture,
    RunAction,
    RunOptions,
    ScopedContext,
    SendHandle,
    WorkflowContext,
    WorkflowSharedContext,
)
from perdure.sdk.context_state import WritableState as KeyValueStore
from perdure.sdk.definitions import HandlerType
from perdure.sdk.serde import DefaultSerde, Serde

__all__ = [
    "AttemptFinishedEvent",
    "Context",
    "DefaultSerde",
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
    "Serde",
    "WorkflowContext",
    "WorkflowSharedContext",
]
