"""Walks over trees of futures: in order, and deeper than calls may nest."""

from __future__ import annotations

import pytest

from perdure.protocol.messages import Future
from perdure.protocol.trees import depth, fold

LEAF = Future((1,))


def wide(*nested: Future, number: int = 0) -> Future:
    return Future((number,), nested=nested)


def tower(levels: int) -> Future:
    future = LEAF
    for _ in range(levels - 1):
        future = Future(nested=(future,))
    return future


@pytest.mark.parametrize(
    ("future", "levels"),
    [
        (LEAF, 1),
        (wide(LEAF, LEAF), 2),
        (wide(LEAF, wide(wide(LEAF)), LEAF), 4),
        (tower(5000), 5000),
    ],
)
def test_depth_counts_levels(future, levels):
    assert depth(future) == levels


def as_text(future: Future, children) -> str:
    return f"{future.completions[0]}({' '.join(children)})"


@pytest.mark.parametrize(
    ("future", "text"),
    [
        (LEAF, "1()"),
        (wide(wide(number=2), wide(number=3)), "0(2() 3())"),
        (
            wide(wide(wide(number=4), wide(number=5), number=2), wide(wide(number=6), number=3)),
            "0(2(4() 5()) 3(6()))",
        ),
    ],
)
def test_children_come_before_their_parents_and_in_their_order(future, text):
    assert fold(future, as_text) == text


def test_a_walk_goes_deeper_than_calls_may_nest():
    assert fold(tower(5000), lambda _, children: 1 + max(children, default=0)) == 5000
