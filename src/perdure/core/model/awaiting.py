"""What a suspended invocation waits for, and when it has it (service protocol 4.1 and 5.6).

A tree of futures is settled one notification at a time: leaves that are done are taken out, and
what is left is stored. Where the tree cannot tell success from failure it wakes the invocation,
which then looks for itself: waking early costs an attempt, waking never costs the invocation.

What encodes records and rows does so by recursion, for which the interpreter has no room in a deep
tree. Such a tree is stored as the bytes that it has on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Final

from msgspec.structs import replace

from perdure.protocol.messages import (
    Combinator,
    Completion,
    Failure,
    Future,
    Notification,
)
from perdure.protocol.trees import depth, fold
from perdure.protocol.wire_trees import parse_future, write_future

#: Trees up to this depth are stored as they are: the interpreter has room for several times that.
_PLAIN_LEVELS_MAX: Final = 100

#: A tree as it stands in records and rows: a deep one in bytes.
Awaited = Future | bytes


class Settled(Enum):
    """How a future came out."""

    SUCCEEDED = auto()
    FAILED = auto()
    #: It is done, and the tree does not say how.
    UNCLEAR = auto()


def awaited(future: Future) -> Awaited:
    """Give a tree as it is stored."""
    if not future.nested or depth(future) <= _PLAIN_LEVELS_MAX:
        return future
    return write_future(future)


def tree(stored: Awaited) -> Future:
    """Give a tree that was stored."""
    return parse_future(stored) if isinstance(stored, bytes) else stored


def settle(future: Future, notification: Notification) -> Future | Settled:
    """Give what is left to wait for after a notification, or how the future came out."""
    if not future.nested:
        if future.combinator is Combinator.FIRST_COMPLETED:  # nearly all of them
            return _outcome_of(notification) if _has_leaf(future, notification) else future
        return _settle_one(notification, future, ())
    return fold(future, lambda node, children: _settle_one(notification, node, children))


def settle_stored(stored: Awaited, notifications: Iterable[Notification]) -> Awaited | Settled:
    """Settle with several notifications, in order."""
    left = tree(stored)
    for notification in notifications:
        settled = settle(left, notification)
        if isinstance(settled, Settled):
            return settled
        left = settled
    return awaited(left)


def is_empty(future: Future) -> bool:
    """Tell whether a tree has no leaf: nothing could ever wake it."""
    current = [future]
    while current:
        node = current.pop()
        if node.completions or node.signals or node.named_signals:
            return False
        current.extend(node.nested)
    return True


def _settle_one(
    notification: Notification, future: Future, children: Sequence[Future | Settled]
) -> Future | Settled:
    """Settle a future whose children are settled."""
    outcomes: list[Settled] = []
    pruned = future
    if _has_leaf(future, notification):
        outcomes.append(_outcome_of(notification))
        pruned = _without_leaf(future, notification)
    nested: list[Future] = []
    for child in children:
        if isinstance(child, Settled):
            outcomes.append(child)
        else:
            nested.append(child)
    if not outcomes:
        return replace(future, nested=tuple(nested)) if nested else future
    return _combine(replace(pruned, nested=tuple(nested)), outcomes)


def _outcome_of(notification: Notification) -> Settled:
    return Settled.FAILED if type(notification.result) is Failure else Settled.SUCCEEDED


def _has_leaf(future: Future, notification: Notification) -> bool:
    """Tell whether this node has the leaf that a notification completes."""
    if isinstance(notification, Completion):
        return notification.completion_id in future.completions
    if isinstance(notification.signal, int):
        return notification.signal in future.signals
    return notification.signal in future.named_signals


def _without_leaf(future: Future, notification: Notification) -> Future:
    """Take out the leaf that a notification completes."""
    if isinstance(notification, Completion):
        found = notification.completion_id
        left = tuple(leaf for leaf in future.completions if leaf != found)
        return replace(future, completions=left)
    if isinstance(notification.signal, int):
        signals = tuple(leaf for leaf in future.signals if leaf != notification.signal)
        return replace(future, signals=signals)
    named = tuple(leaf for leaf in future.named_signals if leaf != notification.signal)
    return replace(future, named_signals=named)


def _combine(left: Future, outcomes: list[Settled]) -> Future | Settled:
    """Decide a node some of whose children just came out."""
    match left.combinator:
        case Combinator.FIRST_COMPLETED:
            return outcomes[0]
        case Combinator.UNKNOWN:
            return Settled.UNCLEAR
        case Combinator.ALL_COMPLETED:
            return Settled.SUCCEEDED if is_empty(left) else left
        case Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED:
            decisive, exhausted = Settled.SUCCEEDED, Settled.FAILED
        case Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED:
            decisive, exhausted = Settled.FAILED, Settled.SUCCEEDED
    for outcome in outcomes:
        if outcome is decisive or outcome is Settled.UNCLEAR:
            return outcome
    return exhausted if is_empty(left) else left
