"""``sys_invocation`` and the two tables it is made of."""

from __future__ import annotations

from typing import Final

from perdure.core.model.invocations import kept_journal
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import Failure, Value
from perdure.query.columns import Column, Kind, Table, always_null
from perdure.query.sieves import heads
from perdure.query.tables import invocation_facts as facts
from perdure.query.tables.attempt_columns import (
    ERROR_CODE,
    LAST_AWAITED,
    LAST_DEPLOYMENT,
    LAST_FAILURE,
    LAST_SERVER,
    LAST_START,
    NEXT_RETRY,
    RETRY_COUNT,
    related,
)
from perdure.query.tables.invocation_rows import (
    CREATED_AT_PLACE,
    ID,
    STATUS_NAME,
    find_held,
    find_invocation_keys,
    find_invocations,
    invocation_reader,
)
from perdure.query.texts import SERVICE_TYPES

_OUTCOMES: Final = {"success": heads(Value), "failure": heads(Failure)}


def _as_it_is(text: str) -> tuple[bytes]:
    return (text.encode(),)


_PARTITION: Final = Column(
    "partition_key",
    Kind.UINT64,
    "The shard that the invocation belongs to",
    facts.partition_key,
    (ID,),
)
_ID: Final = Column(
    "id", Kind.TEXT, "The invocation's id", lambda one: invocation_text(one.id), (ID,)
)
_VQUEUE: Final = Column(
    "vqueue_id", Kind.TEXT, "Its virtual queue; there are none here", always_null
)

_TARGET: Final = (
    Column(
        "target",
        Kind.TEXT,
        "`Service/handler`, or `Service/key/handler` where there is a key",
        lambda one: str(one.row.target),
        ("target",),
    ),
    Column(
        "target_service_name",
        Kind.TEXT,
        "The service",
        lambda one: one.row.target.service,
        ("target",),
        traces=_as_it_is,
    ),
    Column(
        "target_service_key",
        Kind.TEXT,
        "Key of the object or workflow; null for plain services",
        lambda one: facts.object_key_of(one.row),
        ("target",),
        traces=_as_it_is,
    ),
    Column(
        "target_handler_name",
        Kind.TEXT,
        "The handler",
        lambda one: one.row.target.handler,
        ("target",),
        traces=_as_it_is,
    ),
    Column(
        "target_service_ty",
        Kind.TEXT,
        "`service`, `virtual_object` or `workflow`",
        lambda one: SERVICE_TYPES[one.row.target.kind],
        ("target",),
    ),
    Column("scope", Kind.TEXT, "Scope of flow control; there is none here", always_null),
    Column("limit_key", Kind.TEXT, "Limit key of flow control; there is none here", always_null),
    Column(
        "idempotency_key",
        Kind.TEXT,
        "The caller's idempotency key",
        lambda one: one.row.idempotency_key,
        ("idempotency_key",),
        traces=_as_it_is,
    ),
    Column(
        "invoked_by",
        Kind.TEXT,
        "`ingress`, `service` or `restart_as_new`",
        facts.invoked_by,
        ("origin",),
    ),
)
_BY_SERVICE: Final = Column(
    "invoked_by_service_name",
    Kind.TEXT,
    "The service that called",
    facts.calling_service,
    ("origin",),
)
_BY_ID: Final = Column(
    "invoked_by_id", Kind.TEXT, "The invocation that called", facts.parent, ("origin",)
)
_BY_SUBSCRIPTION: Final = Column(
    "invoked_by_subscription_id", Kind.TEXT, "The subscription it came from", always_null
)

_PROGRESS: Final = (
    Column(
        "invoked_by_target",
        Kind.TEXT,
        "Target of the invocation that called",
        lambda one: one.row.origin.parent_target,
        ("origin",),
    ),
    Column(
        "restarted_from",
        Kind.TEXT,
        "The invocation that this one restarts",
        facts.restarted_from,
        ("origin",),
    ),
    Column(
        "pinned_deployment_id",
        Kind.TEXT,
        "The deployment it goes on with; null until an attempt has progressed",
        lambda one: None if one.row.pin is None else one.row.pin.deployment_id,
        ("pin",),
    ),
    Column(
        "pinned_service_protocol_version",
        Kind.UINT32,
        "The protocol version it goes on with",
        lambda one: None if one.row.pin is None else one.row.pin.protocol_version,
        ("pin",),
    ),
    Column("trace_id", Kind.TEXT, "Id of its trace; nothing is traced here", always_null),
    Column(
        "journal_size",
        Kind.UINT32,
        "Entries of its journal: commands and notifications",
        lambda one: kept_journal(one.row).entries,
        ("journal", "status"),
    ),
    Column(
        "journal_commands_size",
        Kind.UINT32,
        "Commands in its journal",
        lambda one: kept_journal(one.row).commands,
        ("journal", "status"),
    ),
    Column(
        "created_at",
        Kind.INSTANT,
        "When it was accepted",
        lambda one: one.row.created_at,
        ("created_at",),
        place=CREATED_AT_PLACE,
    ),
    Column(
        "created_using_restate_version",
        Kind.TEXT,
        "Version of the server that accepted it; not kept here",
        always_null,
    ),
    Column(
        "modified_at",
        Kind.INSTANT,
        "When its status changed last, or its handler progressed",
        lambda one: one.row.modified_at,
        ("modified_at",),
    ),
    Column(
        "inboxed_at",
        Kind.INSTANT,
        "When it was put in line for its key",
        lambda one: one.row.inboxed_at,
        ("inboxed_at",),
    ),
    Column(
        "scheduled_at",
        Kind.INSTANT,
        "When it was scheduled, if it was delayed",
        facts.scheduled_at,
        ("execution_time", "created_at"),
    ),
    Column(
        "scheduled_start_at",
        Kind.INSTANT,
        "Not before when it was to start",
        lambda one: one.row.execution_time,
        ("execution_time",),
    ),
    Column(
        "running_at",
        Kind.INSTANT,
        "When its first attempt began",
        lambda one: one.row.running_at,
        ("running_at",),
    ),
    Column("completed_at", Kind.INSTANT, "When it ended", facts.completed_at, ("status",)),
    Column(
        "completion_retention",
        Kind.SPAN,
        "How long its result is kept after the end",
        lambda one: one.row.retention.completion_ms,
        ("retention",),
    ),
    Column(
        "journal_retention",
        Kind.SPAN,
        "How long its journal is kept after the end",
        lambda one: one.row.retention.journal_ms,
        ("retention",),
    ),
    Column(
        "suspended_waiting_for_completions",
        Kind.NUMBERS,
        "Ids of the completions it is suspended on",
        facts.awaited_completions,
        ("status",),
    ),
    Column(
        "suspended_waiting_for_signals",
        Kind.NUMBERS,
        "Indexes of the signals it is suspended on: 1 cancels, 17 and more are awakeables",
        facts.awaited_signals,
        ("status",),
    ),
    Column(
        "suspended_waiting_future_json",
        Kind.TEXT,
        "What it is suspended on, as a tree",
        facts.awaited_future,
        ("status",),
    ),
)

_RESULT: Final = (
    Column(
        "completion_result",
        Kind.TEXT,
        "`success` or `failure`",
        facts.completion_result,
        ("status",),
        traces=lambda result: _OUTCOMES.get(result, ()),
    ),
    Column(
        "completion_failure",
        Kind.TEXT,
        "The failure it ended with: `[code] message`",
        facts.completion_failure,
        ("status",),
    ),
)

INVOCATION: Final = Table(
    "sys_invocation",
    "Invocations: what is stored about them, and what the invoker does with them right now.",
    (
        _ID,
        _VQUEUE,
        *_TARGET,
        _BY_SERVICE,
        _BY_ID,
        _BY_SUBSCRIPTION,
        *_PROGRESS,
        RETRY_COUNT,
        LAST_START,
        NEXT_RETRY,
        LAST_DEPLOYMENT,
        LAST_SERVER,
        LAST_FAILURE,
        ERROR_CODE,
        *related("entry"),
        *related("command"),
        LAST_AWAITED,
        Column(
            "status",
            Kind.TEXT,
            "`pending`, `scheduled`, `ready`, `running`, `backing-off`, `suspended`, `paused` or "
            "`completed`",
            facts.status,
            (STATUS_NAME,),
            facts.STATUSES,
        ),
        *_RESULT,
    ),
    find_invocations,
    invocation_reader,
    find_invocation_keys,
)

INVOCATION_STATUS: Final = Table(
    "sys_invocation_status",
    "What is stored about invocations.",
    (
        _PARTITION,
        _ID,
        _VQUEUE,
        Column(
            "status",
            Kind.TEXT,
            "`scheduled`, `inboxed`, `invoked`, `suspended`, `paused` or `completed`",
            facts.raw_status,
            (STATUS_NAME,),
            facts.RAW_STATUSES,
        ),
        *_RESULT,
        *_TARGET,
        _BY_ID,
        _BY_SUBSCRIPTION,
        _BY_SERVICE,
        *_PROGRESS,
    ),
    find_invocations,
    invocation_reader,
    find_invocation_keys,
)

INVOCATION_STATE: Final = Table(
    "sys_invocation_state",
    "What the invoker does right now: a row for each invocation with an open attempt, or between "
    "a failed one and the next.",
    (
        _PARTITION,
        _ID,
        Column(
            "in_flight",
            Kind.BOOLEAN,
            "Whether an attempt is open",
            lambda one: bool(one.live),
            (ID,),
        ),
        RETRY_COUNT,
        LAST_START,
        LAST_DEPLOYMENT,
        LAST_SERVER,
        NEXT_RETRY,
        LAST_FAILURE,
        ERROR_CODE,
        *related("command"),
        *related("entry"),
        LAST_AWAITED,
    ),
    find_held,
)
