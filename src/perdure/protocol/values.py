"""Values inside messages: results, headers, what is awaited, and whom a command names."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct


class Void(Struct, frozen=True, array_like=True, gc=False, tag=4):
    """No value: a sleep that ended, a promise not completed, an absent state key."""


class Value(Struct, frozen=True, array_like=True, gc=False, tag=5):
    """A serialised success value."""

    content: bytes


class Failure(Struct, frozen=True, array_like=True, gc=False, tag=6):
    """A terminal failure: an HTTP-like code, a message and (version 6 on) string metadata."""

    code: int
    message: str
    metadata: tuple[tuple[str, str], ...] = ()


class InvocationIdentity(Struct, frozen=True, array_like=True, gc=False, tag=16):
    """The textual id of the invocation that a call started."""

    invocation_id: str


class StateKeys(Struct, frozen=True, array_like=True, gc=False, tag=17):
    """Keys of an object's state, in ascending order."""

    keys: tuple[bytes, ...]


Outcome = Value | Failure
Result = Void | Value | Failure | InvocationIdentity | StateKeys
Headers = tuple[tuple[str, str], ...]

VOID = Void()


class Combinator(IntEnum):
    """How the children of a future combine (service protocol 4.1)."""

    UNKNOWN = 0
    FIRST_COMPLETED = 1
    ALL_COMPLETED = 2
    FIRST_SUCCEEDED_OR_ALL_FAILED = 3
    ALL_SUCCEEDED_OR_FIRST_FAILED = 4


class Future(Struct, frozen=True, array_like=True):
    """A tree of what a handler waits for: leaves by id, and nested futures.

    Up to version 6 the three lists go over the wire flat and the server wakes on any of them,
    which is what ``FIRST_COMPLETED`` without nesting says.
    """

    completions: tuple[int, ...] = ()
    signals: tuple[int, ...] = ()
    named_signals: tuple[str, ...] = ()
    nested: tuple[Future, ...] = ()
    combinator: Combinator = Combinator.FIRST_COMPLETED


class WorkflowTarget(Struct, frozen=True, array_like=True, gc=False, tag=4):
    """The run of a workflow, by name and key."""

    workflow_name: str
    workflow_key: str
    scope: str | None = None


class IdempotentRequestTarget(Struct, frozen=True, array_like=True, gc=False, tag=3):
    """An invocation by the idempotency key it was requested with."""

    service_name: str
    handler_name: str
    idempotency_key: str
    service_key: str | None = None
    scope: str | None = None


class InvocationTarget(Struct, frozen=True, array_like=True, gc=False, tag=1):
    """An invocation by its textual id."""

    invocation_id: str


AttachTarget = InvocationTarget | IdempotentRequestTarget | WorkflowTarget
