"""The system's clock and chance."""

from __future__ import annotations

import time

import pytest

from perdure.engine.clock import SystemClock


def test_time_is_in_milliseconds_since_1970():
    before = time.time() * 1000
    now = SystemClock().now_ms()
    assert before - 1 <= now <= time.time() * 1000


def test_chance_is_from_0_up_to_but_excluding_1():
    clock = SystemClock()
    drawn = {clock.chance() for _ in range(100)}
    assert all(0 <= number < 1 for number in drawn)
    assert len(drawn) > 90


@pytest.mark.parametrize("count", [0, 1, 10, 12, 4096])
def test_as_many_bytes_come_as_were_asked_for(count):
    clock = SystemClock()
    assert all(len(clock.random_bytes(count)) == count for _ in range(1_000 // (count + 1) + 3))


def test_no_bytes_are_given_twice():
    clock = SystemClock()
    drawn = [clock.random_bytes(12) for _ in range(5_000)]
    assert len(set(drawn)) == len(drawn)


def test_more_bytes_than_the_pool_holds_are_a_mistake():
    with pytest.raises(AssertionError):
        SystemClock().random_bytes(4_097)
