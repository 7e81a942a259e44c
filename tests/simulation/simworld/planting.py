"""Plant each defect in turn and count the seeds that it takes to be found.

``python -m simworld.planting`` prints the table; with ``--document docs/reliability.md`` it is
written there, between its two marks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from simworld.defects import DEFECTS, Defect
from simworld.plan import draw
from simworld.simulation import Simulator
from simworld.violations import Violation

#: Within so many seeds each defect is to be found.
SEEDS_MAX = 300
STEPS = 10
BEGIN, END = "<!-- planted defects -->", "<!-- end of planted defects -->"


#: Errors of a defect that does not fit the code any more.
MISFITS = ("TypeError(", "AttributeError(", "NameError(")


def find(defect: Defect, seeds_max: int = SEEDS_MAX) -> tuple[int, Violation] | None:
    """Give the number of seeds it took to find a defect, and what found it."""
    simulator = Simulator()
    with defect.planted():
        for seed in range(seeds_max):
            violation = simulator.run(draw(seed, STEPS, defect.partitions), every=10).violation
            if violation is not None:
                assert not any(misfit in violation.what for misfit in MISFITS), violation
                return seed + 1, violation
    return None


def table(found: Sequence[tuple[Defect, int, Violation]]) -> str:
    """Write the table of the document."""
    lines = ["| defect | breaks | seeds | found by |", "|---|---|---|---|"]
    lines += [
        f"| {defect.name} | {defect.breaks} | {seeds} | {finder(violation)} |"
        for defect, seeds, violation in found
    ]
    return "\n".join(lines)


def finder(violation: Violation) -> str:
    """Name the checker that found a violation."""
    if violation.promise in ("no defects", "no stray errors"):
        return "an assertion of the code itself"
    if violation.promise != "invariant":
        return violation.promise
    return violation.what.partition(":")[0].replace("_", " ")


def write(document: Path, text: str) -> None:
    """Put the table between its marks."""
    before, _, rest = document.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    document.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main(arguments: Sequence[str]) -> int:
    """Plant all defects; 1 if one of them was not found."""
    parser = argparse.ArgumentParser(prog="simworld.planting", description=__doc__)
    parser.add_argument("--document", type=Path, help="where to write the table")
    options = parser.parse_args(arguments)
    found, missed = [], []
    for defect in DEFECTS:
        result = find(defect)
        if result is None:
            missed.append(defect.name)
        else:
            found.append((defect, *result))
        sys.stdout.write(f"{defect.name}: {'NOT FOUND' if result is None else result[0]}\n")
        sys.stdout.flush()
    if options.document is not None:
        write(options.document, table(found))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
