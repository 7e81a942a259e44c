"""Forgetting what has ended: by hand, or when its retention has passed (service protocol 10.5)."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from perdure.core.machine.actions import WatchExpiry
from perdure.core.machine.endings import forget_journal, forget_journal_expiry
from perdure.core.machine.endings import purge as purge_row
from perdure.core.machine.step import Step
from perdure.core.model.invocations import Completed, Invocation
from perdure.core.model.records import Expire, Purge, PurgeJournal
from perdure.core.model.verdicts import Verdict
from perdure.core.tables.keys import parse_expiry_key
from perdure.protocol.ids import InvocationId

_FOREVER: Final = (2**64 - 1).to_bytes(8, "big")


def purge(step: Step, body: Purge) -> Verdict:
    """Forget an ended invocation: its id is free again."""
    row = step.tables.invocations.get(body.invocation_id)
    if row is None:
        return Verdict.NOT_FOUND
    if not isinstance(row.status, Completed):
        return Verdict.NOT_COMPLETED
    purge_row(step, body.invocation_id, row)
    return Verdict.DONE


def purge_journal(step: Step, body: PurgeJournal) -> Verdict:
    """Forget the journal of an ended invocation and keep its result."""
    row = step.tables.invocations.get(body.invocation_id)
    if row is None:
        return Verdict.NOT_FOUND
    if not isinstance(row.status, Completed):
        return Verdict.NOT_COMPLETED
    if not row.status.journal_purged:
        drop_journal(step, body.invocation_id, row, row.status)
    return Verdict.DONE


def drop_journal(
    step: Step, invocation_id: InvocationId, row: Invocation, status: Completed
) -> None:
    """Remove the journal's entries, and note that they are gone."""
    assert not status.journal_purged, "a journal that is gone does not expire"
    forget_journal_expiry(step, invocation_id, row, status)
    forget_journal(step, invocation_id, row)
    gone = replace(status, journal_purged=True)
    emptied = replace(row, status=gone, modified_at=step.now, events=0)
    step.tables.invocations.put(invocation_id, emptied)


def expire(step: Step, body: Expire) -> None:
    """Forget what is past its retention, oldest first, and say when to look again."""
    tables = step.tables
    for key, _ in tables.expiries.first(_FOREVER, body.limit):
        expires_at, invocation_id, journal_only = parse_expiry_key(key)
        if expires_at > step.now:
            break
        row = tables.invocations.get(invocation_id)
        assert row is not None, "what expires has a row, and its purge takes the expiry away"
        assert isinstance(row.status, Completed), "only what has ended expires"
        if journal_only:
            drop_journal(step, invocation_id, row, row.status)
        else:
            purge_row(step, invocation_id, row)
    left = tables.expiries.first(_FOREVER, 1)
    if left:
        step.act(WatchExpiry(parse_expiry_key(left[0][0])[0]))
