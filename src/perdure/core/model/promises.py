"""Durable promises of a workflow: completed once, or waited for."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from perdure.core.model.invocations import Caller
from perdure.protocol.messages import Outcome


class Pending(Struct, frozen=True, array_like=True, tag=0):
    """Not completed yet; who waits, in order: the first few here, the others in a table."""

    listeners: tuple[Caller, ...]
    #: How many wait besides ``listeners``, and the place of the next of them.
    further: int = 0
    places: int = 0


#: What is not completed, and nobody waits for.
UNHEARD: Final = Pending(())


class Settled(Struct, frozen=True, array_like=True, tag=1):
    """Completed, for good."""

    outcome: Outcome


Promise = Pending | Settled
