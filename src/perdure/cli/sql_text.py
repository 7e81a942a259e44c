"""Pieces of SQL, written so that no value can be read as anything else."""

from __future__ import annotations

from collections.abc import Iterable


def literal(text: str) -> str:
    """Write a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_in(column: str, texts: Iterable[str]) -> str:
    """Ask whether a column holds one of these texts."""
    return f"{column} IN ({', '.join(literal(text) for text in texts)})"


def select(
    columns: Iterable[str],
    table: str,
    conditions: Iterable[str] = (),
    *,
    group: str = "",
    order: str = "",
    limit: int | None = None,
) -> str:
    """Write a query for the rows that meet all conditions."""
    clauses = (
        ("SELECT", ", ".join(columns)),
        ("FROM", table),
        ("WHERE", " AND ".join(conditions)),
        ("GROUP BY", group),
        ("ORDER BY", order),
        ("LIMIT", "" if limit is None else str(limit)),
    )
    return " ".join(f"{word} {what}" for word, what in clauses if what)


def matching(query: str) -> str:
    """Write which invocations a query of the command line means.

    A query is an id, ``Service``, ``Service/handler``, ``Object/key`` or ``Object/key/handler``;
    a key may hold slashes.
    """
    if query.startswith("inv_"):
        return f"id = {literal(query)}"
    service, *rest = query.split("/")
    named = f"target_service_name = {literal(service)}"
    if not rest:
        return named
    *key, last = rest
    if not key:
        plain = f"target_service_ty = 'service' AND target_handler_name = {literal(last)}"
        keyed = f"target_service_ty != 'service' AND target_service_key = {literal(last)}"
        return f"({named} AND (({plain}) OR ({keyed})))"
    of_key = f"target_service_key = {literal('/'.join(key))}"
    return f"({named} AND {of_key} AND target_handler_name = {literal(last)})"


def matching_any(queries: Iterable[str]) -> str:
    """Write which invocations are meant by any of these queries."""
    return "(" + " OR ".join(matching(query) for query in queries) + ")"
