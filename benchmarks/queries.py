"""Queries of operators beside many retained invocations, and what requests feel of them.

Each system is filled with empty invocations. Then every query is asked a few times: alone, and
while one connection calls an empty handler over and over. With ``--keep`` the systems stay filled,
and another run begins with the questions, until invocations expire after a day.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.asking import ask
from benchmarks.latencies import Histogram
from benchmarks.load import Load, LoadError, run_load
from benchmarks.processes import ProgramError, cpu_seconds, end_tidily
from benchmarks.report import comparison
from benchmarks.scenarios import EMPTY
from benchmarks.system import System, scratch_folder
from benchmarks.systems import SYSTEMS

PATIENCE_S = 120.0
#: How long the load runs before, and after, the queries that it runs beside.
MARGIN_S = 0.5

FROM = (
    "SELECT id, target, status, created_at, modified_at, last_failure, completion_failure "
    "FROM sys_invocation"
)
PAGE = "ORDER BY created_at DESC, id LIMIT 100"
FAILURES = (
    "WHERE target_service_name = 'Bench' AND target_handler_name = 'empty' "
    "AND completion_result = 'failure'"
)
JOURNAL = (
    "SELECT index, entry_type, name, entry_json, appended_at FROM sys_journal "
    "WHERE id = '{id}' ORDER BY index"
)
#: What operators ask, by how tables call it; ``{id}`` is an invocation that is there.
QUERIES: Mapping[str, tuple[str, ...]] = {
    "Invocations by status": ("SELECT status, COUNT(*) AS n FROM sys_invocation GROUP BY status",),
    "First page of what is open": (f"{FROM} WHERE status != 'completed' {PAGE}",),
    "First page of all": (f"{FROM} {PAGE}",),
    "Failures of one handler": (f"{FROM} {FAILURES} {PAGE}",),
    "One invocation with its journal": (f"{FROM} WHERE id = '{{id}}'", JOURNAL),
}


class Figures(Struct, frozen=True, kw_only=True):
    """What one query took, in milliseconds."""

    alone_ms: float
    #: Processor time of the whole system.
    cpu_ms: float
    #: The same while requests came, and how long the slowest of these took.
    beside_ms: float
    request_p99_ms: float
    request_max_ms: float


COLUMNS = (
    ("alone ms", "alone_ms"),
    ("CPU ms", "cpu_ms"),
    ("beside requests ms", "beside_ms"),
    ("request p99 ms", "request_p99_ms"),
    ("slowest ms", "request_max_ms"),
)


def main() -> None:
    """Fill the systems that the command line asks for, one after the other, and ask them."""
    end_tidily()
    options = parse_options()
    results: dict[str, dict[str, Figures]] = {}
    for name in options.systems:
        SYSTEMS[name].install()
        with folder_of(name, options.keep) as folder:
            try:
                results[name] = measure(SYSTEMS[name](folder), options.retained, options.times)
            except (LoadError, ProgramError, OSError) as error:
                sys.exit(f"{name} failed: {error}")
    print(f"{options.retained:,} retained invocations\n")
    for title in QUERIES:
        figures = {name: result[title] for name, result in results.items()}
        print(comparison(title, figures, COLUMNS), end="\n\n", flush=True)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__)
    parser.add_argument("--systems", nargs="+", choices=["perdure", "restate"],
                        default=["perdure", "restate"])  # fmt: skip
    parser.add_argument("--retained", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--times", type=int, default=3, metavar="N", help="how often to ask each")
    parser.add_argument("--keep", type=Path, metavar="DIR",
                        help="keep the filled systems there, or go on with these")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    return parser.parse_args()


def folder_of(name: str, keep: Path | None) -> AbstractContextManager[Path]:
    """Give the folder of a system: an empty one that goes away, or one that is kept."""
    return scratch_folder() if keep is None else nullcontext(keep.resolve() / name)


def measure(system: System, retained: int, times: int) -> dict[str, Figures]:
    """Fill a system as far as it is not yet, and ask it everything."""
    with system as running:
        there = rows(running, "SELECT COUNT(*) AS n FROM sys_invocation")[0]["n"]
        if there < retained:
            run_load(load(running, connections=64, requests=retained - there))
        return {title: figures(running, queries, times) for title, queries in QUERIES.items()}


def figures(running: System, queries: tuple[str, ...], times: int) -> Figures:
    """Ask one thing, alone and beside requests."""
    found = rows(running, "SELECT id FROM sys_invocation_status LIMIT 1")[0]["id"]
    asked = [query.replace("{id}", found) for query in queries]
    used = cpu_seconds(running.sessions)
    alone = [timed(lambda: ask_all(running, asked)) for _ in range(times)]
    used = cpu_seconds(running.sessions) - used
    with ThreadPoolExecutor(1) as threads:
        lasts = 2 * MARGIN_S + times * median(alone) / 1000 * 1.5
        requests = threads.submit(run_load, load(running, connections=1, measure_s=lasts))
        time.sleep(MARGIN_S)
        beside = [timed(lambda: ask_all(running, asked)) for _ in range(times)]
        latencies = Histogram(requests.result().latencies)
    return Figures(
        alone_ms=median(alone),
        cpu_ms=1000 * used / times,
        beside_ms=median(beside),
        request_p99_ms=latencies.quantile_ms(0.99),
        request_max_ms=latencies.quantile_ms(1),
    )


def load(
    running: System, *, connections: int, requests: int | None = None, measure_s: float = 0.0
) -> Load:
    """Give a load of empty calls."""
    return Load(
        port=running.port,
        call=EMPTY,
        connections=connections,
        requests=requests,
        measure_s=measure_s,
        sessions=running.sessions,
    )


def ask_all(running: System, queries: list[str]) -> None:
    """Ask queries, one after the other."""
    for query in queries:
        rows(running, query)


def rows(running: System, query: str) -> list[dict[str, Any]]:
    """Ask one query.

    Raises:
        LoadError: it was refused.
    """
    url = f"http://127.0.0.1:{running.admin_port}/query"
    headers = {"accept": "application/json"}
    reply = ask(url, {"query": query}, timeout_s=PATIENCE_S, headers=headers)
    if reply.status != 200:
        raise LoadError(f"{query} got {reply}")
    return msgspec.json.decode(reply.body, type=dict[str, list[dict[str, Any]]])["rows"]


def timed(action: Callable[[], None]) -> float:
    """Give the milliseconds that something takes."""
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
