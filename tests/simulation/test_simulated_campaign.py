"""Many seeds come to the same in one process and in two, and a failure tells how to repeat it."""

from __future__ import annotations

import pytest
from simworld import campaign
from simworld.__main__ import main
from simworld.campaign import Tally
from simworld.defects import DEFECTS


def told(jobs: int) -> Tally:
    total = Tally()
    for part in campaign.run(range(3, 7), 3, 10, jobs):
        total.add(part)
    return total


def test_two_processes_come_to_the_same_as_one(monkeypatch):
    monkeypatch.setattr(campaign, "PART", 2)
    alone, shared = told(1), told(2)
    assert shared.counts == alone.counts
    assert shared.trace() == alone.trace()
    assert alone.counts["seeds"] == 4
    assert alone.failures == shared.failures == {}


def test_the_last_line_but_one_says_what_all_came_to(capsys):
    assert main(["--seeds", "2", "--steps", "2", "--jobs", "1"]) == 0
    summary, trace = capsys.readouterr().out.splitlines()
    assert summary.startswith("in all: 2 seeds, ")
    assert summary.endswith("invocations a second a core; 0 failures")
    for name in ("invocations", "records", "looks", "starts", "faults", "s of CPU"):
        assert name in summary
    assert trace.startswith("trace ")


def test_several_partitions_are_asked_for_by_an_option(capsys):
    assert main(["--seeds", "2", "--steps", "2", "--jobs", "1", "--partitions", "2"]) == 0
    several = capsys.readouterr().out.splitlines()[-1]
    assert main(["--seeds", "2", "--steps", "2", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] != several


@pytest.mark.parametrize("options", [["--seeds", "1"], ["--seed", "0"]])
def test_a_failure_ends_in_a_command_that_repeats_it(options, capsys, monkeypatch):
    monkeypatch.setattr("simworld.__main__.shrink", lambda plan, _fails: plan)
    defect = next(defect for defect in DEFECTS if defect.name == "fire twice")
    with defect.planted():
        assert main([*options, "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert "VIOLATION" in out
    assert "repeat with: make simulate SEED=" in out
