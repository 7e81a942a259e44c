"""Run many seeds, or one again: ``python -m simworld --seeds 1000 --steps 10``."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence

from simworld.plan import draw
from simworld.reports import digest, failure
from simworld.shrinking import shrink
from simworld.simulation import Outcome, Simulator


def main(arguments: Sequence[str]) -> int:
    """Run as told; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="simworld", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone, and look after each record")
    parser.add_argument("--steps", type=int, default=10, help="scenarios in each run")
    parser.add_argument("--every", type=int, default=10, help="records between looks, on average")
    options = parser.parse_args(arguments)
    simulator = Simulator()
    if options.seed is not None:
        outcome = simulator.run(draw(options.seed, options.steps), every=1)
        say(f"trace {digest(outcome)}")
        return tell(simulator, outcome, options.steps)
    return run_all(simulator, options)


def run_all(simulator: Simulator, options: argparse.Namespace) -> int:
    """Run seed after seed until one fails."""
    began = time.process_time()
    traces = hashlib.sha256()
    totals = {"invocations": 0, "records": 0, "looks": 0, "boots": 0}
    for seed in range(options.first, options.first + options.seeds):
        outcome = simulator.run(draw(seed, options.steps), options.every)
        totals["invocations"] += outcome.invocations
        totals["records"] += outcome.applied
        totals["looks"] += outcome.looked
        totals["boots"] += outcome.boots
        traces.update(digest(outcome).encode())
        if outcome.violation is not None:
            return tell(simulator, simulator.run(outcome.plan), options.steps)
    cpu_s = time.process_time() - began
    counts = ", ".join(f"{count:,} {name}" for name, count in totals.items())
    rate = totals["invocations"] / cpu_s
    say(f"{options.seeds:,} seeds: {counts}; {rate:,.0f} invocations a second of CPU")
    say(f"trace {traces.hexdigest()}")
    return 0


def tell(simulator: Simulator, outcome: Outcome, steps: int) -> int:
    """Say how a run ended; what failed is made small first."""
    if outcome.violation is None:
        say(f"seed {outcome.plan.seed}: {outcome.invocations} invocations, nothing broken")
        return 0
    promise = outcome.violation.promise

    def fails(plan: object) -> bool:
        found = simulator.run(plan).violation  # type: ignore[arg-type]
        return found is not None and found.promise == promise

    smallest = simulator.run(shrink(outcome.plan, fails))
    for line in failure(smallest, steps):
        say(line)
    return 1


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
