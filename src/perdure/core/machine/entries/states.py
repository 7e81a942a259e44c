"""State of objects and workflows: written with the journal entry, in the same step."""

from __future__ import annotations

from perdure.core.machine.entries.work import Work
from perdure.core.tables.keys import object_key
from perdure.protocol.messages import (
    VOID,
    ClearAllState,
    ClearState,
    CompletionKind,
    GetLazyState,
    GetLazyStateKeys,
    SetState,
    StateKeys,
    Value,
)


def set_state(work: Work, command: SetState) -> None:
    """Write a key."""
    work.journal.command(command)
    work.step.tables.states.put(object_key(work.row.target), command.key, command.value.content)


def clear_state(work: Work, command: ClearState) -> None:
    """Remove a key."""
    work.journal.command(command)
    work.step.tables.states.delete(object_key(work.row.target), command.key)


def clear_all_state(work: Work, command: ClearAllState) -> None:
    """Remove all keys."""
    work.journal.command(command)
    work.step.tables.states.drop(object_key(work.row.target))


def get_lazy_state(work: Work, command: GetLazyState) -> None:
    """Answer with the value as it is now, own earlier writes included."""
    work.journal.command(command)
    value = work.step.tables.states.get(object_key(work.row.target), command.key)
    result = VOID if value is None else Value(value)
    work.journal.complete(CompletionKind.GET_LAZY_STATE, command.result_completion_id, result)


def get_lazy_state_keys(work: Work, command: GetLazyStateKeys) -> None:
    """Answer with the keys as they are now, in ascending order."""
    work.journal.command(command)
    keys = tuple(key for key, _ in work.step.tables.states.rows(object_key(work.row.target)))
    work.journal.complete(
        CompletionKind.GET_LAZY_STATE_KEYS, command.result_completion_id, StateKeys(keys)
    )
