"""``sys_journal`` and ``sys_journal_events``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from perdure.core.model.deployments import Registry
from perdure.core.model.events import Event, TransientError
from perdure.core.model.journals import JournalEntry
from perdure.engine.moment import Moment
from perdure.protocol import messages, wire
from perdure.protocol.ids import INVOCATION_ID_SIZE, InvocationId, invocation_text
from perdure.protocol.versions import PROTOCOL_VERSION_MAX
from perdure.query.columns import (
    Column,
    Kind,
    Reader,
    Table,
    Wanted,
    always_null,
    fields_of,
)
from perdure.query.entries import entry_document, entry_name, entry_type, lite_document
from perdure.query.partial import decoder
from perdure.query.reading import Stored, pages, wanted_ids, wanted_partitions
from perdure.query.texts import json_text, problem_document

#: Where the invocation's id ends in a key, behind the table's tag.
_ID_END: Final = 1 + INVOCATION_ID_SIZE
#: Version of the journal's format, as clients know it: commands and notifications.
_JOURNAL_VERSION: Final = 2


class EntryRow(Struct, frozen=True, gc=False):
    """An entry of a journal."""

    id: InvocationId
    index: int
    entry: JournalEntry
    registry: Registry


class EventRow(Struct, frozen=True, gc=False):
    """An event beside a journal."""

    id: InvocationId
    event: Event


def _prefixes(wanted: Wanted) -> Iterable[bytes]:
    ids = wanted_ids(wanted)
    return wanted_partitions(wanted, "") if ids is None else ids


def _find_entries(moment: Moment, wanted: Wanted) -> Iterator[list[Stored]]:
    return pages(moment.view, b"j", _prefixes(wanted))


def _entry_reader(moment: Moment, columns: Sequence[Column]) -> Reader:
    decode, registry = decoder(JournalEntry, fields_of(columns)), moment.registry

    def read(found: Sequence[Stored]) -> list[EntryRow]:
        return [
            EntryRow(
                InvocationId(key[1:_ID_END]),
                int.from_bytes(key[_ID_END:], "big"),
                decode(value),
                registry,
            )
            for key, value in found
        ]

    return read


def _find_events(moment: Moment, wanted: Wanted) -> Iterator[list[Stored]]:
    return pages(moment.view, b"v", _prefixes(wanted))


def _event_reader(_moment: Moment, columns: Sequence[Column]) -> Reader:
    decode = decoder(Event, fields_of(columns))
    return lambda found: [
        EventRow(InvocationId(key[1:_ID_END]), decode(value)) for key, value in found
    ]


def _partition_key(row: EntryRow | EventRow) -> int:
    return int.from_bytes(row.id[:8], "big")


def _raw(row: EntryRow) -> bytes:
    """Give the message as it would travel, without its frame's header."""
    return wire.encode(row.entry.message, PROTOCOL_VERSION_MAX)[8:]


def _promise_name(row: EntryRow) -> str | None:
    match row.entry.message:
        case (
            messages.GetPromise(key=key)
            | messages.PeekPromise(key=key)
            | messages.CompletePromise(key=key)
        ):
            return key
        case _:
            return None


def _invoked_id(row: EntryRow) -> str | None:
    callee = row.entry.callee
    return None if callee is None else invocation_text(callee)


def _invoked_target(row: EntryRow) -> str | None:
    match row.entry.message:
        case messages.Call() | messages.OneWayCall() as call:
            middle = f"/{call.key}" if call.key else ""
            return f"{call.service_name}{middle}/{call.handler_name}"
        case _:
            return None


def _wakes_at(row: EntryRow) -> int | None:
    message = row.entry.message
    return message.wake_up_time if isinstance(message, messages.Sleep) else None


def _event_document(row: EventRow) -> dict[str, Any]:
    happening = row.event.happening
    if isinstance(happening, TransientError):
        return {"ty": "TransientError", **problem_document(happening.problem)}
    if happening.problem is None:
        return {"ty": "Paused"}
    return {"ty": "Paused", "last_failure": problem_document(happening.problem)}


_PARTITION: Final = Column(
    "partition_key", Kind.UINT64, "The shard that the invocation belongs to", _partition_key, ()
)
_ID: Final = Column("id", Kind.TEXT, "The invocation's id", lambda row: invocation_text(row.id), ())

JOURNAL: Final = Table(
    "sys_journal",
    "Entries of journals: what handlers did, and what they were told.",
    (
        _PARTITION,
        _ID,
        Column("index", Kind.UINT32, "Its place in the journal", lambda row: row.index, ()),
        Column(
            "entry_type",
            Kind.TEXT,
            "`Command: …` or `Notification: …`",
            lambda row: entry_type(row.entry),
            ("message",),
        ),
        Column(
            "name",
            Kind.TEXT,
            "The name that the handler gave a command",
            lambda row: entry_name(row.entry),
            ("message",),
        ),
        Column("completed", Kind.BOOLEAN, "Of an older journal format", always_null),
        Column("invoked_id", Kind.TEXT, "The invocation that a call made", _invoked_id),
        Column("invoked_target", Kind.TEXT, "What a call called", _invoked_target),
        Column("sleep_wakeup_at", Kind.INSTANT, "When a sleep ends", _wakes_at),
        Column("promise_name", Kind.TEXT, "The promise that is used", _promise_name),
        Column("raw", Kind.BYTES, "The entry as the service protocol writes it", _raw),
        Column("raw_length", Kind.UINT64, "Length of that, in bytes", lambda row: len(_raw(row))),
        Column(
            "version",
            Kind.UINT32,
            "Version of the journal's format",
            lambda _row: _JOURNAL_VERSION,
        ),
        Column(
            "entry_json",
            Kind.TEXT,
            "The entry as JSON; payloads are lists of bytes",
            lambda row: json_text(entry_document(row.entry, row.registry)),
        ),
        Column(
            "entry_lite_json",
            Kind.TEXT,
            "The entry as JSON, without payloads",
            lambda row: json_text(lite_document(row.entry, row.registry)),
        ),
        Column(
            "appended_at",
            Kind.INSTANT,
            "When it was written",
            lambda row: row.entry.appended_at,
            ("appended_at",),
        ),
    ),
    _find_entries,
    _entry_reader,
)

JOURNAL_EVENTS: Final = Table(
    "sys_journal_events",
    "What happened beside journals. What happens again in the same way is there once.",
    (
        _PARTITION,
        _ID,
        Column(
            "after_journal_entry_index",
            Kind.UINT32,
            "The journal's last entry when it happened",
            lambda row: row.event.after_index,
        ),
        Column("appended_at", Kind.INSTANT, "When it happened", lambda row: row.event.appended_at),
        Column(
            "event_type",
            Kind.TEXT,
            "`TransientError` or `Paused`",
            lambda row: type(row.event.happening).__name__,
        ),
        Column(
            "event_json",
            Kind.TEXT,
            "What happened, as JSON",
            lambda row: json_text(_event_document(row)),
        ),
    ),
    _find_events,
    _event_reader,
)
