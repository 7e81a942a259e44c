"""Retry policies: when to try again, and when to stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.model.retries import RetryPolicy

DEFAULT = RetryPolicy()


@pytest.mark.parametrize(
    ("failures", "expected"),
    [(1, 500), (2, 1_000), (3, 2_000), (7, 32_000), (8, 60_000), (69, 60_000)],
)
def test_the_default_grows_to_a_minute_and_tries_seventy_times(failures, expected):
    assert DEFAULT.delay_ms(failures, chance=0.0) == expected + 3
    assert DEFAULT.delay_ms(failures, chance=1.0) == expected + 0.3 * expected


def test_the_seventieth_failure_is_the_last():
    assert DEFAULT.delay_ms(69, chance=0.0) is not None
    assert DEFAULT.delay_ms(70, chance=0.0) is None
    assert DEFAULT.delay_ms(71, chance=0.0) is None


def test_one_attempt_is_no_retry():
    assert RetryPolicy(max_attempts=1).delay_ms(1, chance=0.5) is None


def test_without_a_limit_there_is_always_another():
    assert RetryPolicy(max_attempts=None).delay_ms(10**9, chance=0.0) == 60_003


def test_a_constant_interval_stays():
    policy = RetryPolicy(initial_interval_ms=100, exponentiation_factor=1.0)
    assert {policy.delay_ms(failures, chance=0.0) for failures in range(1, 60)} == {103}


def test_no_interval_stays_none_however_it_grows():
    policy = RetryPolicy(initial_interval_ms=0, exponentiation_factor=1e9, max_attempts=None)
    assert {policy.delay_ms(failures, chance=0.0) for failures in (1, 2, 30, 1000)} == {3}


@given(
    st.builds(
        RetryPolicy,
        initial_interval_ms=st.integers(0, 2**64 - 1),
        exponentiation_factor=st.floats(0, allow_nan=False, allow_infinity=False),
        max_interval_ms=st.integers(0, 2**64 - 1),
        max_attempts=st.none(),
    ),
    st.integers(1, 10**6),
    st.floats(0, 1),
)
def test_whatever_a_manifest_says_there_is_a_delay(policy, failures, chance):
    """A policy comes from outside; none may stop the partition that computes with it."""
    delay = policy.delay_ms(failures, chance)
    assert delay is not None
    assert 3 <= delay <= max(3, policy.max_interval_ms) * 1.31 + 3
