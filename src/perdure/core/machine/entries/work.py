"""One record of an attempt while its commands take effect."""

from __future__ import annotations

from collections.abc import Iterator

from perdure.core.machine.step import Journal, Step
from perdure.core.model.invocations import Invocation
from perdure.core.model.records import Callee
from perdure.protocol.ids import InvocationId


class Work:
    """Who acts, the end of its journal, and the callees of its calls in order."""

    __slots__ = ("callees", "invocation_id", "journal", "row", "sleeps", "step")

    def __init__(
        self,
        step: Step,
        invocation_id: InvocationId,
        row: Invocation,
        journal: Journal,
        callees: Iterator[Callee],
    ) -> None:
        self.step = step
        self.invocation_id = invocation_id
        self.row = row
        self.journal = journal
        self.callees = callees
        #: Sleep timers armed by this record.
        self.sleeps = 0
