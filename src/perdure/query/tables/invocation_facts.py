"""What is told of an invocation, column by column."""

from __future__ import annotations

from typing import Final

from perdure.core.model.awaiting import tree
from perdure.core.model.invocations import (
    Completed,
    Inboxed,
    Invocation,
    Paused,
    Problem,
    Running,
    Scheduled,
    Suspended,
)
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import Failure
from perdure.query.tables.invocation_rows import InvocationRow, is_held
from perdure.query.texts import (
    command_name,
    failure_text,
    future_text,
    leaves,
    problem_text,
)

_RAW_STATUS: Final = {
    Scheduled: "scheduled",
    Inboxed: "inboxed",
    Running: "invoked",
    Suspended: "suspended",
    Paused: "paused",
    Completed: "completed",
}
#: Those that operators know by one name; what runs has several.
_STATUS: Final = {
    Scheduled: "scheduled",
    Inboxed: "pending",
    Suspended: "suspended",
    Paused: "paused",
    Completed: "completed",
}


#: All names of statuses, as operators know them and as they are stored.
STATUSES: Final = frozenset({*_STATUS.values(), "ready", "running", "backing-off"})
RAW_STATUSES: Final = frozenset(_RAW_STATUS.values())


def raw_status(invocation: InvocationRow) -> str:
    """Name the status as it is stored."""
    return _RAW_STATUS[type(invocation.row.status)]


def status(invocation: InvocationRow) -> str:
    """Name the status as operators know it."""
    current = invocation.row.status
    named = _STATUS.get(type(current))
    if named is not None:
        return named
    assert isinstance(current, Running), "all others have a name of their own"
    if invocation.live is not None:
        return "running"
    return "ready" if current.retry_at is None else "backing-off"


def partition_key(invocation: InvocationRow) -> int:
    """Give the number of the shard."""
    return int.from_bytes(invocation.id[:8], "big")


def invoked_by(invocation: InvocationRow) -> str:
    """Say what kind of caller it had."""
    origin = invocation.row.origin
    if origin.restart_of is not None:
        return "restart_as_new"
    return "ingress" if origin.parent is None else "service"


def calling_service(invocation: InvocationRow) -> str | None:
    """Give the service that called."""
    target = invocation.row.origin.parent_target
    return None if target is None else target.partition("/")[0]


def parent(invocation: InvocationRow) -> str | None:
    """Give the id of the invocation that called."""
    parent = invocation.row.origin.parent
    return None if parent is None else invocation_text(parent)


def restarted_from(invocation: InvocationRow) -> str | None:
    """Give the id of the invocation that it restarts."""
    source = invocation.row.origin.restart_of
    return None if source is None else invocation_text(source)


def scheduled_at(invocation: InvocationRow) -> int | None:
    """Say when it was scheduled, if it was delayed."""
    row = invocation.row
    delayed = row.execution_time is not None and row.execution_time > row.created_at
    return row.created_at if delayed else None


def completed_at(invocation: InvocationRow) -> int | None:
    """Say when it ended."""
    current = invocation.row.status
    return current.completed_at if isinstance(current, Completed) else None


def completion_result(invocation: InvocationRow) -> str | None:
    """Say whether it ended well."""
    current = invocation.row.status
    if not isinstance(current, Completed):
        return None
    return "failure" if isinstance(current.outcome, Failure) else "success"


def completion_failure(invocation: InvocationRow) -> str | None:
    """Tell the failure it ended with."""
    current = invocation.row.status
    if isinstance(current, Completed) and isinstance(current.outcome, Failure):
        return failure_text(current.outcome)
    return None


def awaited_completions(invocation: InvocationRow) -> list[int] | None:
    """List the completions it is suspended on."""
    current = invocation.row.status
    return leaves(tree(current.awaiting))[0] if isinstance(current, Suspended) else None


def awaited_signals(invocation: InvocationRow) -> list[int] | None:
    """List the signals it is suspended on."""
    current = invocation.row.status
    return leaves(tree(current.awaiting))[1] if isinstance(current, Suspended) else None


def awaited_future(invocation: InvocationRow) -> str | None:
    """Tell what it is suspended on, as JSON."""
    current = invocation.row.status
    if not isinstance(current, Suspended):
        return None
    return future_text(tree(current.awaiting))


def retry_count(invocation: InvocationRow) -> int | None:
    """Count the attempts since it last started; None while the invoker does not hold it."""
    current = invocation.row.status
    if not isinstance(current, Running) or not is_held(invocation):
        return None
    return current.failures + (invocation.live is not None)


def last_start_at(invocation: InvocationRow) -> int | None:
    """Say when the open attempt began."""
    return None if invocation.live is None else invocation.live.started_at


def next_retry_at(invocation: InvocationRow) -> int | None:
    """Say when the next attempt begins."""
    current = invocation.row.status
    return current.retry_at if isinstance(current, Running) else None


def last_deployment(invocation: InvocationRow) -> str | None:
    """Give the deployment of the last attempt."""
    if invocation.live is not None:
        return invocation.live.deployment_id
    pin = invocation.row.pin
    return pin.deployment_id if pin is not None and is_held(invocation) else None


def _problem(invocation: InvocationRow) -> Problem | None:
    """Give what went wrong last, until an attempt comes further than that."""
    current = invocation.row.status
    if not isinstance(current, Running) or not is_held(invocation):
        return None
    overcome = current.retry_at is None and not current.failures_since_progress
    return None if overcome else current.problem


def last_failure(invocation: InvocationRow) -> str | None:
    """Tell why the last attempt failed."""
    problem = _problem(invocation)
    return None if problem is None else problem_text(problem)


def error_code(invocation: InvocationRow) -> str | None:
    """Give the documented code of that failure."""
    problem = _problem(invocation)
    return None if problem is None else problem.doc_code


def related_index(invocation: InvocationRow) -> int | None:
    """Give the index of the command that the failure blames."""
    problem = _problem(invocation)
    return None if problem is None else problem.related_command_index


def related_name(invocation: InvocationRow) -> str | None:
    """Give the name of that command."""
    problem = _problem(invocation)
    return None if problem is None else problem.related_command_name or None


def related_type(invocation: InvocationRow) -> str | None:
    """Give the type of that command."""
    problem = _problem(invocation)
    return None if problem is None else command_name(problem.related_command_type)


def sdk(invocation: InvocationRow) -> str | None:
    """Say what the SDK of the open attempt calls itself."""
    return None if invocation.live is None else invocation.live.sdk_version


def object_key_of(row: Invocation) -> str | None:
    """Give the key, where there is one."""
    return row.target.key if row.target.kind.keyed else None
