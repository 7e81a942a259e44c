"""Handles: by what name the machine and its shell know the thing that a notification answers.

A completion's handle is its id (1, 2, ...). A signal's is the negated index: -1 is the request to
cancel, -17 the first awakeable. A named signal may be waited for several times: its handle is the
name with a running number, and the n-th arrival answers the n-th request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from perdure.protocol.messages import SIGNAL_CANCEL, Combinator, Future

_T = TypeVar("_T")

Handle = int | tuple[str, int]

#: The request to cancel this invocation.
CANCEL: Final = -SIGNAL_CANCEL


def awaited(leaves: Iterable[Handle], together: Iterable[Sequence[Handle]] = ()) -> Future:
    """Say what an attempt waits for: any leaf, a group that completed, or a cancellation.

    Args:
        leaves: handles of which one is enough.
        together: groups of handles that are waited for all at once.
    """
    nested = tuple(_future(group, Combinator.ALL_COMPLETED) for group in together)
    return _future([*leaves, CANCEL], Combinator.FIRST_COMPLETED, nested)


def flat(future: Future) -> Future:
    """Bring a tree into the one form there is before version 7: wake on any of the leaves."""
    if not future.nested:
        return future
    parts = [flat(child) for child in future.nested]
    return Future(
        completions=_joined(future.completions, *(part.completions for part in parts)),
        signals=_joined(future.signals, *(part.signals for part in parts)),
        named_signals=_joined(future.named_signals, *(part.named_signals for part in parts)),
    )


def _future(
    handles: Iterable[Handle], combinator: Combinator, nested: tuple[Future, ...] = ()
) -> Future:
    completions: list[int] = []
    signals: list[int] = []
    named: list[str] = []
    for handle in handles:
        if isinstance(handle, tuple):
            named.append(handle[0])
        elif handle > 0:
            completions.append(handle)
        else:
            signals.append(-handle)
    return Future(tuple(completions), tuple(signals), tuple(named), nested, combinator)


def _joined(*parts: tuple[_T, ...]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(item for part in parts for item in part))
