"""Pause and resume by hand (service protocol 10.3 and 10.4)."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine.events import note
from perdure.core.machine.loose_ends import stop
from perdure.core.machine.retrying import pause as park
from perdure.core.machine.starts import run
from perdure.core.machine.step import Step
from perdure.core.model import events
from perdure.core.model.invocations import (
    Completed,
    Inboxed,
    Paused,
    Running,
    Scheduled,
    Suspended,
)
from perdure.core.model.records import Pause, Resume
from perdure.core.model.verdicts import Verdict


def pause(step: Step, body: Pause) -> Verdict:
    """Stop an invocation where it is; it keeps its key and takes notifications."""
    invocation_id = body.invocation_id
    row = step.tables.invocations.get(invocation_id)
    if row is None:
        return Verdict.NOT_FOUND
    match row.status:
        case Scheduled() | Inboxed() | Completed():
            return Verdict.NOT_RUNNING
        case Paused():
            return Verdict.DONE
        case Running(problem=problem):
            noted = note(step, invocation_id, row, events.Paused())
            park(step, invocation_id, stop(step, invocation_id, noted), problem)
            return Verdict.ACCEPTED
        case Suspended():
            noted = note(step, invocation_id, row, events.Paused())
            paused = replace(noted, status=Paused(), modified_at=step.now)
            step.tables.invocations.put(invocation_id, paused)
            return Verdict.ACCEPTED


def resume(step: Step, body: Resume) -> Verdict:
    """Start an attempt now: of a paused or suspended invocation, or of one that backs off."""
    invocation_id = body.invocation_id
    row = step.tables.invocations.get(invocation_id)
    if row is None:
        return Verdict.NOT_FOUND
    match row.status:
        case Scheduled() | Inboxed():
            return Verdict.NOT_STARTED
        case Completed():
            return Verdict.ALREADY_COMPLETED
        case Paused() | Suspended():
            run(step, invocation_id, row if body.pin is None else replace(row, pin=body.pin))
        case Running(retry_at=retry_at):
            if body.pin is not None:
                return Verdict.CHANGE_REFUSED
            if retry_at is not None:
                run(step, invocation_id, stop(step, invocation_id, row))
    return Verdict.DONE
