"""Events: what happened to an invocation beside its journal, for whoever asks why it waits."""

from __future__ import annotations

from msgspec import Struct

from perdure.core.model.invocations import Problem


class TransientError(Struct, frozen=True, array_like=True, gc=False, tag=0):
    """An attempt failed and was, or will be, tried again."""

    problem: Problem


class Paused(Struct, frozen=True, array_like=True, gc=False, tag=1):
    """The invocation was paused: after its last failure, or (without one) by an operator."""

    problem: Problem | None = None


Happening = TransientError | Paused


class Event(Struct, frozen=True, array_like=True, gc=False):
    """What happened, when, and after which entry of the journal."""

    #: Milliseconds since 1970.
    appended_at: int
    after_index: int
    happening: Happening
