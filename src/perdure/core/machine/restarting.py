"""Restart as new: an ended invocation once more, under a new id (service protocol 10.6).

The first entries of the old journal are kept, up to an index of the caller's choice, together with
the completions of their commands wherever these stand. A prefix with a command whose completion is
missing is refused: nobody would ever complete it again. Steps that are kept are replayed, and may
depend on random numbers: these are kept with them.
"""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine.admission import NOT_STARTED, begin
from perdure.core.machine.endings import expires_at
from perdure.core.machine.step import Step
from perdure.core.model.invocations import Completed, Invocation, Origin, Pin
from perdure.core.model.journals import JournalEntry, JournalSize
from perdure.core.model.records import RestartAsNew
from perdure.core.model.verdicts import Verdict
from perdure.core.tables.keys import index_key
from perdure.protocol import messages
from perdure.protocol.messages import Completion, Signal


def restart_as_new(step: Step, body: RestartAsNew) -> Verdict:
    """Start a new invocation from the beginning of an ended one's journal."""
    row = step.tables.invocations.get(body.invocation_id)
    if row is None or past_retention(step, row):
        return Verdict.NOT_FOUND
    refusal = refuse(row)
    if refusal is not None:
        return refusal
    if step.tables.invocations.get(body.new_id) is not None:
        return Verdict.DONE  # the same record twice
    entries = [entry for _, entry in step.tables.journals.rows(body.invocation_id)]
    kept = keep_prefix(entries, body.upto_index)
    if kept is None:
        return Verdict.BAD_PREFIX
    copy(step, row, body, kept)
    return Verdict.DONE


def refuse(row: Invocation) -> Verdict | None:
    """Say why an invocation cannot be restarted, if it cannot."""
    if not isinstance(row.status, Completed):
        return Verdict.NOT_STARTED if row.attempt == 0 else Verdict.NOT_COMPLETED
    if row.target.kind.once:
        return Verdict.WORKFLOW
    return Verdict.JOURNAL_GONE if row.status.journal_purged else None


def past_retention(step: Step, row: Invocation) -> bool:
    """Tell whether an ended invocation is only waiting for the sweep."""
    limit = expires_at(row)
    return limit is not None and step.now >= limit


def copy(step: Step, row: Invocation, body: RestartAsNew, kept: list[JournalEntry]) -> None:
    """Write the new journal and start the new invocation."""
    for index, entry in enumerate(kept):
        step.tables.journals.put(body.new_id, index_key(index), entry)
    commands = sum(not isinstance(entry.message, Completion | Signal) for entry in kept)
    # Callers, sleeps and promises need no reset: the old one lost its own when it ended.
    new = replace(
        row,
        status=NOT_STARTED,
        created_at=step.now,
        modified_at=step.now,
        journal=JournalSize(len(kept), commands),
        attempt=0,
        pin=new_pin(row, body),
        origin=new_origin(row, body),
        idempotency_key=None,
        execution_time=None,
        events=0,
        inboxed_at=None,
        running_at=None,
    )
    begin(step, body.new_id, new)


def new_origin(row: Invocation, body: RestartAsNew) -> Origin:
    """Tell what is restarted, and whose random numbers the steps that are kept were made with."""
    if body.upto_index == 0:
        return Origin(restart_of=body.invocation_id)
    seeded_by = row.origin.seeded_by or body.invocation_id
    return Origin(restart_of=body.invocation_id, seeded_by=seeded_by)


def new_pin(row: Invocation, body: RestartAsNew) -> Pin | None:
    """Keep the deployment, take another, or leave the choice to the first attempt."""
    if row.pin is None or body.keep_deployment:
        return row.pin
    if body.deployment_id is None:
        return None
    return Pin(body.deployment_id, row.pin.protocol_version)


def keep_prefix(entries: list[JournalEntry], upto_index: int) -> list[JournalEntry] | None:
    """Give the entries to keep, or None if they cannot stand alone."""
    if upto_index >= len(entries):
        return None
    prefix, rest = entries[: upto_index + 1], entries[upto_index + 1 :]
    wanted = {wanted for entry in prefix for wanted in completion_ids(entry.message)}
    had = {entry.message.completion_id for entry in prefix if isinstance(entry.message, Completion)}
    late = [
        entry
        for entry in rest
        if isinstance(entry.message, Completion) and entry.message.completion_id in wanted
    ]
    found = had | {
        entry.message.completion_id for entry in late if isinstance(entry.message, Completion)
    }
    return [*prefix, *late] if wanted <= found else None


def completion_ids(message: messages.JournalMessage) -> tuple[int, ...]:
    """Say by which completions a command is answered."""
    match message:
        case messages.Call():
            return (message.invocation_id_notification_idx, message.result_completion_id)
        case messages.OneWayCall():
            return (message.invocation_id_notification_idx,)
        case (
            messages.GetLazyState()
            | messages.GetLazyStateKeys()
            | messages.GetPromise()
            | messages.PeekPromise()
            | messages.CompletePromise()
            | messages.Sleep()
            | messages.Run()
            | messages.AttachInvocation()
            | messages.GetInvocationOutput()
        ):
            return (message.result_completion_id,)
        case _:
            return ()
