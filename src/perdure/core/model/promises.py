"""Durable promises of a workflow: completed once, or waited for."""

from __future__ import annotations

from msgspec import Struct

from perdure.core.model.invocations import Caller
from perdure.protocol.messages import Outcome


class Pending(Struct, frozen=True, array_like=True, tag=0):
    """Not completed yet; who waits, in order."""

    listeners: tuple[Caller, ...]


class Settled(Struct, frozen=True, array_like=True, tag=1):
    """Completed, for good."""

    outcome: Outcome


Promise = Pending | Settled
