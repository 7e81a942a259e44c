"""Awaited trees: what settles them, one notification at a time."""

from __future__ import annotations

import time
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from perdure.core.model.awaiting import (
    Settled,
    awaited,
    is_empty,
    is_ordered,
    settle,
    settle_stored,
)
from perdure.core.model.awaiting import tree as stored_tree
from perdure.core.model.records import Suspended
from perdure.protocol.messages import (
    VOID,
    Combinator,
    Completion,
    CompletionKind,
    Failure,
    Future,
    Signal,
    Value,
)
from perdure.protocol.trees import LEVELS_MAX
from perdure.protocol.wire_trees import write_future

ANY = Combinator.FIRST_COMPLETED
ALL = Combinator.ALL_COMPLETED
ONE_GOOD = Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED
ALL_GOOD = Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED
UNKNOWN = Combinator.UNKNOWN


def tree(combinator, *completions, signals=(), names=(), nested=()) -> Future:
    return Future(tuple(completions), tuple(signals), tuple(names), tuple(nested), combinator)


def good(number: int) -> Completion:
    return Completion(CompletionKind.CALL, number, Value(b"v"))


def bad(number: int) -> Completion:
    return Completion(CompletionKind.CALL, number, Failure(500, "f"))


LEAVES = [
    (good(1), tree(ANY, 1), True),
    (good(2), tree(ANY, 1), False),
    (Signal(1, VOID), tree(ANY, signals=[1]), True),
    (Signal(1, VOID), tree(ANY, 1), False),
    (good(1), tree(ANY, signals=[1]), False),
    (Signal("1", VOID), tree(ANY, signals=[1]), False),
    (Signal("s", VOID), tree(ANY, names=["s"]), True),
    (Signal("t", VOID), tree(ANY, names=["s"]), False),
]


@pytest.mark.parametrize(("notification", "future", "hit"), LEAVES)
def test_a_leaf_is_hit_by_its_own_notification(notification, future, hit):
    left = settle(future, notification)
    assert isinstance(left, Settled) == hit
    if not hit:
        assert left == future


#: Combinator over leaves 1 and 2, what came, and how it came out (None: not yet).
FLAT = [
    (ANY, [good(1)], Settled.SUCCEEDED),
    (ANY, [bad(2)], Settled.FAILED),
    (UNKNOWN, [good(1)], Settled.UNCLEAR),
    (UNKNOWN, [bad(1)], Settled.UNCLEAR),
    (ALL, [good(1)], None),
    (ALL, [bad(1)], None),
    (ALL, [good(1), bad(2)], Settled.SUCCEEDED),
    (ONE_GOOD, [good(1)], Settled.SUCCEEDED),
    (ONE_GOOD, [bad(1)], None),
    (ONE_GOOD, [bad(1), good(2)], Settled.SUCCEEDED),
    (ONE_GOOD, [bad(1), bad(2)], Settled.FAILED),
    (ALL_GOOD, [good(1)], None),
    (ALL_GOOD, [bad(1)], Settled.FAILED),
    (ALL_GOOD, [good(1), bad(2)], Settled.FAILED),
    (ALL_GOOD, [good(1), good(2)], Settled.SUCCEEDED),
]


@pytest.mark.parametrize(("combinator", "came", "expected"), FLAT)
def test_each_combinator_over_leaves(combinator, came, expected):
    left = settle_stored(tree(combinator, 1, 2), came)
    if expected is None:
        assert left == tree(combinator, 2)
    else:
        assert left is expected


@pytest.mark.parametrize(("combinator", "came", "expected"), FLAT)
def test_each_combinator_over_nested_futures(combinator, came, expected):
    nested = tree(combinator, nested=[tree(ANY, 1), tree(ANY, 2)])
    left = settle_stored(nested, came)
    if expected is None:
        assert left == tree(combinator, nested=[tree(ANY, 2)])
    else:
        assert left is expected


@pytest.mark.parametrize(("combinator", "came", "expected"), FLAT)
def test_each_combinator_beside_a_cancel_signal_as_sdks_write_it(combinator, came, expected):
    awaited = tree(ANY, signals=[1], nested=[tree(combinator, 1, 2)])
    left = settle_stored(awaited, came)
    assert left == tree(ANY, signals=[1], nested=[tree(combinator, 2)]) or left is expected
    assert settle_stored(awaited, [Signal(1, VOID)]) is Settled.SUCCEEDED


@pytest.mark.parametrize("outer", [ANY, ONE_GOOD, ALL_GOOD])
def test_a_child_that_cannot_tell_wakes(outer):
    awaited = tree(outer, 9, nested=[tree(UNKNOWN, 1)])
    assert settle(awaited, good(1)) is Settled.UNCLEAR


def test_a_child_that_cannot_tell_counts_as_complete():
    awaited = tree(ALL, 9, nested=[tree(UNKNOWN, 1)])
    assert settle(awaited, good(1)) == tree(ALL, 9)


def test_all_of_mixed_children_wants_every_one():
    awaited = tree(ALL, 1, signals=[17], names=["s"], nested=[tree(ALL, 2, 3)])
    came = [good(1), Signal(17, VOID), Signal("s", VOID), good(2), bad(3)]
    for order in permutations(came):
        assert not isinstance(settle_stored(awaited, order[:-1]), Settled)
        assert settle_stored(awaited, order) is Settled.SUCCEEDED


def test_a_deep_failure_travels_up():
    awaited = tree(ALL_GOOD, 1, nested=[tree(ALL_GOOD, 2, nested=[tree(ONE_GOOD, 3, 4)])])
    left = settle(awaited, bad(3))
    assert not isinstance(left, Settled)
    assert settle(left, bad(4)) is Settled.FAILED


def test_one_notification_may_complete_several_leaves():
    awaited = tree(ALL, 1, nested=[tree(ANY, 1, 2), tree(ALL, 1, 3)])
    left = settle(awaited, good(1))
    assert left == tree(ALL, nested=[tree(ALL, 3)])


def test_what_settled_does_not_unsettle():
    """Later notifications play no part once the tree is decided."""
    assert settle_stored(tree(ANY, 1, 2), [bad(1), good(2)]) is Settled.FAILED


def tower(levels: int) -> Future:
    """Nest a future so many levels deep, each of which waits for a signal too."""
    future = tree(ANY, 1)
    for _ in range(levels - 1):
        future = tree(ALL, signals=[17], nested=[future])
    return future


@pytest.mark.parametrize("levels", [1, 2, 100, 101, LEVELS_MAX])
def test_a_tree_is_stored_in_a_record_and_read_again(levels):
    record = msgpack.encode(Suspended(awaited(tower(levels))))
    stored = msgpack.decode(record, type=Suspended).awaiting
    assert write_future(stored_tree(stored)) == write_future(tower(levels))
    assert isinstance(stored, bytes) == (levels > 100)


def test_a_deep_tree_is_settled_on_all_its_levels():
    stored = awaited(tower(LEVELS_MAX))
    left = settle_stored(stored, [Signal(17, VOID), Signal(18, VOID)])
    assert isinstance(left, bytes)
    assert len(left) < len(stored)
    assert settle_stored(left, [good(1)]) is Settled.SUCCEEDED
    left = settle_stored(stored, [good(1)])
    assert settle_stored(left, [Signal(17, VOID)]) is Settled.SUCCEEDED


def test_empty_is_what_nothing_can_wake():
    assert is_empty(Future())
    assert is_empty(tree(ALL, nested=[Future(), tree(ANY, nested=[Future()])]))
    assert not is_empty(tree(ALL, nested=[Future(), tree(ANY, nested=[tree(ANY, 1)])]))
    assert not is_empty(tree(ANY, signals=[1]))
    assert not is_empty(tree(ANY, names=["s"]))


_combinators = st.sampled_from([ANY, ALL, ONE_GOOD, ALL_GOOD])
_ids = st.lists(st.integers(1, 6), max_size=3, unique=True).map(tuple)
_futures = st.recursive(
    st.builds(Future, _ids.filter(bool), combinator=_combinators),
    lambda inner: st.builds(
        Future,
        _ids,
        nested=st.lists(inner, min_size=1, max_size=3).map(tuple),
        combinator=_combinators,
    ),
    max_leaves=6,
)


def decided(future: Future, came: list[tuple[int, bool]]) -> tuple[int, bool] | None:
    """Say from all that came when and how a future came out, None if it is open: the plain reading.

    When matters: a first completed child stays the first, whatever comes of the others later.
    """
    leaves = {number: (time, success) for time, (number, success) in enumerate(came)}
    children = [leaves.get(number) for number in future.completions]
    children += [decided(child, came) for child in future.nested]
    done = sorted((child for child in children if child is not None), key=lambda child: child[0])
    match future.combinator:
        case Combinator.ALL_COMPLETED:
            decisive = None
        case Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED:
            decisive = next((child for child in done if child[1]), None)
        case Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED:
            decisive = next((child for child in done if not child[1]), None)
        case _:
            return done[0] if done else None
    if decisive is not None or None in children:
        return decisive
    return done[-1][0], future.combinator is not Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED


@given(_futures, st.permutations(range(1, 7)), st.sets(st.integers(1, 6)))
def test_a_tree_settles_with_the_first_notification_that_decides_it(future, order, failing):
    left: Future | Settled = future
    came: list[tuple[int, bool]] = []
    for number in order:
        came.append((number, number not in failing))
        left = settle(left, bad(number) if number in failing else good(number))
        assert isinstance(left, Settled) == (decided(future, came) is not None)
        if isinstance(left, Settled):
            return


_came = st.lists(
    st.builds(
        lambda number, fails: bad(number) if fails else good(number),
        st.integers(1, 6),
        st.booleans(),
    ),
    max_size=8,
)


@given(_futures, _came)
def test_many_notifications_at_once_settle_as_one_after_the_other(future, came):
    left: Future | Settled = future
    for notification in came:
        if isinstance(left, Future):
            left = settle(left, notification)
    together = settle_stored(future, came)
    assert type(together) is type(left)
    if isinstance(left, Future):
        assert together == left


@pytest.mark.parametrize(
    ("future", "expected"),
    [
        (tree(ALL, *range(100)), True),
        (Future((), (1,), nested=(tree(ALL, *range(100)),)), True),
        (tree(ALL, *range(99)), False),
        (tree(ALL, *range(100), 99), False),
        (tree(ALL, *reversed(range(100))), False),
        (Future(tuple(range(100)), (2, 1)), False),
        (Future(tuple(range(100)), nested=(tree(ALL, 1, 1),)), False),
        (awaited(tower(LEVELS_MAX)), False),
    ],
)
def test_many_leaves_may_stand_in_order(future, expected):
    assert is_ordered(future) is expected


@given(st.permutations(range(1, 8)), st.sets(st.integers(1, 7)), _combinators, _combinators)
def test_ordered_leaves_settle_as_others_do(order, failing, outer, inner):
    leaves = tuple(range(2, 7))
    left: Future | Settled = Future(leaves, combinator=outer, nested=(tree(inner, *leaves),))
    swift = left
    for number in order:
        notification = bad(number) if number in failing else good(number)
        if isinstance(left, Future):
            left = settle(left, notification)
            swift = settle_stored(swift, [notification], ordered=True)
        assert swift == left


def test_many_leaves_that_come_at_once_are_settled_without_delay():
    count = 20_000
    began = time.process_time()
    left = settle_stored(tree(ALL, *range(count)), [good(number) for number in range(1, count)])
    # To look at what is left after each of them takes a minute.
    assert time.process_time() - began < 2
    assert left == tree(ALL, 0)
