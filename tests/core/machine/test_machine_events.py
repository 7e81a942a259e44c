"""Events beside journals: noted once, bounded in number, and forgotten with the journal."""

from __future__ import annotations

import pytest
from machine_values import BROKEN, GREET, HOUR, A, B, failed, waits
from msgspec.structs import replace

from perdure.core.machine.events import EVENTS_MAX
from perdure.core.model.events import Paused, TransientError
from perdure.core.model.invocations import Problem, Retention
from perdure.core.model.records import Failed
from perdure.core.model.retries import RetryPolicy
from perdure.protocol.messages import ErrorBehavior

PATIENT = RetryPolicy(max_attempts=None)


def happened(world, who=A):
    """Give what happened to an invocation, in order."""
    return [event.happening for _, event in world.tables.events.rows(who)]


def breaks(message: str = "broken") -> Failed:
    return Failed(Problem(500, message), PATIENT, 0.0)


def test_a_failed_attempt_is_noted_with_its_place_and_time(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    [(_, event)] = world.tables.events.rows(A)
    assert (event.appended_at, event.after_index) == (world.now, 0)
    assert event.happening == TransientError(BROKEN)


def test_the_same_failure_again_is_not_noted_again(world):
    world.invoke(GREET, A)
    for message in ("one", "one", "two", "two", "one"):
        world.fail(A, breaks(message))
        world.restart()
        world.advance(HOUR)
    assert [event.problem.message for event in happened(world)] == ["one", "two", "one"]


def test_only_the_newest_are_kept(world):
    world.invoke(GREET, A)
    for number in range(EVENTS_MAX + 3):
        world.fail(A, breaks(str(number)))
        world.advance(HOUR)
    kept = [event.problem.message for event in happened(world)]
    assert kept == [str(number) for number in range(3, EVENTS_MAX + 3)]


def test_a_pause_after_the_last_failure_tells_it(world):
    world.invoke(GREET, A)
    world.fail(A, replace(breaks(), behavior=ErrorBehavior.PAUSE))
    assert happened(world) == [Paused(Problem(500, "broken"))]


@pytest.mark.parametrize("suspended", [False, True])
def test_a_pause_by_hand_tells_nothing_more(world, suspended):
    world.invoke(GREET, A)
    if suspended:
        world.progress(A, ending=waits(1))
    world.pause(A)
    world.pause(A)
    assert happened(world) == [Paused()]


def test_events_outlive_the_end_and_go_with_the_journal(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    world.advance(HOUR)
    world.end(A)
    assert happened(world) == [TransientError(BROKEN)]
    world.purge_journal(A)
    assert happened(world) == []
    assert world.row(A).events == 0


def test_events_go_with_the_invocation(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    world.kill(A)
    world.purge(A)
    assert happened(world) == []


@pytest.mark.parametrize("retention", [Retention(0, 0), Retention(HOUR, 0)])
def test_events_go_at_the_end_where_the_journal_does(world, retention):
    world.invoke(GREET, A, retention=retention)
    world.fail(A, failed())
    world.advance(HOUR)
    world.end(A)
    assert happened(world) == []


def test_a_restart_begins_without_events(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    world.advance(HOUR)
    world.end(A)
    world.restart_as_new(A, B)
    assert happened(world, B) == []
    assert world.row(B).events == 0
    assert world.row(B).running_at == world.now
