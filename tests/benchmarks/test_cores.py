import os
import subprocess
import sys

import pytest
from benchmarks.cores import Cores, CoresError, bound_to, split

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here"
)

#: Prints the cores of a process that a process has started.
GRANDCHILD = """
import os, subprocess, sys
subprocess.run([sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"], check=True)
"""


def cores_of_a_grandchild():
    output = subprocess.run(
        [sys.executable, "-c", GRANDCHILD], check=True, capture_output=True, text=True
    ).stdout
    return set(map(int, output.split()))


def test_what_is_started_is_bound_however_deep_it_is():
    before = os.sched_getaffinity(0)
    one = {min(before)}
    with bound_to(one):
        assert cores_of_a_grandchild() == one
    assert os.sched_getaffinity(0) == before


def test_without_a_choice_everything_stays_as_it_is():
    before = os.sched_getaffinity(0)
    with bound_to(Cores().system):
        assert os.sched_getaffinity(0) == before


def test_the_load_gets_what_the_systems_leave(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {4, 5, 6, 7})
    assert split(1) == Cores(frozenset({4}), frozenset({5, 6, 7}))
    assert split(3) == Cores(frozenset({4, 5, 6}), frozenset({7}))


@pytest.mark.parametrize("count", [-1, 0, 4, 5])
def test_a_core_is_left_for_the_load(monkeypatch, count):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {4, 5, 6, 7})
    with pytest.raises(CoresError, match="there are 4 cores"):
        split(count)
