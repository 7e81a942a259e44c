"""Perdure beside its peers: the same handlers under the same load, in turns, on this machine.

Each round of a scenario starts every system anew on an empty folder, so that neither order nor
history matters, and what disturbs the machine disturbs all of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from benchmarks import peers
from benchmarks.cores import Cores, CoresError, bound_to, split
from benchmarks.figures import Figures, Sample, StartFigures, combine, combine_starts, ratios
from benchmarks.load import Load, LoadError, run_load
from benchmarks.processes import ProgramError, end_tidily, resident_bytes
from benchmarks.report import LOAD_COLUMNS, START_COLUMNS, comparison
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.syncs import syncs_per_request
from benchmarks.system import System, scratch_folder
from benchmarks.systems import EVERYTHING, SYSTEMS

#: How long the syncs of a round are counted, after everything else was measured.
SYNCS_S = 1.0


class Plan(Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int
    warm_up_s: float
    measure_s: float
    #: Cores that each system gets to itself; None leaves all to all.
    cores: int | None = None


FULL = Plan(rounds=3, warm_up_s=2.0, measure_s=8.0)
QUICK = Plan(rounds=1, warm_up_s=1.0, measure_s=3.0)


class Row(Struct, frozen=True, kw_only=True):
    """A system in a scenario, for the JSON file."""

    scenario: str
    system: str
    #: None if the system failed.
    figures: Figures | StartFigures | None
    #: Field of the figures to its multiple of the first system's.
    ratios: dict[str, float | None]


class Report(Struct, frozen=True, kw_only=True):
    """The JSON file."""

    machine: dict[str, str | float]
    peers: dict[str, str]
    plan: Plan
    rows: list[Row]


def main() -> None:
    """Compare the systems that the command line asks for."""
    end_tidily()
    options = parse_options()
    plan = replace(QUICK if options.quick else FULL, cores=options.cores)
    load_average = os.getloadavg()[0]
    systems = [SYSTEMS[name] for name in options.systems]
    try:
        if plan.cores is not None:
            split(plan.cores)
        for system in systems:
            system.install()
    except (CoresError, peers.SetupError) as error:
        sys.exit(str(error))
    rows = compare_all([SCENARIOS[name] for name in options.only], systems, plan)
    if options.json:
        report = Report(machine=machine(load_average), peers=peers.VERSIONS, plan=plan, rows=rows)
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    if any(row.figures is None for row in rows):
        sys.exit(1)


def compare_all(
    scenarios: Sequence[Scenario], systems: Sequence[type[System]], plan: Plan
) -> list[Row]:
    """Compare systems in all scenarios, and print a table of each as soon as it is measured."""
    rows: list[Row] = []
    starts: dict[str, list[Sample]] = {system.name: [] for system in systems}
    for scenario in scenarios:
        samples = compare(scenario, systems, plan)
        figures = {name: combine(taken) if taken else None for name, taken in samples.items()}
        print(comparison(scenario.title, figures, LOAD_COLUMNS), end="\n\n", flush=True)
        rows += rows_of(scenario.name, figures)
        for name, taken in samples.items():
            starts[name] += taken or []
    of_start = {name: combine_starts(taken) if taken else None for name, taken in starts.items()}
    print(comparison("Start on an empty folder", of_start, START_COLUMNS))
    return rows + rows_of("start", of_start)


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(SCENARIOS),
        default=list(SCENARIOS),
        metavar="SCENARIO",
        help=f"of: {', '.join(SCENARIOS)}",
    )
    parser.add_argument(
        "--systems",
        nargs="+",
        choices=list(SYSTEMS),
        default=list(EVERYTHING),
        metavar="SYSTEM",
        help=f"of: {', '.join(SYSTEMS)}; ratios are to the first",
    )
    parser.add_argument(
        "--cores",
        type=int,
        metavar="N",
        help="bind each system, with all its processes, to N cores, and the load to the others",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    return parser.parse_args()


def compare(
    scenario: Scenario, systems: Sequence[type[System]], plan: Plan
) -> dict[str, list[Sample] | None]:
    """Measure a scenario on all systems in turns; a system that fails once has no samples."""
    samples: dict[str, list[Sample] | None] = {system.name: [] for system in systems}
    for system in turns(systems, plan.rounds):
        taken = samples[system.name]
        if taken is None:
            continue
        try:
            taken.append(measure(system, scenario, plan))
        except (LoadError, ProgramError) as error:
            print(f"{scenario.name} on {system.name} failed: {error}", file=sys.stderr)
            samples[system.name] = None
    return samples


def turns(systems: Sequence[type[System]], rounds: int) -> Iterator[type[System]]:
    """Give every system its turn in each round; who comes first changes."""
    for turn in range(rounds):
        for place in range(len(systems)):
            yield systems[(turn + place) % len(systems)]


def measure(system: type[System], scenario: Scenario, plan: Plan) -> Sample:
    """Measure a scenario on a system started anew.

    Raises:
        LoadError: a response was wrong, or a connection broke.
        ProgramError: the system did not start, or died.
    """
    cores = Cores() if plan.cores is None else split(plan.cores)
    with ExitStack() as stack:
        with bound_to(cores.system):
            running = stack.enter_context(system(stack.enter_context(scratch_folder())))
        stack.enter_context(bound_to(cores.load))
        idle_bytes = resident_bytes(running.sessions)
        load = Load(
            port=running.port,
            call=scenario.call,
            connections=scenario.connections,
            warm_up_s=plan.warm_up_s,
            measure_s=plan.measure_s,
            sessions=running.sessions,
            server_sessions=running.server_sessions,
            key_prefix="measured-",
        )
        counted = replace(load, warm_up_s=0.0, measure_s=SYNCS_S, key_prefix="counted-")
        return Sample(
            start_s=running.start_s,
            idle_bytes=idle_bytes,
            load=run_load(load),
            syncs_per_request=syncs_per_request(counted),
        )


def rows_of(scenario: str, systems: Mapping[str, Figures | StartFigures | None]) -> list[Row]:
    """Give the rows of a scenario, with the ratios to the first system."""
    base = next(iter(systems.values()))
    return [
        Row(
            scenario=scenario,
            system=name,
            figures=figures,
            ratios=ratios(figures, base) if figures and base else {},
        )
        for name, figures in systems.items()
    ]


def machine(load_average: float) -> dict[str, str | float]:
    """Describe the machine, as far as figures depend on it."""
    return {
        "cpus": os.cpu_count() or 0,
        "kernel": platform.release(),
        "python": platform.python_version(),
        # What else the machine was doing: figures from a busy machine are worth less.
        "load_average_before": load_average,
    }


if __name__ == "__main__":
    main()
