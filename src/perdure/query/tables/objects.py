"""What belongs to keys: state, promises, locks and the lines behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from typing import Any, Final

import msgspec
from msgspec import Struct

from perdure.core.model.invocations import Invocation
from perdure.core.model.mutations import Mutation
from perdure.core.model.promises import Promise, Settled
from perdure.core.tables.keys import parse_object_key
from perdure.core.tables.tables import Lock
from perdure.engine.moment import Moment
from perdure.protocol.ids import InvocationId, invocation_text, mutation_text
from perdure.protocol.messages import Failure, Value
from perdure.query.columns import Column, Kind, Reader, Table, Wanted, always_null, sliced
from perdure.query.partial import decoder
from perdure.query.reading import Stored, pages, scan, text, wanted_objects
from perdure.query.texts import failure_text

_LOCK: Final = msgspec.msgpack.Decoder(Lock).decode
_PROMISE: Final = msgspec.msgpack.Decoder(Promise).decode
_MUTATION: Final = msgspec.msgpack.Decoder(Mutation).decode
_CREATED: Final = decoder(Invocation, frozenset({"created_at"}))


class ObjectRow(Struct, frozen=True, gc=False):
    """A row under a service and key; ``rest`` is what follows these in its key."""

    partition_key: int
    service: str
    key: str
    rest: bytes
    value: Any


class Waiting(Struct, frozen=True, gc=False):
    """Who stands in line, and since when."""

    id: str
    created_at: int | None


def _row(keyed: tuple[bytes, Any]) -> ObjectRow:
    key, value = keyed
    partition_key, service, name, rest = parse_object_key(key[1:])
    return ObjectRow(partition_key, service, name, rest, value)


def _found_in(tag: bytes) -> Callable[[Moment, Wanted], Iterator[list[Stored]]]:
    """Make what finds the rows of a table."""
    return lambda moment, wanted: pages(moment.view, tag, wanted_objects(wanted))


def _decoded_by(decode: Callable[[bytes], Any]) -> Callable[[Moment, Sequence[Column]], Reader]:
    """Make what reads the rows of a table."""

    def read(found: Sequence[Stored]) -> list[ObjectRow]:
        return [_row((key, decode(value))) for key, value in found]

    return lambda _moment, _columns: read


def _lines(moment: Moment, wanted: Wanted) -> Iterator[list[ObjectRow]]:
    """Give who stands in line: invocations, and among them changes of state from outside."""
    view, objects = moment.view, wanted_objects(wanted)
    standing = merge(scan(view, b"q", objects), scan(view, b"u", objects), key=_without_tag)
    return sliced(_row((stored[0], _waiting(moment, stored))) for stored in standing)


def _without_tag(stored: Stored) -> bytes:
    return stored[0][1:]


def _waiting(moment: Moment, stored: Stored) -> Waiting:
    key, value = stored
    if key.startswith(b"u"):
        mutation = _MUTATION(value)
        return Waiting(mutation_text(mutation.mutation_id), mutation.created_at)
    row = moment.view.get(b"i" + value)
    return Waiting(
        invocation_text(InvocationId(value)), None if row is None else _CREATED(row).created_at
    )


def _success(row: ObjectRow) -> bytes | None:
    promise: Promise = row.value
    if isinstance(promise, Settled) and isinstance(promise.outcome, Value):
        return promise.outcome.content
    return None


def _success_text(row: ObjectRow) -> str | None:
    content = _success(row)
    return None if content is None else text(content)


def _failure(row: ObjectRow) -> str | None:
    promise: Promise = row.value
    if isinstance(promise, Settled) and isinstance(promise.outcome, Failure):
        return failure_text(promise.outcome)
    return None


_PARTITION: Final = Column(
    "partition_key", Kind.UINT64, "The shard of the key", lambda row: row.partition_key
)
_SCOPE: Final = Column("scope", Kind.TEXT, "Scope of flow control; there is none here", always_null)
_OBJECT: Final = (
    Column(
        "service_name", Kind.TEXT, "The object's or workflow's service", lambda row: row.service
    ),
    Column("service_key", Kind.TEXT, "Its key", lambda row: row.key),
)

STATE: Final = Table(
    "state",
    "State of objects and workflows.",
    (
        _PARTITION,
        _SCOPE,
        *_OBJECT,
        Column("key", Kind.TEXT, "The state's own key", lambda row: text(row.rest)),
        Column("key_length", Kind.UINT64, "Length of that, in bytes", lambda row: len(row.rest)),
        Column(
            "value_utf8", Kind.TEXT, "The value, if it is valid UTF-8", lambda row: text(row.value)
        ),
        Column("value", Kind.BYTES, "The value", lambda row: row.value),
        Column("value_length", Kind.UINT64, "Length of that, in bytes", lambda row: len(row.value)),
    ),
    _found_in(b"s"),
    _decoded_by(bytes),
)

INBOX: Final = Table(
    "sys_inbox",
    "What stands in line for a key: invocations, and changes of state from outside.",
    (
        _PARTITION,
        *_OBJECT,
        Column(
            "id",
            Kind.TEXT,
            "The invocation's id, or the change's: `mut_…`",
            lambda row: row.value.id,
        ),
        Column(
            "sequence_number",
            Kind.UINT64,
            "Its place in line",
            lambda row: int.from_bytes(row.rest, "big"),
        ),
        Column(
            "created_at", Kind.INSTANT, "When it was accepted", lambda row: row.value.created_at
        ),
    ),
    _lines,
)

KEYED_SERVICE_STATUS: Final = Table(
    "sys_keyed_service_status",
    "Keys that an invocation holds.",
    (
        _PARTITION,
        *_OBJECT,
        Column(
            "invocation_id",
            Kind.TEXT,
            "The invocation that holds the key",
            lambda row: invocation_text(row.value.holder),
        ),
    ),
    _found_in(b"l"),
    _decoded_by(_LOCK),
)

PROMISE: Final = Table(
    "sys_promise",
    "Durable promises of workflows.",
    (
        _PARTITION,
        _SCOPE,
        *_OBJECT,
        Column("key", Kind.TEXT, "The promise's name", lambda row: text(row.rest)),
        Column(
            "completed",
            Kind.BOOLEAN,
            "Whether it was completed",
            lambda row: isinstance(row.value, Settled),
        ),
        Column("completion_success_value", Kind.BYTES, "The value it was completed with", _success),
        Column(
            "completion_success_value_utf8",
            Kind.TEXT,
            "That value, if it is valid UTF-8",
            _success_text,
        ),
        Column(
            "completion_failure",
            Kind.TEXT,
            "The failure it was completed with: `[code] message`",
            _failure,
        ),
    ),
    _found_in(b"p"),
    _decoded_by(_PROMISE),
)
