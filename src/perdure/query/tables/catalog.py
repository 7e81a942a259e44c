"""All tables, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from perdure.query.columns import Table
from perdure.query.tables import flow_control, invocations, journals, objects, registered

TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        invocations.INVOCATION,
        invocations.INVOCATION_STATUS,
        invocations.INVOCATION_STATE,
        journals.JOURNAL,
        journals.JOURNAL_EVENTS,
        objects.STATE,
        objects.INBOX,
        objects.KEYED_SERVICE_STATUS,
        objects.PROMISE,
        registered.SERVICE,
        registered.DEPLOYMENT,
        *flow_control.TABLES,
    )
}
