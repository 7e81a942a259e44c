"""What a plan tells about the rows that it needs of a table."""

from __future__ import annotations

import re
from typing import Any, Final

from datafusion import LogicalPlan
from datafusion.expr import Alias, Limit, Projection, Sort, SubqueryAlias, TableScan
from datafusion.expr import Column as ColumnName
from msgspec import Struct

#: Scans in a plan as text; a table may be named with its catalog and schema before it.
_SCANS: Final = re.compile(r"\bTableScan: (?:\w+\.)*(\w+)")


class Ordered(Struct, frozen=True):
    """Of a table, only the first rows in the order of one of its columns can be shown."""

    table: str
    column: str
    descending: bool
    nulls_first: bool
    count: int


def first_rows(plan: LogicalPlan) -> Ordered | None:
    """Tell which first rows of a table are all that a plan can show; None if it may be others.

    The plan must be optimized: then whatever the table can filter by itself is part of its scan,
    and what stands between the scan and the order changes no row.
    """
    node, sort = plan, _variant(plan)
    while isinstance(sort, Projection | Limit | SubqueryAlias):
        node = node.inputs()[0]
        sort = _variant(node)
    if not isinstance(sort, Sort) or sort.get_fetch_val() is None:
        return None
    order = sort.sort_exprs()[0]
    scanned = _scanned(node.inputs()[0], order.expr().to_variant())
    if scanned is None or _SCANS.findall(plan.display_indent()).count(scanned[0]) != 1:
        return None
    return Ordered(*scanned, not order.ascending(), order.nulls_first(), sort.get_fetch_val())


def _scanned(plan: LogicalPlan, ordered: Any) -> tuple[str, str] | None:
    """Find which column of which table an expression above a plan is, if it is just that."""
    while isinstance(ordered, ColumnName):
        name, node = ordered.name(), _variant(plan)
        if isinstance(node, TableScan):
            return node.table_name(), name
        if isinstance(node, Projection):
            ordered = _projected(node, name)
        elif not isinstance(node, SubqueryAlias):
            return None
        plan = plan.inputs()[0]
    return None


def _projected(projection: Projection, name: str) -> Any:
    """Find what a projection calls by a name."""
    for expression in projection.projections():
        variant = expression.to_variant()
        if isinstance(variant, Alias) and variant.alias() == name:
            return variant.expr().to_variant()
        if isinstance(variant, ColumnName) and variant.name() == name:
            return variant
    return None


def _variant(plan: LogicalPlan) -> Any:
    """Give the kind of a plan's node; None if the library has no class for it."""
    try:
        return plan.to_variant()
    except Exception:  # noqa: BLE001 - the library says so with a bare exception
        return None
