"""Run many seeds, or one again: ``python -m simworld --seeds 1000 --steps 10 --jobs 2``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from simworld import campaign
from simworld.campaign import Tally
from simworld.plan import Plan, draw
from simworld.reports import digest, failure, repeat_command
from simworld.shrinking import shrink
from simworld.simulation import Outcome, Simulator

#: After so many seeds a line tells how far it is.
NEWS = 1_000


def main(arguments: Sequence[str]) -> int:
    """Run as told; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="simworld", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone, and look after each record")
    parser.add_argument("--steps", type=int, default=10, help="scenarios in each run")
    parser.add_argument("--every", type=int, default=10, help="records between looks, on average")
    parser.add_argument("--partitions", type=int, default=1, help="how many the server has")
    jobs = int(os.environ.get("JOBS", "1"))
    parser.add_argument("--jobs", type=int, default=jobs, help="processes; $JOBS, or 1")
    options = parser.parse_args(arguments)
    if options.seed is None:
        return run_all(options)
    simulator = Simulator()
    outcome = simulator.run(draw(options.seed, options.steps, options.partitions), every=1)
    say(f"trace {digest(outcome)}")
    if outcome.violation is None:
        say(f"seed {options.seed}: {outcome.invocations} invocations, nothing broken")
        return 0
    explain(simulator, outcome, options.steps)
    return 1


def run_all(options: argparse.Namespace) -> int:
    """Run seed after seed, and explain the first that fails."""
    seeds = range(options.first, options.first + options.seeds)
    total = Tally()
    steps, partitions = options.steps, options.partitions
    for part in campaign.run(seeds, steps, options.every, options.jobs, partitions):
        total.add(part)
        for seed, what in part.failures.items():
            say(f"seed {seed} fails: {what}")
            say(f"repeat with: {repeat_command(seed, steps, partitions)}")
        if total.enough:
            break
        if total.counts["seeds"] % NEWS == 0:
            say(total.summary())
    say(f"in all: {total.summary()}")
    say(f"trace {total.trace()}")
    if total.failures:
        simulator, first = Simulator(), min(total.failures)
        again = simulator.run(draw(first, steps, partitions), options.every)
        explain(simulator, again, steps)
    return 1 if total.failures else 0


def explain(simulator: Simulator, outcome: Outcome, steps: int) -> None:
    """Make a run that failed small, and tell how it fails."""
    assert outcome.violation is not None, "the same seed fails again"
    promise = outcome.violation.promise

    def fails(plan: Plan) -> bool:
        found = simulator.run(plan).violation
        return found is not None and found.promise == promise

    smallest = shrink(outcome.plan, fails)
    small = simulator.run(smallest) if smallest is not outcome.plan else outcome
    for line in failure(small, steps):
        say(line)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
