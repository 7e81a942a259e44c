"""Events of invocations: noted as they happen, forgotten with the journal.

What happens again in the same way is not noted again: a handler that fails every minute for a week
fails once in this table. Of what differs, the newest are kept.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from perdure.core.machine.step import Step
from perdure.core.model.events import Event, Happening
from perdure.core.model.invocations import Invocation
from perdure.core.tables.keys import index_key
from perdure.protocol.ids import InvocationId

#: How many events of one invocation are kept.
EVENTS_MAX: Final = 64


def note(step: Step, invocation_id: InvocationId, row: Invocation, what: Happening) -> Invocation:
    """Write an event, unless the newest one says the same; give the row that counts it."""
    table, number = step.tables.events, row.events
    if number:
        newest = table.get(invocation_id, index_key(number - 1))
        assert newest is not None, "the newest event is never dropped alone"
        if newest.happening == what:
            return row
    event = Event(step.now, row.journal.entries - 1, what)
    table.put(invocation_id, index_key(number), event)
    if number >= EVENTS_MAX:
        table.delete(invocation_id, index_key(number - EVENTS_MAX))
    return replace(row, events=number + 1)


def forget_events(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Drop all events of an invocation."""
    if row.events:
        step.tables.events.drop(invocation_id)
