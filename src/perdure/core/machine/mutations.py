"""State that is replaced from outside, never while somebody holds the key (protocol 10.7, 11.5)."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine.step import Step
from perdure.core.model.mutations import Mutation, state_version
from perdure.core.model.records import MutateState
from perdure.core.model.verdicts import Verdict
from perdure.core.tables.keys import object_group, place_key


def mutate_state(step: Step, body: MutateState) -> Verdict:
    """Replace the state now if the key is free, else in turn behind whoever holds it.

    A workflow has no lock: what its run has read already stands in its journal.
    """
    tables, group = step.tables, object_group(body.service, body.key)
    mutation = Mutation(body.mutation_id, body.state, body.version, step.now)
    lock = tables.locks.get(group)
    if lock is None:
        return Verdict.DONE if mutate(step, group, mutation) else Verdict.STATE_CHANGED
    tables.mutations.insert(place_key(group, lock.tail), mutation)
    tables.locks.put(group, replace(lock, tail=lock.tail + 1))
    return Verdict.ACCEPTED


def mutate(step: Step, group: bytes, mutation: Mutation) -> bool:
    """Replace the state of an object, unless it is another one than expected."""
    states = step.tables.states
    if mutation.version is not None and mutation.version != state_version(states.rows(group)):
        return False
    states.drop(group)
    for key, value in mutation.state:
        states.put(group, key, value)
    return True
