"""Failed attempts: backoff, what counts, and what follows when nothing is left."""

from __future__ import annotations

import pytest
from machine_values import (
    BROKEN,
    ENDED,
    FEW_RETRIES_THEN_KILL,
    GREET,
    HOUR,
    JITTER,
    KILLED,
    SECOND,
    A,
    B,
    add,
    call,
    failed,
    has_run,
    output,
    ran,
    returned,
    run,
    waits,
)
from msgspec.structs import replace

from perdure.core.machine.actions import ArmTimer
from perdure.core.machine.progress import NO_OUTPUT
from perdure.core.machine.retrying import LEAST_DELAY_MS_MAX
from perdure.core.model.invocations import Completed, Paused, Pin, Problem, Running
from perdure.core.model.retries import RetryPolicy
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import INSTANT_MAX
from perdure.protocol.ids import DeploymentId
from perdure.protocol.messages import ErrorBehavior, Failure, Output, Value

PIN = Pin(DeploymentId("dp_1"), 6)


def delay(world) -> int:
    """Give how long the invocation backs off."""
    return world.row(A).status.retry_at - world.now


def test_a_failed_attempt_is_tried_again_after_a_delay(world):
    world.invoke(GREET, A)
    followed = world.fail(A, failed())
    at = world.now + SECOND + JITTER
    assert followed == [ArmTimer(Timer(at, TimerKind.RETRY, A))]
    assert world.row(A).status == Running(1, at, BROKEN, 1)
    world.advance(SECOND + JITTER - 1)
    assert not world.attempts
    world.advance(1)
    assert world.started == [A]
    assert world.row(A).status == Running(1, None, BROKEN, 1)


def test_delays_grow_until_the_attempts_are_used_up(world):
    world.invoke(GREET, A)
    for expected in (SECOND, 2 * SECOND, 4 * SECOND):
        world.fail(A, failed())
        assert delay(world) == expected + JITTER
        world.restart()
        world.advance(HOUR)
    world.fail(A, failed())
    assert world.status(A) is Paused
    assert world.row(A).status.problem == BROKEN
    assert not world.image.timers


@pytest.mark.parametrize(("chance", "jitter"), [(0.0, 3), (0.001, 3), (0.5, 150), (1.0, 300)])
def test_chance_places_the_jitter(world, chance, jitter):
    world.invoke(GREET, A)
    world.fail(A, failed(chance=chance))
    assert delay(world) == SECOND + jitter


def test_exhausted_retries_may_end_the_invocation(world):
    world.invoke(GREET, B)
    world.progress(B, call(A, number=1))
    for _ in range(3):
        world.fail(A, failed(FEW_RETRIES_THEN_KILL))
        world.advance(HOUR)
    world.fail(A, failed(FEW_RETRIES_THEN_KILL))
    assert world.outcome(A) == Failure(500, "broken")
    assert world.journal(B)[-1] == returned(2, Failure(500, "broken"))


def test_an_end_by_exhaustion_spares_the_children(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1))
    once = replace(FEW_RETRIES_THEN_KILL, max_attempts=1)
    world.fail(A, failed(once))
    assert world.status(A) is Completed
    assert world.status(B) is Running


def test_an_override_is_exact_and_does_not_count(world):
    world.invoke(GREET, A)
    for _ in range(20):
        world.fail(A, failed(chance=1.0, next_retry_ms=100))
        assert delay(world) == 100
        assert world.row(A).status.failures == 0
        world.advance(100)
    world.fail(A, failed())
    assert delay(world) == SECOND + JITTER


def test_an_override_of_nothing_retries_at_once(world):
    world.invoke(GREET, A)
    world.fail(A, failed(next_retry_ms=0))
    assert delay(world) == 0
    world.advance(0)
    assert world.started == [A]


def test_overrides_of_nothing_do_not_keep_the_server_busy_for_ever(world):
    world.invoke(GREET, A)
    delays = []
    for _ in range(LEAST_DELAY_MS_MAX + 10):
        world.fail(A, failed(next_retry_ms=0))
        delays.append(delay(world))
        world.advance(delays[-1])
    assert delays == [*range(LEAST_DELAY_MS_MAX), *[LEAST_DELAY_MS_MAX] * 10]
    assert world.row(A).status.failures == 0
    world.fail(A, failed(next_retry_ms=LEAST_DELAY_MS_MAX + 1))
    assert delay(world) == LEAST_DELAY_MS_MAX + 1


def test_progress_makes_an_override_of_nothing_immediate_again(world):
    world.invoke(GREET, A)
    for did, expected in (((), 0), ((), 1), ((run(1),), 0), ((), 1)):
        world.progress(A, *did, ending=failed(next_retry_ms=0))
        assert delay(world) == expected
        world.advance(expected)


def test_an_override_beyond_all_time_is_never(world):
    """An SDK chooses this number, and no number it can send may stop a partition."""
    world.invoke(GREET, A)
    world.progress(A, ending=failed(next_retry_ms=2**64 - 1))
    assert world.row(A).status.retry_at == INSTANT_MAX
    world.restart()
    world.resume(A)
    assert not world.image.timers


def test_progress_does_not_start_the_count_anew(world):
    world.invoke(GREET, A)
    for number in range(3):
        first = number + 1
        world.progress(A, run(first), ran(first), ending=failed())
        world.advance(HOUR)
    world.progress(A, run(9), ran(9), ending=failed())
    assert world.status(A) is Paused


def test_what_the_sdk_is_told_counts_since_the_last_command(world):
    def told():
        return world.row(A).status.failures_since_progress

    world.invoke(GREET, A)
    counts = []
    for did in ((), (), (run(1),), (ran(1),), ()):
        world.progress(A, *did, ending=failed(next_retry_ms=0))
        counts.append(told())
        world.advance(LEAST_DELAY_MS_MAX)
    assert counts == [1, 2, 1, 2, 3]


@pytest.mark.parametrize("doc_code", ["RT0011", "RT0013", "RT0014", "RT0015"])
def test_the_sdk_is_not_told_of_failures_that_are_not_the_handlers(world, doc_code):
    world.invoke(GREET, A)
    world.fail(A, failed(problem=Problem(500, "no deployment", doc_code=doc_code)))
    assert world.row(A).status.failures_since_progress == 0
    assert world.row(A).status.failures == 1


def test_an_error_may_pause_at_once(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    world.fail(A, failed(behavior=ErrorBehavior.PAUSE, next_retry_ms=5))
    assert world.status(A) is Paused
    assert world.holder(add()) == A
    assert not world.image.timers


def test_an_error_may_end_the_invocation_at_once(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    problem = Problem(418, "teapot", "at brew()")
    world.fail(A, failed(problem=problem, behavior=ErrorBehavior.FAIL, next_retry_ms=5))
    assert world.outcome(A) == Failure(418, "teapot")
    assert world.started == [B]


def test_entries_before_the_failure_stay(world):
    world.invoke(GREET, A)
    world.progress(A, run(1), ran(1), ending=failed())
    assert world.journal(A) == [run(1), has_run(1)]


def test_a_superseded_attempt_cannot_fail_the_next_one(world):
    world.invoke(GREET, A)
    first = world.attempts[A]
    world.fail(A, failed())
    world.advance(HOUR)
    before = world.image.held
    for ending in (None, ENDED, failed(), waits(1)):
        world.progress(A, run(1), output(), ending=ending, attempt=first)
        assert world.image.held == before


def test_the_attempt_that_failed_is_not_heard_while_the_next_one_waits(world):
    world.invoke(GREET, A)
    first = world.attempts[A]
    world.fail(A, failed())
    before = world.image.held
    for ending in (None, ENDED, failed(), waits(1)):
        world.progress(A, run(1), output(), ending=ending, attempt=first)
        assert world.image.held == before


def test_a_resume_retries_at_once_and_the_timer_that_fires_later_does_nothing(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    (timer,) = world.image.timers
    world.resume(A)
    assert world.row(A).status == Running()
    assert world.fire(timer) == []


def test_a_cancellation_is_tried_at_once_and_its_failures_stay_counted(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    world.cancel(A)
    assert world.started == [A]
    assert world.row(A).status.failures == 1
    world.fail(A, failed())
    assert world.row(A).status.failures == 2
    assert delay(world) > 0


@pytest.mark.parametrize("stop", ["pause", "kill", "cancel"])
def test_a_retry_timer_is_taken_away(world, stop):
    world.invoke(GREET, A)
    world.fail(A, failed())
    (timer,) = world.image.timers
    getattr(world, stop)(A)
    assert not world.image.timers
    assert world.fire(timer) == []


def test_a_killed_invocation_that_backed_off_is_over(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    world.restart()
    world.kill(A)
    assert world.outcome(A) == KILLED


def test_the_first_stored_entry_pins_the_deployment(world):
    other = Pin(DeploymentId("dp_2"), 7)
    world.invoke(GREET, A)
    world.progress(A, ending=failed(next_retry_ms=0), pin=PIN)
    assert world.row(A).pin is None, "nothing was stored, so the next attempt may go elsewhere"
    world.advance(0)
    world.progress(A, run(1), pin=PIN)
    assert world.row(A).pin == PIN
    world.progress(A, ran(1), pin=other)
    assert world.row(A).pin == PIN


def test_a_stored_output_is_the_result_of_the_attempt_that_only_ends(world):
    world.invoke(GREET, A)
    world.progress(A, output(b"first"), output(b"last"), run(1), ending=failed())
    world.restart()
    world.advance(HOUR)
    world.progress(A, ending=ENDED)
    assert world.outcome(A) == Value(b"last")


def test_the_last_output_counts(world):
    world.invoke(GREET, A)
    world.progress(A, output(b"1"), Output(Failure(1, "f")), output(b"3"), ending=ENDED)
    assert world.outcome(A) == Value(b"3")


def test_an_end_without_an_output_is_a_failed_attempt(world):
    world.invoke(GREET, A)
    world.progress(A, run(1), ending=ENDED)
    assert world.row(A).status.problem == NO_OUTPUT
    assert delay(world) == RetryPolicy().initial_interval_ms + JITTER
