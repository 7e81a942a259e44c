"""What the machine asks of the world once the record that causes it is durable (invariant I1).

Only the leader carries actions out, and recovery rebuilds each of them from the tables: an action
that is lost is late, never missing.
"""

from __future__ import annotations

from msgspec import Struct

from perdure.core.model.timers import Timer
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Notification, Outcome


class StartAttempt(Struct, frozen=True, gc=False):
    """Run the handler of an invocation; its journal and state are read when the attempt starts."""

    invocation_id: InvocationId
    attempt: int


class StopAttempt(Struct, frozen=True, gc=False):
    """Abort whatever attempt of an invocation is open; nothing it says counts any more."""

    invocation_id: InvocationId


class Notify(Struct, frozen=True, gc=False):
    """Forward a journal entry to the open attempt, unless its replay held it already."""

    invocation_id: InvocationId
    index: int
    notification: Notification


class ArmTimer(Struct, frozen=True, gc=False):
    """Propose that a timer fired, when it is due."""

    timer: Timer


class Finish(Struct, frozen=True, gc=False):
    """Answer whoever waits outside for the end of an invocation."""

    invocation_id: InvocationId
    outcome: Outcome


class WatchExpiry(Struct, frozen=True, gc=False):
    """Propose an expiry sweep, not before this time in milliseconds since 1970."""

    expires_at: int


class Ship(Struct, frozen=True, gc=False):
    """Hand on what is in the outbox for another partition, up to a number."""

    destination: int
    number: int


Action = StartAttempt | StopAttempt | Notify | ArmTimer | Finish | WatchExpiry | Ship
