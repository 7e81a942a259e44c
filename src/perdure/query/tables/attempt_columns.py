"""Columns about an invocation's attempts: the open one, the last failure, the next."""

from __future__ import annotations

from typing import Final

from perdure.query.columns import Column, Kind, always_null
from perdure.query.tables import invocation_facts as facts
from perdure.query.tables.invocation_rows import ID

RETRY_COUNT: Final = Column(
    "retry_count",
    Kind.UINT64,
    "Attempts since it last started, was resumed or woken; null while the invoker does not hold it",
    facts.retry_count,
    (ID, "status"),
)
LAST_START: Final = Column(
    "last_start_at", Kind.INSTANT, "When the open attempt began", facts.last_start_at, (ID,)
)
NEXT_RETRY: Final = Column(
    "next_retry_at", Kind.INSTANT, "When the next attempt begins", facts.next_retry_at, ("status",)
)
LAST_DEPLOYMENT: Final = Column(
    "last_attempt_deployment_id",
    Kind.TEXT,
    "Deployment of the last attempt",
    facts.last_deployment,
    (ID, "pin", "status"),
)
LAST_SERVER: Final = Column(
    "last_attempt_server", Kind.TEXT, "What the open attempt's SDK calls itself", facts.sdk, (ID,)
)
LAST_FAILURE: Final = Column(
    "last_failure",
    Kind.TEXT,
    "Why the last attempt failed: `[code] message`",
    facts.last_failure,
    (ID, "status"),
)
ERROR_CODE: Final = Column(
    "last_failure_error_code",
    Kind.TEXT,
    "Documented code of that failure",
    facts.error_code,
    (ID, "status"),
)


def related(what: str) -> tuple[Column, ...]:
    """Declare the three columns that blame a command, under one of their two names."""
    prefix = f"last_failure_related_{what}"
    return (
        Column(
            f"{prefix}_index",
            Kind.UINT64,
            "Index of the command it blames",
            facts.related_index,
            (ID, "status"),
        ),
        Column(
            f"{prefix}_name", Kind.TEXT, "Name of that command", facts.related_name, (ID, "status")
        ),
        Column(
            f"{prefix}_type",
            Kind.TEXT,
            "Type of that command, such as `Run`",
            facts.related_type,
            (ID, "status"),
        ),
    )


LAST_AWAITED: Final = Column(
    "last_awaiting_on_future_json",
    Kind.TEXT,
    "What an open attempt waits for; not kept here",
    always_null,
)
