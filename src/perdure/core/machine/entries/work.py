"""One record of an attempt while its commands take effect."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from perdure.core.machine.step import Journal, Step
from perdure.core.model.invocations import Caller, Invocation
from perdure.core.model.records import Callee
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import CompletionKind


class Work(Struct, eq=False, gc=False):
    """Who acts, the end of its journal, and the callees of its calls in order."""

    step: Step
    invocation_id: InvocationId
    row: Invocation
    journal: Journal
    callees: Iterator[Callee]
    #: Sleep timers armed by this record.
    sleeps: int = 0
    #: Promises that this record began to wait for.
    listens: int = 0

    def caller(self, kind: CompletionKind, completion_id: int) -> Caller:
        """Say who waits for the answer to a command."""
        return Caller(self.invocation_id, completion_id, kind, self.row.created_at)
