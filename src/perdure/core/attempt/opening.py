"""The first messages of an attempt: start, with eager state, and the journal so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from perdure.core.model.invocations import Invocation, Running
from perdure.core.model.journals import JournalEntry
from perdure.protocol.ids import InvocationId, invocation_text, random_seed
from perdure.protocol.messages import Completion, CompletionKind, Message, Run, Start

#: Eager state stops before the entry that would exceed this; the rest is read lazily.
EAGER_STATE_BYTES_MAX: Final = 32 * 1024 * 1024
#: Members of an enum are slow to reach before Python 3.12: looked up once for all runs.
_RUN: Final = CompletionKind.RUN


def opening(
    invocation_id: InvocationId,
    row: Invocation,
    journal: Sequence[JournalEntry],
    state: Iterable[tuple[bytes, bytes]] | None,
    now: int,
    state_bytes_max: int = EAGER_STATE_BYTES_MAX,
) -> list[Message]:
    """Give the messages that begin an attempt (service protocol 4.1 and 5.2).

    Args:
        invocation_id: whose attempt it is.
        row: its row.
        journal: all entries so far, in order.
        state: the object's state, or None when it is to be read lazily or there is none.
        now: milliseconds since 1970.
        state_bytes_max: how much of the state is sent along.
    """
    assert len(journal) == row.journal.entries, "the journal is as long as its row says"
    status = row.status
    assert isinstance(status, Running)
    seeded_by = row.origin.seeded_by
    state_map, partial = ((), True) if state is None else eager_state(state, state_bytes_max)
    silent_ms = now - row.modified_at
    silent_ms = silent_ms if silent_ms > 0 else 0  # noqa: FURB136 - faster than max()
    start = Start(  # fields by their place: to find them by their names takes twice as long
        invocation_id,
        invocation_text(invocation_id),
        len(journal),
        state_map,
        partial,
        row.target.key,
        status.failures_since_progress,
        silent_ms,
        None if seeded_by is None else random_seed(seeded_by),
    )
    return [start, *[entry.message for entry in journal]]


def eager_state(
    state: Iterable[tuple[bytes, bytes]],
    bytes_max: int = EAGER_STATE_BYTES_MAX,
) -> tuple[tuple[tuple[bytes, bytes], ...], bool]:
    """Take state entries up to the bound; say whether some are missing."""
    taken: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in state:
        size += len(key) + len(value)
        if size > bytes_max:
            return tuple(taken), True
        taken.append((key, value))
    return tuple(taken), False


def open_runs(journal: Sequence[Message]) -> set[int]:
    """Give the completions that the runs of a journal still lack."""
    begun = {each.result_completion_id for each in journal if type(each) is Run}
    return begun - {
        each.completion_id for each in journal if type(each) is Completion and each.kind is _RUN
    }
