"""Perdure at scale: whether costs stay what they are when there is much of everything.

Four experiments: a start on an empty folder; steps beside few and beside many retained
invocations; journals from short to long, written and replayed; a crash with many invocations
asleep.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from benchmarks.asking import ask
from benchmarks.figures import cpu_ms_per_request, requests_per_s
from benchmarks.latencies import Histogram
from benchmarks.load import Call, Load, LoadError, run_load
from benchmarks.processes import ProgramError, cpu_seconds, end_tidily, resident_bytes
from benchmarks.report import number, table
from benchmarks.scenarios import EMPTY, STEPS
from benchmarks.system import System, scratch_folder
from benchmarks.systems import SYSTEMS

#: A process that used less than this share of a core for ``QUIET_S`` has nothing left to do.
QUIET_SHARE = 0.05
QUIET_S = 1.0
SETTLE_S_MAX = 300.0
NAP = Call(path="/Bench/nap/send", status=202, response=None)


class Plan(Struct, frozen=True, kw_only=True):
    """How much is measured."""

    starts: int
    #: Numbers of retained invocations.
    retained: tuple[int, ...]
    #: Numbers of steps in a journal.
    journals: tuple[int, ...]
    #: Number of invocations asleep.
    asleep: int
    measure_s: float


FULL = Plan(
    starts=5,
    retained=(10_000, 1_000_000),
    journals=(100, 1000, 10_000),
    asleep=100_000,
    measure_s=8.0,
)
QUICK = Plan(starts=2, retained=(1000, 20_000), journals=(100, 1000), asleep=2000, measure_s=2.0)

#: One line of an experiment's table: column to figure.
Row = dict[str, float]
Experiment = Callable[[type[System], Path, Plan], list[Row]]


def main() -> None:
    """Run the experiments that the command line asks for."""
    end_tidily()
    options = parse_options()
    plan = QUICK if options.quick else FULL
    system = SYSTEMS[options.system]
    system.install()
    results: dict[str, list[Row]] = {}
    for name in options.only:
        title, experiment = EXPERIMENTS[name]
        with scratch_folder() as folder:
            try:
                results[name] = experiment(system, folder, plan)
            except (LoadError, ProgramError) as error:
                sys.exit(f"{name} failed: {error}")
        print(f"{title}\n{draw(results[name])}", end="\n\n", flush=True)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers of everything")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(EXPERIMENTS),
        default=list(EXPERIMENTS),
        metavar="EXPERIMENT",
        help=f"of: {', '.join(EXPERIMENTS)}",
    )
    parser.add_argument("--system", choices=["perdure", "restate"], default="perdure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    return parser.parse_args()


def start_empty(system: type[System], folder: Path, plan: Plan) -> list[Row]:
    """Start on an empty folder, several times."""
    starts: list[Row] = []
    for number_of_start in range(plan.starts):
        with system(folder / str(number_of_start)) as running:
            start_s = running.start_s
            settle(running)
            starts.append({"start s": start_s, "idle RSS MB": megabytes(running)})
    return [{column: median(start[column] for start in starts) for column in starts[0]}]


def retained_invocations(system: type[System], folder: Path, plan: Plan) -> list[Row]:
    """Measure three steps beside more and more ended invocations that are kept."""
    rows: list[Row] = []
    kept = 0
    with system(folder) as running:
        for wanted in plan.retained:
            fill = run_load(fixed(running, EMPTY, wanted - kept))
            kept = wanted
            row = {"retained": float(wanted), "fill requests/s": requests_per_s(fill)}
            for connections in (64, 1):
                row |= three_steps(running, connections, plan.measure_s)
            rows.append(row | {"RSS MB": megabytes(running), "disk MB": disk_bytes(folder) / 1e6})
    return rows


def three_steps(running: System, connections: int, measure_s: float) -> Row:
    """Measure three steps over some connections."""
    result = run_load(
        Load(
            port=running.port,
            call=STEPS,
            connections=connections,
            warm_up_s=1.0,
            measure_s=measure_s,
            sessions=running.sessions,
        )
    )
    return {
        f"requests/s at {connections}": requests_per_s(result),
        f"p50 ms at {connections}": Histogram(result.latencies).quantile_ms(0.5),
        f"CPU ms at {connections}": cpu_ms_per_request(result),
    }


def journal_lengths(system: type[System], folder: Path, plan: Plan) -> list[Row]:
    """Write and replay journals of growing length; a flat cost an entry is a linear journal."""
    rows: list[Row] = []
    with system(folder) as running:
        for entries in plan.journals:
            times = call_journal(running, entries)
            rows.append(
                {
                    "steps": float(entries),
                    "write us a step": 1000 * times["write_ms"] / entries,
                    "replay us a step": 1000 * times["replay_ms"] / entries,
                }
            )
    return rows


def call_journal(running: System, entries: int) -> dict[str, float]:
    """Call the handler that writes a journal and replays it.

    Raises:
        LoadError: it failed.
    """
    try:
        reply = ask(running.url("/Bench/journal"), entries, timeout_s=SETTLE_S_MAX)
    except OSError as error:
        raise LoadError(f"a journal of {entries} steps: {error}") from error
    if reply.status != 200:
        raise LoadError(f"a journal of {entries} steps: {reply}")
    return msgspec.json.decode(reply.body, type=dict[str, float])


def sleepers(system: type[System], folder: Path, plan: Plan) -> list[Row]:
    """Put many invocations to sleep, kill the system, and time its recovery."""
    running = system(folder)
    with running:
        submitted = run_load(fixed(running, NAP, plan.asleep))
        last = msgspec.json.decode(ask(running.url(NAP.path)).body)["invocationId"]
        settle(running)
        before_mb = megabytes(running)
        running.kill()
    began = time.perf_counter()
    with running:
        answered_mb = megabytes(running)
        settle(running)
        settled_s = time.perf_counter() - began - QUIET_S
        check_asleep(running, last)
        return [
            {
                "asleep": float(plan.asleep),
                "submitted/s": requests_per_s(submitted),
                "RSS MB before": before_mb,
                "first answer s": running.start_s,
                "RSS MB then": answered_mb,
                "settled s": max(settled_s, running.start_s),
                "RSS MB settled": megabytes(running),
                "recovery CPU s": cpu_seconds(running.sessions),
            }
        ]


def check_asleep(running: System, invocation_id: str) -> None:
    """Check that an invocation is known and has not ended.

    Raises:
        LoadError: it was lost, or it woke too early.
    """
    reply = ask(running.url(f"/restate/invocation/{invocation_id}/output"), method="GET")
    if reply.status != 470:
        raise LoadError(f"{invocation_id} should be asleep: {reply}")


def settle(running: System) -> None:
    """Wait until the system has nothing left to do.

    Raises:
        ProgramError: it never came to rest.
    """
    deadline = time.monotonic() + SETTLE_S_MAX
    used = cpu_seconds(running.sessions)
    while time.monotonic() < deadline:
        time.sleep(QUIET_S)
        before, used = used, cpu_seconds(running.sessions)
        if used - before < QUIET_SHARE * QUIET_S:
            return
    raise ProgramError(f"{running.name} was still busy after {SETTLE_S_MAX} s")


def fixed(running: System, call: Call, requests: int) -> Load:
    """Give a load of so many requests."""
    return Load(
        port=running.port, call=call, connections=64, requests=requests, sessions=running.sessions
    )


def megabytes(running: System) -> float:
    """Give the resident memory of a system."""
    return resident_bytes(running.sessions) / 1e6


def disk_bytes(folder: Path) -> int:
    """Give the space that a folder takes on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def draw(rows: Sequence[Row]) -> str:
    """Draw the table of an experiment."""
    heading = list(rows[0])
    return table([heading, *([number(row[column]) for column in heading] for row in rows)])


EXPERIMENTS: dict[str, tuple[str, Experiment]] = {
    "start": ("Start on an empty folder, medians", start_empty),
    "retained": ("Three steps beside retained invocations", retained_invocations),
    "journal": ("Journals written and replayed, as the handler sees it", journal_lengths),
    "asleep": ("Sleeping invocations recovered after SIGKILL", sleepers),
}


if __name__ == "__main__":
    main()
