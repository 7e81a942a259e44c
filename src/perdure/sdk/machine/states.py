"""The states of an attempt, with the data that exists only in them.

There is one machine an attempt, and it goes one way::

       ┌──────────────────────►
    Waiting ──► Replaying ──► Processing ──► Closed
       └───────────┴──────────────┴────────────►

**Waiting** for the journal: user code must not run before all of it is there, because what the
handler may see next depends on notifications that can stand anywhere in it.

**Replaying** while commands of the journal are left that the handler has not repeated yet, beyond
the input, which is only read. What it issues must match them, one after the other, and is not sent.
The state ends with the last *command*: notifications may well be unread then. They wait in a queue
of their own that all states share, since results are handed over strictly in the journal's order
and one at a time, whether they came with the journal or just now. That order is all that makes a
race repeatable: the handler goes as far as it can, is given one result, goes as far as it can, and
so on, in every attempt.

**Processing**: what the handler issues is new and goes to the server. ``fresh`` tells that nothing
new was issued yet, so that a failure of the last replayed command repeats an earlier one, and
counts with it (service protocol 7.4).

**Closed** once a terminal message was written, or the attempt was aborted. Exactly one terminal
message is ever written; whatever comes later is ignored, and whoever issues anything is told to
stop by an exception that user code does not catch by accident.

What is not a state: whether the server's input is closed. It may close in any state, and matters
only in the moment when the handler cannot go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from msgspec import Struct, field

from perdure.protocol.messages import Command


class Waiting(Struct):
    """For Start, then for as many journal entries as it announces."""

    #: Entries still to come; none before Start, which announces at least the input.
    missing: int = 0
    commands: deque[Command] = field(default_factory=deque)


class Replaying(Struct):
    """Commands of earlier attempts that the handler has still to repeat; never empty."""

    commands: deque[Command]


class Processing(Struct):
    """Past the journal; ``fresh`` until the first new command is written."""

    fresh: bool = True


class Ending(Enum):
    """How an attempt came to its end."""

    ENDED = auto()
    SUSPENDED = auto()
    FAILED = auto()
    ABORTED = auto()


class Closed(Struct):
    """Over; nothing is said any more."""

    ending: Ending


State = Waiting | Replaying | Processing | Closed

LEGAL: Final[Mapping[type[State], frozenset[type[State]]]] = {
    Waiting: frozenset({Replaying, Processing, Closed}),
    Replaying: frozenset({Processing, Closed}),
    Processing: frozenset({Closed}),
    Closed: frozenset(),
}
