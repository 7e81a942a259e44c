"""The checkers are checked: defects that are planted on purpose are found.

All of them, and in how many seeds, stand in the document "Reliability"; here are those that are
found in a moment, of each kind some.
"""

from __future__ import annotations

import pytest
from simworld.defects import DEFECTS
from simworld.planting import find

QUICKLY = (
    "acknowledge before sync",
    "no sync",
    "store names a later record",
    "apply an old epoch",
    "start twice",
    "admit two",
    "sleep through a late wake up",
    "answer twice",
    "forward twice",
    "forget idempotency of the ended",
    "fire twice",
    "complete a promise again",
    "ring early",
    "no second retry",
    "forget retention at restart",
    "purge nothing",
    "reuse a completion id",
    "run again what is known",
    "cut what is damaged",
    "believe what is damaged",
    "take a refusal for a success",
    "edit what is held",
    "edit any version",
    "forget half a message",
    "acknowledge a parcel at once",
    "take a parcel again",
    "forget what was taken",
    "ship only what is new",
    "run whatever comes",
)
SEEDS_MAX = 40


@pytest.mark.parametrize("name", QUICKLY)
def test_a_planted_defect_is_found(name):
    defect = next(defect for defect in DEFECTS if defect.name == name)
    assert find(defect, SEEDS_MAX) is not None


def test_there_are_enough_defects_and_no_two_of_a_name():
    names = [defect.name for defect in DEFECTS]
    assert len(set(names)) == len(names) >= 60
