"""Durable timers: what is due when."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

from perdure.protocol.ids import InvocationId


class TimerKind(IntEnum):
    """What a timer does when it is due."""

    #: Completes a sleep; the number is the completion id.
    SLEEP = 0
    #: Starts a scheduled invocation.
    START = 1
    #: Starts the next attempt after a failure.
    RETRY = 2


class Timer(Struct, frozen=True, array_like=True, gc=False, order=True):
    """A timer, which is its own key: ordered by due time, in milliseconds since 1970."""

    due_at: int
    kind: TimerKind
    invocation_id: InvocationId
    number: int = 0
