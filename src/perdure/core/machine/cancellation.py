"""Cancel and kill (service protocol 10.1 and 10.2).

Cancelling is a request: the handler hears of it and may clean up. Killing is not: the invocation
ends where it is, and so does everything it called.
"""

from __future__ import annotations

from perdure.core.machine.actions import StopAttempt
from perdure.core.machine.endings import end, withdraw
from perdure.core.machine.notifications import notify
from perdure.core.machine.step import Step
from perdure.core.model.invocations import Completed, Inboxed, Running, Scheduled
from perdure.core.model.records import Cancel, Kill
from perdure.core.model.verdicts import Verdict
from perdure.protocol.messages import SIGNAL_CANCEL, VOID, Failure, Signal

CANCELLED = Failure(409, "canceled")
KILLED = Failure(409, "killed")


def cancel(step: Step, body: Cancel) -> Verdict:
    """Signal a running invocation to cancel itself; one that has not begun ends at once."""
    invocation_id = body.invocation_id
    row = step.tables.invocations.get(invocation_id)
    if row is None:
        return Verdict.NOT_FOUND
    match row.status:
        case Completed():
            return Verdict.ALREADY_COMPLETED
        case Scheduled() | Inboxed():
            withdraw(step, invocation_id, row, CANCELLED)
            return Verdict.DONE
        case _:
            notify(step, invocation_id, Signal(SIGNAL_CANCEL, VOID))
            return Verdict.ACCEPTED


def kill(step: Step, body: Kill) -> Verdict:
    """End an invocation and everything it called."""
    invocation_id = body.invocation_id
    row = step.tables.invocations.get(invocation_id)
    if row is None:
        return Verdict.NOT_FOUND
    match row.status:
        case Completed():
            return Verdict.ALREADY_COMPLETED
        case Scheduled() | Inboxed():
            withdraw(step, invocation_id, row, KILLED)
            return Verdict.DONE
        case Running():
            step.act(StopAttempt(invocation_id))
        case _:
            pass
    for _, entry in step.tables.journals.rows(invocation_id):
        if entry.callee is not None:
            step.deliver(Kill(entry.callee))
    end(step, invocation_id, row, KILLED)
    return Verdict.DONE
