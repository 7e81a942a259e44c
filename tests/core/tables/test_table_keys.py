"""Keys sort as what they mean does, and no object's rows mix with another's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perdure.core.model.targets import HandlerKind, Target
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import (
    INSTANT_MAX,
    expiry_key,
    index_key,
    object_group,
    object_key,
    parse_expiry_key,
    parse_timer_key,
    place_key,
    timer_key,
)
from perdure.protocol.ids import InvocationId, keyed_partition_key

_IDS = st.binary(min_size=24, max_size=24).map(InvocationId)
_TIMES = st.integers(0, INSTANT_MAX)
_TIMERS = st.builds(Timer, _TIMES, st.sampled_from(TimerKind), _IDS, st.integers(0, 2**32 - 1))
_NAMES = st.text(max_size=6)


@given(_TIMERS, _TIMERS)
def test_timer_keys_sort_as_timers_do(one, other):
    assert (timer_key(one) < timer_key(other)) == (one < other)


@given(_TIMERS)
def test_timers_are_read_back(timer):
    assert parse_timer_key(timer_key(timer)) == timer


@given(_TIMES, _IDS, st.booleans())
def test_expiries_are_read_back(expires_at, invocation_id, journal_only):
    key = expiry_key(expires_at, invocation_id, journal_only=journal_only)
    assert parse_expiry_key(key) == (expires_at, invocation_id, journal_only)


@given(_TIMES, _TIMES, _IDS, _IDS)
def test_expiries_sort_by_time(earlier, later, one, other):
    if earlier < later:
        first = expiry_key(earlier, one, journal_only=True)
        assert first < expiry_key(later, other, journal_only=False)


@given(st.tuples(_NAMES, _NAMES), st.tuples(_NAMES, _NAMES))
def test_no_object_key_is_the_beginning_of_another(one, other):
    if one != other:
        assert not object_group(*one).startswith(object_group(*other))


def test_an_object_key_begins_with_its_partition_key():
    target = Target("Counter", "add", HandlerKind.EXCLUSIVE, "kéy")
    assert object_key(target)[:8] == keyed_partition_key("kéy")
    assert object_key(target) == object_group("Counter", "kéy")


@given(st.integers(0, 2**32 - 2))
def test_indexes_and_places_sort_by_number(number):
    assert index_key(number) < index_key(number + 1)
    assert place_key(b"group", number) < place_key(b"group", number + 1)


def test_names_may_be_longer_than_anyone_would_write():
    """A name comes from outside; none may stop the partition that stores it."""
    assert len(object_group("s" * 70_000, "k" * 70_000)) == 140_016
