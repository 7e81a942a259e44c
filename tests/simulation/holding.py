"""A seed that must break no promise; one that does tells how, as small as it can be."""

from __future__ import annotations

import pytest
from simworld.plan import Plan, draw
from simworld.reports import failure
from simworld.shrinking import shrink
from simworld.simulation import Outcome, Simulator


def hold(
    simulator: Simulator, seed: int, steps: int, every: int = 4, partitions: int = 1
) -> Outcome:
    """Run a seed; a failure tells how to repeat it, and the smallest run that fails alike."""
    outcome = simulator.run(draw(seed, steps, partitions), every)
    if outcome.violation is None:
        return outcome
    promise = outcome.violation.promise

    def fails(plan: Plan) -> bool:
        found = simulator.run(plan).violation
        return found is not None and found.promise == promise

    smallest = simulator.run(shrink(outcome.plan, fails, runs_max=60))
    pytest.fail("\n".join(failure(smallest, steps)), pytrace=False)
