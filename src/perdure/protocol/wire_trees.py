"""Trees of futures on the wire, written and read level by level.

The protobuf library reads a hundred messages within each other, and the protocol allows a thousand.
To the library a nested future is bytes, therefore, and what these bytes are is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from perdure.protocol.schema import CLASSES
from perdure.protocol.trees import LEVELS_MAX, depth, fold
from perdure.protocol.values import Combinator, Future

#: Bytes that reading one tree may take: each level is copied out of the one above it. A future
#: counts as so many bytes at least, for what it costs by itself. Both together are what a thread
#: that serves others can spare.
_BYTES_READ_MAX: Final = 64 * 1024 * 1024
_FUTURE_BYTES_MIN: Final = 2048

_COMBINATORS: Final = tuple(Combinator)
_FUTURE: Final = CLASSES["Future"]


class TooDeepTreeError(ValueError):
    """A tree of futures is too deep, or too large, to travel."""


def future_fields(future: Future) -> dict[str, Any]:
    """Write a tree of what is waited for, as the fields of its root.

    Raises:
        TooDeepTreeError: it has too many levels.
        ValueError, TypeError: it holds what cannot travel.
    """
    if not future.nested:
        return _fields(future, ())
    if depth(future) > LEVELS_MAX:
        raise TooDeepTreeError(f"futures nest deeper than {LEVELS_MAX} levels; flatten them")
    return _fields(future, [fold(child, _written) for child in future.nested])


def read_future(pb: Any) -> Future:
    """Read a tree of what is waited for; a combinator that is not known is UNKNOWN.

    Raises:
        TooDeepTreeError: it has too many levels, or is too large.
        google.protobuf.message.DecodeError: a nested future is none.
    """
    nested = pb.nested
    if not nested:
        return _future(pb, ())
    if len(nested) == 1 and not (child := _FUTURE.FromString(nested[0])).nested:
        return _future(pb, (_future(child, ()),))
    line = _line(pb)
    came: list[list[Future]] = [[] for _ in line]
    for place in range(len(line) - 1, 0, -1):
        node, parent = line[place]
        came[parent].append(_future(node, came[place]))
    return _future(pb, came[0])


def write_future(future: Future) -> bytes:
    """Write a tree by itself.

    Raises:
        TooDeepTreeError: it has too many levels.
    """
    written: bytes = _FUTURE(**future_fields(future)).SerializeToString()
    return written


def parse_future(data: bytes) -> Future:
    """Read a tree that was written by itself.

    Raises:
        TooDeepTreeError: it has too many levels, or is too large.
        google.protobuf.message.DecodeError: this is no tree.
    """
    return read_future(_FUTURE.FromString(data))


def _line(pb: Any) -> list[tuple[Any, int]]:
    """Parse all futures of a tree; each stands behind its parent, whose place it knows."""
    line = [(pb, -1)]
    parse, left, begin = _FUTURE.FromString, _BYTES_READ_MAX, 0
    for _ in range(LEVELS_MAX):
        end = len(line)
        for place in range(begin, end):
            nested = line[place][0].nested
            left -= len(nested) * _FUTURE_BYTES_MIN
            if left < 0 or (left := left - sum(map(len, nested))) < 0:
                raise TooDeepTreeError("futures nest too deep, and hold too much; flatten them")
            line.extend([(parse(data), place) for data in nested])
        if len(line) == end:
            return line
        begin = end
    raise TooDeepTreeError(f"futures nest deeper than {LEVELS_MAX} levels; flatten them")


def _written(future: Future, nested: Sequence[bytes]) -> bytes:
    written: bytes = _FUTURE(**_fields(future, nested)).SerializeToString()
    return written


def _fields(future: Future, nested: Sequence[bytes]) -> dict[str, Any]:
    fields: dict[str, Any] = {"combinator": future.combinator}
    # What is not said is empty, and costs nothing.
    if future.completions:
        fields["completions"] = future.completions
    if future.signals:
        fields["signals"] = future.signals
    if future.named_signals:
        fields["named_signals"] = future.named_signals
    if nested:
        fields["nested"] = nested
    return fields


def _future(pb: Any, nested: Sequence[Future]) -> Future:
    """Make a future of what was parsed; its children come last child first."""
    combinator = pb.combinator
    known = combinator < len(_COMBINATORS)
    return Future(
        completions=tuple(pb.completions),
        signals=tuple(pb.signals),
        named_signals=tuple(pb.named_signals),
        nested=tuple(nested[::-1]),
        combinator=_COMBINATORS[combinator] if known else Combinator.UNKNOWN,
    )
