"""What a suspended invocation waits for, and when it has it (service protocol 4.1 and 5.6).

A tree of futures is settled one notification at a time: leaves that are done are taken out, and
what is left is stored. Where the tree cannot tell success from failure it wakes the invocation,
which then looks for itself: waking early costs an attempt, waking never costs the invocation.

What encodes records and rows does so by recursion, for which the interpreter has no room in a deep
tree. Such a tree is stored as the bytes that it has on the wire.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping, Sequence
from enum import Enum, auto
from operator import ge, itemgetter
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from perdure.protocol.messages import (
    SIGNAL_CANCEL,
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

#: Members of an enum are slow to reach before Python 3.12: looked up once for all trees.
_FIRST_COMPLETED: Final = Combinator.FIRST_COMPLETED

#: Nodes that wait for each of their leaves and children, as long as none fails.
_ALL: Final = frozenset({Combinator.ALL_COMPLETED, Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED})

#: So many leaves of a node are not looked through for each one that comes.
_MANY: Final = 100

#: A tree as it stands in records and rows: a deep one in bytes.
Awaited = Future | bytes


class Settled(Enum):
    """How a future came out."""

    SUCCEEDED = auto()
    FAILED = auto()
    #: It is done, and the tree does not say how.
    UNCLEAR = auto()


#: When something came out, counted in notifications, and how.
Event = tuple[int, Settled]

_L = TypeVar("_L", int, str)
_moment: Final = itemgetter(0)


class Came(Struct, frozen=True):
    """What has come out, by the leaves that stand for it."""

    #: Whether the leaves of each node ascend, so that none stands there twice.
    ordered: bool
    completions: dict[int, Event]
    signals: dict[int, Event]
    named_signals: dict[str, Event]

    def add(self, notification: Notification, event: Event) -> None:
        """Note what a notification brought; the first one for a leaf counts."""
        if isinstance(notification, Completion):
            self.completions.setdefault(notification.completion_id, event)
        elif isinstance(notification.signal, int):
            self.signals.setdefault(notification.signal, event)
        else:
            self.named_signals.setdefault(notification.signal, event)


def awaited(future: Future) -> Awaited:
    """Give a tree as it is stored."""
    if not future.nested or depth(future) <= _PLAIN_LEVELS_MAX:
        return future
    return write_future(future)


def tree(stored: Awaited) -> Future:
    """Give a tree that was stored."""
    return parse_future(stored) if isinstance(stored, bytes) else stored


def settle(
    future: Future, notification: Notification, *, ordered: bool = False
) -> Future | Settled:
    """Give what is left to wait for after a notification, or how the future came out."""
    if future.combinator is _FIRST_COMPLETED and not future.nested:  # nearly all of them
        return _outcome_of(notification) if _has_leaf(future, notification) else future
    return _settle(future, [notification], ordered=ordered)


def settle_stored(
    stored: Awaited, notifications: Iterable[Notification], *, ordered: bool = False
) -> Awaited | Settled:
    """Settle with several notifications, in order; of an ordered tree see :func:`is_ordered`."""
    came = list(notifications)
    if not came:
        return stored
    left = tree(stored)
    if len(came) == 1:
        settled = settle(left, came[0], ordered=ordered)
    else:
        settled = _settle(left, came, ordered=ordered)
    return settled if isinstance(settled, Settled) else awaited(settled)


def is_ordered(stored: Awaited) -> bool:
    """Tell whether a tree has many leaves, those of each node in ascending order."""
    if isinstance(stored, bytes):
        return False
    nodes = [stored]
    for node in nodes:  # which grow while they are walked
        nodes += node.nested
    rows = [leaves for node in nodes for leaves in (node.completions, node.signals)]
    if max(map(len, rows)) < _MANY:
        return False
    return not any(any(map(ge, leaves, leaves[1:])) for leaves in rows)


def is_empty(future: Future) -> bool:
    """Tell whether a tree has no leaf: nothing could ever wake it."""
    current = [future]
    while current:
        node = current.pop()
        if node.completions or node.signals or node.named_signals:
            return False
        current.extend(node.nested)
    return True


def needs(future: Future, completions: Container[int]) -> bool:
    """Tell whether a tree cannot come out without any of these completions, unless cancelled."""
    return not _can_settle(future, without=completions) and _can_settle(future, without=())


def _can_settle(future: Future, *, without: Container[int]) -> bool:
    def can(node: Future, children: Sequence[bool]) -> bool:
        leaves = [leaf not in without for leaf in node.completions]
        leaves += [True for signal in node.signals if signal != SIGNAL_CANCEL]
        leaves += [True for _ in node.named_signals]
        return (all if node.combinator in _ALL else any)([*leaves, *children])

    return fold(future, can)


def _settle(
    future: Future, notifications: Sequence[Notification], *, ordered: bool
) -> Future | Settled:
    """Settle with all at once, as if they came one by one: each may settle but a few of many."""
    came = Came(ordered, {}, {}, {})
    for moment, notification in enumerate(notifications):
        came.add(notification, (moment, _outcome_of(notification)))
    left = fold(future, lambda node, children: _settle_node(node, children, came))
    return left if isinstance(left, Future) else left[1]


def _outcome_of(notification: Notification) -> Settled:
    return Settled.FAILED if type(notification.result) is Failure else Settled.SUCCEEDED


def _has_leaf(future: Future, notification: Notification) -> bool:
    """Tell whether this node has the leaf that a notification completes."""
    if isinstance(notification, Completion):
        return notification.completion_id in future.completions
    if isinstance(notification.signal, int):
        return notification.signal in future.signals
    return notification.signal in future.named_signals


def _settle_node(future: Future, children: Sequence[Future | Event], came: Came) -> Future | Event:
    """Settle a future whose children are settled."""
    events: list[Event] = []
    left = replace(
        future,
        completions=_without(future.completions, came.completions, events, ordered=came.ordered),
        signals=_without(future.signals, came.signals, events, ordered=came.ordered),
        named_signals=_without(future.named_signals, came.named_signals, events),
        nested=tuple([child for child in children if isinstance(child, Future)]),
    )
    events += [child for child in children if not isinstance(child, Future)]
    if not events:
        return left
    # Of what one notification brings, the leaf comes before the children, and these in their order.
    events.sort(key=_moment)
    return _combine(left, events)


def _without(
    leaves: tuple[_L, ...],
    came: Mapping[_L, Event],
    events: list[Event],
    *,
    ordered: bool = False,
) -> tuple[_L, ...]:
    """Take out the leaves that came, and add to the events what they brought."""
    if not leaves or not came:
        return leaves
    if ordered and len(came) == 1:  # of many thousands, one after the other is taken out
        [(leaf, event)] = came.items()
        place = bisect_left(leaves, leaf)
        if place == len(leaves) or leaves[place] != leaf:
            return leaves
        events.append(event)
        return leaves[:place] + leaves[place + 1 :]
    events += [came[leaf] for leaf in leaves if leaf in came]
    return tuple([leaf for leaf in leaves if leaf not in came])


def _combine(left: Future, events: list[Event]) -> Future | Event:
    """Decide a node some of whose children came out, in the order of these events."""
    match left.combinator:
        case Combinator.FIRST_COMPLETED:
            return events[0]
        case Combinator.UNKNOWN:
            return events[0][0], Settled.UNCLEAR
        case Combinator.ALL_COMPLETED:
            return (events[-1][0], Settled.SUCCEEDED) if is_empty(left) else left
        case Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED:
            decisive, exhausted = Settled.SUCCEEDED, Settled.FAILED
        case Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED:
            decisive, exhausted = Settled.FAILED, Settled.SUCCEEDED
    for event in events:
        if event[1] is decisive or event[1] is Settled.UNCLEAR:
            return event
    return (events[-1][0], exhausted) if is_empty(left) else left
