"""All tables of a partition, and the one flush that writes their changes.

| tag | table | key | row |
|---|---|---|---|
| ``i`` | invocations | invocation id | :class:`~perdure.core.model.invocations.Invocation` |
| ``j`` | journals | invocation id, index | :class:`~perdure.core.model.journals.JournalEntry` |
| ``c`` | callers | invocation id, its caller | :data:`FurtherCaller` |
| ``v`` | events | invocation id, number | :class:`~perdure.core.model.events.Event` |
| ``s`` | states | object key, state key | the value |
| ``l`` | locks | object key | :class:`Lock` |
| ``q`` | lines | object key, place | id of the invocation that waits there |
| ``u`` | mutations | object key, place | :class:`~perdure.core.model.mutations.Mutation` |
| ``n`` | listeners | object key, length and name of a promise, who waits | :data:`FurtherCaller` |
| ``p`` | promises | object key, name | :data:`~perdure.core.model.promises.Promise` |
| ``t`` | timers | see :func:`~perdure.core.tables.keys.timer_key` | nothing |
| ``r`` | running | invocation id | nothing |
| ``w`` | parked | id of an invocation that is suspended or paused | nothing |
| ``e`` | expiries | see :func:`~perdure.core.tables.keys.expiry_key` | nothing |
| ``o`` | outbox | partition, number | :data:`~perdure.core.model.records.Message` |
| ``m`` | facts | name | a number |

What waits stands in a table from which recovery rebuilds its waker (invariant I6): ``running`` for
attempts, ``timers`` for what is due, ``lines`` and ``mutations`` behind ``locks``, ``expiries`` for
retention, ``outbox`` for what other partitions have not taken. ``parked`` is for those who ask:
with it, whatever has not ended stands in a table that holds nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from perdure.core.model.events import Event
from perdure.core.model.invocations import FurtherCaller, Invocation
from perdure.core.model.journals import JournalEntry
from perdure.core.model.mutations import Mutation
from perdure.core.model.promises import Promise
from perdure.core.model.records import Message
from perdure.core.tables.changes import (
    Change,
    FrontTable,
    Gathered,
    Reader,
    RowTable,
)
from perdure.core.tables.groups import GroupTable
from perdure.core.tables.recent import Recent, Remembering
from perdure.core.tables.small_groups import SmallGroups
from perdure.protocol.ids import InvocationId

#: Name of the fact that holds the newest leader's epoch.
EPOCH: Final = b"epoch"
#: Name of the fact that holds how many attempts there have been.
ATTEMPTS: Final = b"attempts"
#: Names of facts, each followed by the number of another partition: of the messages between it and
#: this one, the last that was numbered here, that it has taken, and that was taken here.
SENT: Final = b"sent"
SHIPPED: Final = b"shipped"
TAKEN: Final = b"taken"


class Lock(Struct, frozen=True, array_like=True, gc=False):
    """Who holds an exclusive key, and the places in its line: from ``head``, before ``tail``.

    Places are given out in order of arrival, to invocations and to mutations; a place whose
    invocation was cancelled is empty.
    """

    holder: InvocationId
    head: int = 0
    tail: int = 0


class Tables:
    """The tables, over what the store holds."""

    def __init__(self, store: Reader) -> None:
        reader = self._recent = Recent(store)
        encode = msgspec.msgpack.Encoder().encode

        def decoder(row_type: Any) -> Callable[[bytes], Any]:
            return msgspec.msgpack.Decoder(row_type).decode

        self.invocations: RowTable[Invocation] = RowTable(reader, b"i", encode, decoder(Invocation))
        self.journals: GroupTable[JournalEntry] = GroupTable(
            reader, b"j", encode, decoder(JournalEntry)
        )
        self.callers: GroupTable[FurtherCaller] = GroupTable(
            reader, b"c", encode, decoder(FurtherCaller)
        )
        self.events: GroupTable[Event] = GroupTable(reader, b"v", encode, decoder(Event))
        self.states = SmallGroups(reader, b"s", bytes, bytes)
        self.locks: RowTable[Lock] = RowTable(reader, b"l", encode, decoder(Lock))
        self.lines: RowTable[bytes] = RowTable(reader, b"q", bytes, bytes)
        self.mutations: RowTable[Mutation] = RowTable(reader, b"u", encode, decoder(Mutation))
        self.listeners: GroupTable[FurtherCaller] = GroupTable(
            reader, b"n", encode, decoder(FurtherCaller)
        )
        self.promises: GroupTable[Promise] = GroupTable(reader, b"p", encode, decoder(Promise))
        self.timers: RowTable[bytes] = RowTable(reader, b"t", bytes, bytes)
        self.running: RowTable[bytes] = RowTable(reader, b"r", bytes, bytes)
        self.parked: RowTable[bytes] = RowTable(reader, b"w", bytes, bytes)
        self.expiries: FrontTable[bytes] = FrontTable(reader, b"e", bytes, bytes)
        self.outbox: RowTable[Message] = RowTable(reader, b"o", encode, decoder(Message))
        self.facts: RowTable[int] = RowTable(reader, b"m", encode, decoder(int))
        self._rows = (
            self.invocations,
            self.locks,
            self.lines,
            self.mutations,
            self.timers,
            self.running,
            self.parked,
            self.expiries,
            self.outbox,
            self.facts,
        )
        self._groups = (
            self.journals,
            self.callers,
            self.events,
            self.states,
            self.listeners,
            self.promises,
        )
        #: Of these nobody asks for one row that was written, or they remember it themselves.
        self._unremembered = (self.running, self.parked, self.expiries, self.states)
        self._encode = encode
        self._ahead: dict[int, tuple[object, bytes]] = {}

    @property
    def changed(self) -> int:
        """How many rows a flush would write, roughly: of the tables that every call is in."""
        return (
            len(self.invocations.changed)
            + len(self.timers.changed)
            + len(self.running.changed)
            + len(self.parked.changed)
            + len(self.expiries.changed)
            + self.journals.count
            + self.states.count
        )

    def encode_ahead(self, bytes_min: int) -> Iterator[tuple[bytes, bytes]]:
        """Encode the long ones of the rows that changed, one a step, and give keys and values.

        The flush, which may come at any time, gives the very same values for those rows that have
        not changed again by then.
        """
        tables = (
            self.invocations,
            self.mutations,
            self.outbox,
            self.journals,
            self.states,
            self.promises,
        )
        rows = [row for table in tables for row in table.rows_changed()]
        ahead = self._ahead
        for key, row in rows:
            if id(row) in ahead:
                continue
            value = row if isinstance(row, bytes) else self._encode(row)
            if len(value) >= bytes_min:
                ahead[id(row)] = row, value
                yield key, value

    def flush(self) -> list[Change]:
        """Give what changed since the last flush, for one atomic write to the store."""
        changes: list[Change] = []
        for _ in self.gather(changes):
            pass
        self.written()
        return changes

    def gather(self, changes: Gathered) -> Iterator[None]:
        """Add what changed since the last flush to ``changes``, some rows a step.

        Rows can be read between two steps, but not written; :meth:`written` comes next.
        """
        ahead, self._ahead = self._ahead, {}
        remembering = Remembering(changes, self._recent)
        for table in (*self._rows, *self._groups):
            if table.changed:
                forgetting = table in self._unremembered
                yield from table.gather(changes if forgetting else remembering, ahead)

    def written(self) -> None:
        """Begin anew: the store has all that was gathered."""
        for table in (*self._rows, *self._groups):
            if table.changed:
                table.written()
