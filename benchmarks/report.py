"""Tables of figures as text, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from benchmarks.figures import ratio

#: Heading and field of each column.
LOAD_COLUMNS = (
    ("requests/s", "requests_per_s"),
    ("p50 ms", "p50_ms"),
    ("p99 ms", "p99_ms"),
    ("CPU ms/request", "cpu_ms"),
    ("of server", "server_cpu_ms"),
    ("RSS MB", "resident_mb"),
    ("of server", "server_mb"),
    ("syncs/request", "syncs"),
)
START_COLUMNS = (("start s", "start_s"), ("idle RSS MB", "idle_mb"))


def comparison(
    title: str, systems: Mapping[str, Struct | None], columns: Sequence[tuple[str, str]]
) -> str:
    """Draw a scenario: a row a system, each figure with its ratio to the first system's.

    A system without figures failed; its row says so.
    """
    base = next(iter(systems.values()), None)
    rows = [["", *(heading for heading, _ in columns)]]
    for name, figures in systems.items():
        if figures is None:
            rows.append([name, *("failed" for _ in columns)])
            continue
        rows.append([name, *(compared(figures, base, field) for _, field in columns)])
    return f"{title}\n{table(rows)}"


def compared(figures: Struct, base: Struct | None, field: str) -> str:
    """Write a figure, with its ratio to the base's unless it is the base."""
    value = getattr(figures, field)
    if base is None or figures is base:
        return number(value)
    times = ratio(value, getattr(base, field))
    return number(value) if times is None else f"{number(value)} (x{number(times)})"


def number(value: float | None) -> str:
    """Write a number with three significant digits, or more if they stand before the point."""
    if value is None:
        return "n/a"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 2 - len(str(int(abs(value)))) + 1 if abs(value) >= 1 else 3
    return f"{value:.{max(digits, 0)}f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align rows in columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
