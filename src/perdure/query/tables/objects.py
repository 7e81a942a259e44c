"""What belongs to keys: state, promises, locks and the lines behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from perdure.core.model.invocations import Invocation
from perdure.core.model.promises import Promise, Settled
from perdure.core.tables.keys import parse_object_key
from perdure.core.tables.tables import Lock
from perdure.engine.moment import Moment
from perdure.protocol.ids import InvocationId, invocation_text
from perdure.protocol.messages import Failure, Value
from perdure.query.columns import Column, Kind, Table, Wanted, always_null, sliced
from perdure.query.reading import scan, text, wanted_objects
from perdure.query.texts import failure_text

_LOCK: Final = msgspec.msgpack.Decoder(Lock).decode
_PROMISE: Final = msgspec.msgpack.Decoder(Promise).decode
_INVOCATION: Final = msgspec.msgpack.Decoder(Invocation).decode


class ObjectRow(Struct, frozen=True, gc=False):
    """A row under a service and key; ``rest`` is what follows these in its key."""

    partition_key: int
    service: str
    key: str
    rest: bytes
    value: Any


class Waiting(Struct, frozen=True, gc=False):
    """Who stands in line; the view knows since when."""

    id: InvocationId
    moment: Moment


def _read(moment: Moment, tag: bytes, wanted: Wanted) -> Iterator[ObjectRow]:
    for key, value in scan(moment.view, tag, wanted_objects(wanted)):
        partition_key, service, name, rest = parse_object_key(key)
        yield ObjectRow(partition_key, service, name, rest, value)


def _states(moment: Moment, wanted: Wanted) -> Iterator[list[ObjectRow]]:
    return sliced(_read(moment, b"s", wanted))


def _locks(moment: Moment, wanted: Wanted) -> Iterator[list[ObjectRow]]:
    return sliced(
        msgspec.structs.replace(row, value=_LOCK(row.value)) for row in _read(moment, b"l", wanted)
    )


def _lines(moment: Moment, wanted: Wanted) -> Iterator[list[ObjectRow]]:
    return sliced(
        msgspec.structs.replace(row, value=Waiting(InvocationId(row.value), moment))
        for row in _read(moment, b"q", wanted)
    )


def _promises(moment: Moment, wanted: Wanted) -> Iterator[list[ObjectRow]]:
    return sliced(
        msgspec.structs.replace(row, value=_PROMISE(row.value))
        for row in _read(moment, b"p", wanted)
    )


def _created_at(row: ObjectRow) -> int | None:
    waiting: Waiting = row.value
    stored = waiting.moment.view.get(b"i" + waiting.id)
    return None if stored is None else _INVOCATION(stored).created_at


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
    _states,
)

INBOX: Final = Table(
    "sys_inbox",
    "Invocations that stand in line for a key.",
    (
        _PARTITION,
        *_OBJECT,
        Column("id", Kind.TEXT, "The invocation's id", lambda row: invocation_text(row.value.id)),
        Column(
            "sequence_number",
            Kind.UINT64,
            "Its place in line",
            lambda row: int.from_bytes(row.rest, "big"),
        ),
        Column("created_at", Kind.INSTANT, "When it was accepted", _created_at),
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
    _locks,
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
    _promises,
)
