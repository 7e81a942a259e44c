"""A failing plan is made as small as it can be."""

from __future__ import annotations

from simworld.plan import Sizes, draw
from simworld.reports import described, repeat_command
from simworld.shrinking import shrink, without_parts


def test_only_what_is_needed_is_left():
    plan = draw(3, 20)
    needed = plan.scenarios[13].number

    def fails(candidate):
        return any(scenario.number == needed for scenario in candidate.scenarios)

    smallest = shrink(plan, fails)
    assert [scenario.number for scenario in smallest.scenarios] == [needed]
    assert smallest.scenarios[0].program == []
    assert smallest.faults == smallest.rates == ()
    assert smallest.sizes == Sizes()


def test_a_server_of_several_partitions_is_made_one_of_one():
    smallest = shrink(draw(4, 3, 3), lambda _plan: True)
    assert smallest.partitions == 1
    assert smallest.together


def test_it_ends_when_enough_was_tried():
    plan = draw(3, 20)
    tried = []
    assert shrink(plan, lambda candidate: bool(tried.append(candidate)), runs_max=5) == plan
    assert len(tried) == 5


def test_parts_are_left_out_from_the_largest_on():
    assert list(without_parts((1, 2, 3))) == [(), (2, 3), (1, 3), (1, 2)]


def test_a_plan_can_be_read_and_repeated():
    plan = draw(3, 4)
    assert len([line for line in described(plan) if "interferes" in line]) == 4
    assert repeat_command(plan.seed, 4) == "make simulate SEED=3 STEPS=4"
    assert repeat_command(plan.seed, 4, 2) == "make simulate SEED=3 STEPS=4 PARTITIONS=2"
