"""How long results and journals are kept, and what goes with them."""

from __future__ import annotations

import pytest
from machine_values import (
    DAY,
    ENDED,
    GREET,
    HOUR,
    JOURNAL_SHORTER,
    KEPT,
    MINUTE,
    NOT_KEPT,
    RESULT_ONLY,
    A,
    B,
    C,
    add,
    ident,
    output,
    run,
    signup,
)

from perdure.core.machine.actions import WatchExpiry
from perdure.core.model.invocations import Completed, Retention, Running
from perdure.core.model.verdicts import Verdict
from perdure.protocol.messages import SetState, Value

LONG_JOURNAL = Retention(completion_ms=HOUR, journal_ms=DAY)
FOR_EVER = Retention(completion_ms=2**64 - 1, journal_ms=2**64 - 1)


#: Retention: whether result and journal are there after the end, after an hour, after a day.
COURSES = {
    KEPT: ("result journal", "result journal", ""),
    NOT_KEPT: ("", "", ""),
    RESULT_ONLY: ("result", "result", ""),
    JOURNAL_SHORTER: ("result journal", "result", ""),
    LONG_JOURNAL: ("result journal", "", ""),
    FOR_EVER: ("result journal", "result journal", "result journal"),
}


def kept(world) -> str:
    """Say what is there of the invocation."""
    result = ["result"] if world.status(A) is Completed else []
    journal = ["journal"] if A in world.image.journals else []
    return " ".join(result + journal)


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize(("retention", "course"), COURSES.items())
def test_what_is_kept_goes_in_its_time(world, retention, course, flushed):
    world.invoke(GREET, A, retention=retention)
    world.progress(A, run(1), output(), ending=ENDED)
    seen = []
    for ms in (0, HOUR, DAY):
        if flushed:
            world.restart()
        world.advance(ms)
        world.expire()
        seen.append(kept(world))
    assert tuple(seen) == course


def test_nothing_goes_before_its_time(world):
    world.invoke(GREET, A, retention=JOURNAL_SHORTER)
    world.end(A)
    world.advance(HOUR - 1)
    world.expire()
    assert kept(world) == "result journal"
    world.advance(DAY - HOUR)
    world.expire()
    assert kept(world) == "result"


def test_the_end_says_when_to_look(world):
    world.invoke(GREET, A, retention=JOURNAL_SHORTER)
    followed = world.end(A)
    watched = [action.expires_at for action in followed if isinstance(action, WatchExpiry)]
    assert watched == [world.now + HOUR, world.now + DAY]


def test_a_sweep_is_bounded_and_says_when_to_look_again(world):
    names = [ident(f"n{number:02}") for number in range(5)]
    for name in names:
        world.invoke(GREET, name, retention=RESULT_ONLY)
        world.end(name)
        world.now += 1
    world.flush()
    world.now += DAY
    left = []
    for _ in range(4):
        (watch,) = world.expire(2) or [None]
        left.append(len(world.image.invocations))
        if watch is None:
            break
        assert watch.expires_at == min(world.image.expiries)[0]
    assert left == [3, 1, 0]


def test_a_sweep_takes_the_oldest_first(world):
    for name in (A, B, C):
        world.invoke(GREET, name, retention=RESULT_ONLY)
    for name in (B, C, A):
        world.end(name)
        world.now += 1
    world.now += DAY
    world.expire(1)
    assert set(world.image.invocations) == {A, C}


def test_a_sweep_of_nothing_is_quiet(world):
    assert world.expire() == []


def test_purging_frees_the_id(world):
    world.invoke(GREET, A, retention=JOURNAL_SHORTER)
    world.end(A)
    assert world.purge(A) is Verdict.DONE
    assert world.purge(A) is Verdict.NOT_FOUND
    assert not world.image.expiries
    world.invoke(GREET, A)
    assert world.status(A) is Running
    world.advance(DAY)
    world.expire()
    assert world.status(A) is Running, "the former one's expiry is gone with it"


@pytest.mark.parametrize("flushed", [False, True])
def test_purging_the_journal_keeps_the_result(world, flushed):
    world.invoke(GREET, A, retention=JOURNAL_SHORTER)
    world.progress(A, run(1), output(), ending=ENDED)
    if flushed:
        world.restart()
    assert world.purge_journal(A) is Verdict.DONE
    assert kept(world) == "result"
    assert world.purge_journal(A) is Verdict.DONE
    world.advance(HOUR)
    world.expire()
    assert world.outcome(A) == output().result
    world.advance(DAY)
    world.expire()
    assert kept(world) == ""


def test_the_sweep_of_a_journal_notes_that_it_is_gone(world):
    world.invoke(GREET, A, retention=JOURNAL_SHORTER)
    world.end(A)
    world.advance(HOUR)
    world.expire()
    assert world.row(A).status.journal_purged


def test_a_workflows_state_goes_with_its_run(world):
    world.invoke(signup("a"), A)
    world.invoke(signup("b"), B)
    for name in (A, B):
        world.progress(name, SetState(b"step", Value(b"1")), output(), ending=ENDED)
    world.flush()
    world.purge(A)
    assert world.state(signup("a")) == {}
    assert world.state(signup("b")) == {b"step": b"1"}
    world.advance(DAY)
    world.expire()
    assert world.state(signup("b")) == {}


def test_a_workflow_that_keeps_nothing_leaves_nothing(world):
    world.invoke(signup(), A, retention=NOT_KEPT)
    world.progress(A, SetState(b"step", Value(b"1")), output(), ending=ENDED)
    assert set(world.image.held) == {b"mattempts"}


def test_an_objects_state_outlives_its_invocations(world):
    world.invoke(add(), A, retention=NOT_KEPT)
    world.progress(A, SetState(b"n", Value(b"1")), output(), ending=ENDED)
    assert world.state(add()) == {b"n": b"1"}


def test_what_comes_and_goes_between_flushes_never_reaches_the_store(world):
    """Locks, lines, timers, and the list of what runs: the store hears nothing of them."""
    world.flush()
    for name in (A, B):
        world.invoke(add(), name)
    world.invoke(add(), C, at=world.now + MINUTE)
    world.cancel(C)
    world.end(A)
    world.end(B)
    touched = {key[:1] for key, _ in world.tables.flush()}
    assert touched == {b"i", b"j", b"e", b"m"}
