"""Walks over trees of futures, which may be deeper than the interpreter lets calls nest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from perdure.protocol.values import Future

_T = TypeVar("_T")

#: So many levels of futures may nest; protocol version 7 has the number.
LEVELS_MAX: Final = 1000


def fold(future: Future, visit: Callable[[Future, Sequence[_T]], _T]) -> _T:
    """Work a tree out from its leaves to its root.

    Args:
        future: the root.
        visit: is called with each future and with what its children came to, in their order.
    """
    for child in future.nested:
        if child.nested:
            return _fold_deep(future, visit)
    return visit(future, [visit(child, ()) for child in future.nested])


def _fold_deep(future: Future, visit: Callable[[Future, Sequence[_T]], _T]) -> _T:
    line = [(future, -1)]
    # The line grows while it is walked: parents come to stand before their children.
    for place, (node, _) in enumerate(line):
        line.extend([(child, place) for child in node.nested])
    came: list[list[_T]] = [[] for _ in line]
    for place in range(len(line) - 1, 0, -1):
        node, parent = line[place]
        children = came[place]
        children.reverse()
        came[parent].append(visit(node, children))
    came[0].reverse()
    return visit(future, came[0])


def depth(future: Future) -> int:
    """Count the levels of a tree."""
    levels, level = 1, future.nested
    while level:
        levels += 1
        level = tuple([child for parent in level for child in parent.nested])
    return levels
