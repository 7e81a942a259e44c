"""Listeners of durable promises: the first few in the promise's row, the others in a table."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from perdure.core.machine.step import Step
from perdure.core.model.invocations import Caller, FurtherCaller
from perdure.core.model.promises import Pending
from perdure.core.tables.keys import caller_key, promise_group

#: Listeners that stand in the promise's row, which would grow with all.
LISTENERS_IN_ROW: Final = 4


def listen(step: Step, group: bytes, name: bytes, pending: Pending, caller: Caller) -> None:
    """Note who waits for a promise that is not completed."""
    listeners, further, places = pending.listeners, pending.further, pending.places
    if not further and len(listeners) < LISTENERS_IN_ROW:
        waited_for = Pending((*listeners, caller))
    else:
        waiting = FurtherCaller(places, caller)
        step.tables.listeners.put(promise_group(group, name), caller_key(caller), waiting)
        waited_for = Pending(listeners, further + 1, places + 1)
    step.tables.promises.put(group, name, waited_for)


def take_listeners(step: Step, group: bytes, name: bytes, pending: Pending) -> list[Caller]:
    """Give all who wait for a promise, in the order in which they came, and forget the further."""
    if not pending.further:
        return list(pending.listeners)
    table, whose = step.tables.listeners, promise_group(group, name)
    further = table.rows(whose)
    for key, _ in further:
        table.delete(whose, key)
    in_order = sorted([one for _, one in further], key=attrgetter("place"))
    return [*pending.listeners, *[one.caller for one in in_order]]


def leave(step: Step, group: bytes, name: bytes, pending: Pending, caller: Caller) -> None:
    """Let somebody, if it waits, wait no longer; a promise nobody waits for is forgotten."""
    listeners, further = pending.listeners, pending.further
    table, whose, key = step.tables.listeners, promise_group(group, name), caller_key(caller)
    if caller in listeners:
        listeners = tuple([one for one in listeners if one != caller])
    elif further and table.get(whose, key) is not None:
        table.delete(whose, key)
        further -= 1
    if listeners or further:
        waited_for = Pending(listeners, further, pending.places if further else 0)
        step.tables.promises.put(group, name, waited_for)
    else:
        step.tables.promises.delete(group, name)
