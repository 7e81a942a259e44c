"""From a plan that fails to one that a person can read: pieces are left out as long as it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from simworld.plan import Plan, Sizes

#: Runs that one failure is worth.
RUNS_MAX = 300

T = TypeVar("T")
Fails = Callable[[Plan], bool]


def shrink(plan: Plan, fails: Fails, runs_max: int = RUNS_MAX) -> Plan:
    """Give the smallest plan that was found to fail as the first one does."""
    runs = 0
    again = True
    while again:
        again = False
        for smaller in simpler(plan):
            if runs >= runs_max:
                return plan
            runs += 1
            if fails(smaller):
                plan, again = smaller, True
                break
    return plan


def simpler(plan: Plan) -> Iterator[Plan]:
    """Give plans with less in them, those that lack the most first."""
    for left in without_parts(plan.scenarios):
        yield replace(plan, scenarios=left)
    for faults in without_parts(plan.faults):
        yield replace(plan, faults=faults)
    for rates in without_parts(plan.rates):
        yield replace(plan, rates=rates)
    yield from _plainer(plan)
    for index, scenario in enumerate(plan.scenarios):
        before, after = plan.scenarios[:index], plan.scenarios[index + 1 :]
        for program in without_parts(tuple(scenario.program)):
            smaller = replace(scenario, program=list(program))
            yield replace(plan, scenarios=(*before, smaller, *after))
        if scenario.copies > 1:
            yield replace(plan, scenarios=(*before, replace(scenario, copies=1), *after))


def _plainer(plan: Plan) -> Iterator[Plan]:
    """Give plans in which the same happens to a plainer server."""
    if plan.partitions > 1:
        yield replace(plan, partitions=plan.partitions - 1)
    if not plan.together:
        yield replace(plan, together=True)
    for name in Sizes.__dataclass_fields__:
        plain = getattr(Sizes(), name)
        if getattr(plan.sizes, name) != plain:
            yield replace(plan, sizes=replace(plan.sizes, **{name: plain}))


def without_parts(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """Leave out all, halves, quarters and so on, down to single items."""
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size //= 2
