"""An invocation as a JSON document, named as the columns of the SQL table ``sys_invocation``."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Struct, UnsetType

from perdure.core.model.durations import format_duration
from perdure.core.model.instants import utc_text
from perdure.core.model.invocations import (
    Completed,
    Inboxed,
    Invocation,
    Paused,
    Problem,
    Running,
    Scheduled,
    Status,
    Suspended,
    kept_journal,
)
from perdure.core.model.targets import HandlerKind
from perdure.protocol.ids import InvocationId, invocation_text
from perdure.protocol.messages import Failure

_SERVICE_TYPES: Final = {
    HandlerKind.SERVICE: "service",
    HandlerKind.EXCLUSIVE: "virtual_object",
    HandlerKind.SHARED: "virtual_object",
    HandlerKind.WORKFLOW: "workflow",
    HandlerKind.WORKFLOW_SHARED: "workflow",
}


class InvocationDocument(Struct, kw_only=True):
    """One invocation; what does not apply is left out."""

    id: str
    target: str
    target_service_name: str
    target_service_key: str | UnsetType = UNSET
    target_handler_name: str
    target_service_ty: str
    status: str
    created_at: str
    modified_at: str
    completion_retention: str
    journal_retention: str
    journal_size: int
    journal_commands_size: int
    idempotency_key: str | UnsetType = UNSET
    invoked_by_id: str | UnsetType = UNSET
    invoked_by_target: str | UnsetType = UNSET
    restarted_from: str | UnsetType = UNSET
    pinned_deployment_id: str | UnsetType = UNSET
    pinned_service_protocol_version: int | UnsetType = UNSET
    scheduled_start_at: str | UnsetType = UNSET
    next_retry_at: str | UnsetType = UNSET
    last_failure: str | UnsetType = UNSET
    last_failure_error_code: str | UnsetType = UNSET
    completed_at: str | UnsetType = UNSET
    completion_result: str | UnsetType = UNSET
    completion_failure: str | UnsetType = UNSET


def show_invocation(invocation_id: InvocationId, row: Invocation) -> InvocationDocument:
    """Show an invocation without its input, journal and result."""
    target, journal = row.target, kept_journal(row)
    document = InvocationDocument(
        id=invocation_text(invocation_id),
        target=str(target),
        target_service_name=target.service,
        target_service_key=target.key if target.kind.keyed else UNSET,
        target_handler_name=target.handler,
        target_service_ty=_SERVICE_TYPES[target.kind],
        status=status_name(row.status),
        created_at=utc_text(row.created_at),
        modified_at=utc_text(row.modified_at),
        completion_retention=format_duration(row.retention.completion_ms),
        journal_retention=format_duration(row.retention.journal_ms),
        journal_size=journal.entries,
        journal_commands_size=journal.commands,
        idempotency_key=UNSET if row.idempotency_key is None else row.idempotency_key,
    )
    _add_origin(document, row)
    _add_status(document, row.status)
    return document


def status_name(status: Status) -> str:
    """Name a status as operators know it."""
    match status:
        case Scheduled():
            return "scheduled"
        case Inboxed():
            return "pending"
        case Running(retry_at=retry_at):
            return "running" if retry_at is None else "backing-off"
        case Suspended():
            return "suspended"
        case Paused():
            return "paused"
        case Completed():
            return "completed"


def _add_origin(document: InvocationDocument, row: Invocation) -> None:
    """Tell who called, and where the invocation goes on."""
    origin = row.origin
    if origin.parent is not None:
        document.invoked_by_id = invocation_text(origin.parent)
    if origin.parent_target is not None:
        document.invoked_by_target = origin.parent_target
    if origin.restart_of is not None:
        document.restarted_from = invocation_text(origin.restart_of)
    if row.pin is not None:
        document.pinned_deployment_id = row.pin.deployment_id
        document.pinned_service_protocol_version = row.pin.protocol_version


def _add_status(document: InvocationDocument, status: Status) -> None:
    """Tell what only this status has."""
    match status:
        case Scheduled(start_at=start_at):
            document.scheduled_start_at = utc_text(start_at)
        case Running(retry_at=retry_at, problem=problem):
            if retry_at is not None:
                document.next_retry_at = utc_text(retry_at)
            _add_problem(document, problem)
        case Paused(problem=problem):
            _add_problem(document, problem)
        case Completed(completed_at=completed_at, outcome=outcome):
            document.completed_at = utc_text(completed_at)
            document.completion_result = "success"
            if isinstance(outcome, Failure):
                document.completion_result = "failure"
                document.completion_failure = f"[{outcome.code}] {outcome.message}"
        case Inboxed() | Suspended():
            pass


def _add_problem(document: InvocationDocument, problem: Problem | None) -> None:
    if problem is not None:
        document.last_failure = f"[{problem.code}] {problem.message}"
        document.last_failure_error_code = problem.doc_code
