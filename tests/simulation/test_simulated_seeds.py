"""Runs of the simulated world: fixed seeds, and a fresh one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from holding import hold
from simworld.plan import draw
from simworld.reports import digest
from simworld.simulation import Simulator

from perdure.core.tables import changes
from perdure.engine import flushing, partition

HERE = Path(__file__).parent
TESTS = HERE.parent
STEPS = 10
FIXED = range(24)
#: Seeds that failed once: a long journal that travelled piece by piece, and that no attempt had in
#: time; and a handler that was cancelled before anything of it was durable.
MENDED = (1_000_166, 1_004_343)


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return Simulator()


@pytest.mark.parametrize("seed", [*FIXED, *MENDED])
def test_a_fixed_seed_breaks_no_promise(simulator, seed):
    hold(simulator, seed, STEPS)


@pytest.mark.parametrize("seed", range(100, 108))
def test_records_and_flushes_in_the_smallest_pieces_break_no_promise(simulator, seed, monkeypatch):
    monkeypatch.setattr(partition, "DELIVERIES_MAX", 1)
    monkeypatch.setattr(partition, "ACTIONS_MAX", 0)
    monkeypatch.setattr(partition, "SLICE_S", -1.0)
    monkeypatch.setattr(partition, "MANY_ROWS_BYTES", 1)
    monkeypatch.setattr(flushing, "FLUSH_ROWS", 24)
    monkeypatch.setattr(flushing, "ENCODE_S", -1.0)
    monkeypatch.setattr(changes, "PIECE_ROWS", 1)
    hold(simulator, seed, STEPS)


def test_a_fresh_seed_breaks_no_promise(simulator):
    seed = int(os.environ.get("SIMULATED_SEED", random.randrange(2**32)))
    sys.stdout.write(f"seed {seed}\n")
    hold(simulator, seed, 20)


def test_the_same_seed_gives_the_same_trace(simulator):
    plan = draw(5, STEPS)
    assert digest(simulator.run(plan)) == digest(Simulator().run(plan))


def test_the_trace_does_not_depend_on_the_order_of_sets():
    """Hashes of texts differ from process to process; nothing may follow from them."""
    assert len({traces_of(sys.executable, hash_seed) for hash_seed in ("1", "2")}) == 1


def test_the_trace_does_not_depend_on_the_version_of_python():
    """Of other interpreters, as many as the variable names: ``OTHER_PYTHONS=path:path``."""
    others = [path for path in os.environ.get("OTHER_PYTHONS", "").split(os.pathsep) if path]
    if not others:
        pytest.skip("OTHER_PYTHONS names no other interpreters with Perdure's dependencies")
    assert len({traces_of(python, "0") for python in (sys.executable, *others)}) == 1


def traces_of(python: str, hash_seed: str) -> str:
    """Give the traces of some seeds, in one line, from a process of its own."""
    folders = [TESTS.parent / "src", HERE, TESTS / "core" / "machine", TESTS / "storage"]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
    }
    command = [python, "-m", "simworld", "--seeds", "8", "--steps", str(STEPS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_faults_do_strike():
    """A run without crashes, losses and repetitions would prove little."""
    simulator, kinds = Simulator(), set()
    for seed in range(20):
        outcome = simulator.run(draw(seed, STEPS), every=50)
        kinds |= {details[0] for _, what, *details in outcome.history.events if what == "gone"}
    assert kinds == {"kill", "power", "exit", "refused"}


def test_all_sizes_of_the_world_are_met():
    """Services here and elsewhere, in every version of the protocol, with and without the door."""
    sizes = [draw(seed, 1).sizes for seed in range(100)]
    assert {size.reach for size in sizes} == {"here", "elsewhere", "both"}
    assert {size.protocol_version for size in sizes} == {5, 6, 7}
    assert {size.door for size in sizes} == {True, False}
    assert {size.one_way_at_a_time for size in sizes} == {True, False}
