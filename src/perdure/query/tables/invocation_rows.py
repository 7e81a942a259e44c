"""Rows of invocations: found by id, key, partition or status, else all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from perdure.core.model.invocations import Invocation, Running
from perdure.core.model.timers import TimerKind
from perdure.core.tables.keys import parse_timer_key
from perdure.engine.moment import LiveAttempt, Moment
from perdure.protocol.ids import InvocationId
from perdure.query.columns import Wanted, sliced
from perdure.query.reading import scan, wanted_ids, wanted_partitions

_DECODE: Final = msgspec.msgpack.Decoder(Invocation).decode

#: Statuses whose invocations are listed in a small table; by all names that columns give them.
_RUNNING: Final = frozenset({"invoked", "running", "backing-off", "ready"})
_INBOXED: Final = frozenset({"inboxed", "pending"})
_SCHEDULED: Final = frozenset({"scheduled"})


class InvocationRow(Struct, frozen=True, gc=False):
    """An invocation, and its attempt if one is open."""

    id: InvocationId
    row: Invocation
    live: LiveAttempt | None


def invocations(moment: Moment, wanted: Wanted) -> Iterator[list[InvocationRow]]:
    """Give invocations."""
    return sliced(_read(moment, wanted))


def held(moment: Moment, wanted: Wanted) -> Iterator[list[InvocationRow]]:
    """Give the invocations that run or back off: those that the invoker holds."""
    ids = wanted_ids(wanted)
    found = _rows(moment, _running(moment) if ids is None else ids)
    return sliced(row for row in found if is_held(row))


def is_held(invocation: InvocationRow) -> bool:
    """Tell whether an attempt is open, or will be after a failed one."""
    status = invocation.row.status
    if not isinstance(status, Running):
        return False
    return invocation.live is not None or status.retry_at is not None


def _read(moment: Moment, wanted: Wanted) -> Iterator[InvocationRow]:
    ids = wanted_ids(wanted)
    if ids is None:
        ids = _with_status(moment, wanted.get("status"))
    if ids is not None:
        return _rows(moment, ids)
    prefixes = wanted_partitions(wanted, "target_service_key")
    attempt = moment.attempts.get
    return (
        InvocationRow(found := InvocationId(key), _DECODE(value), attempt(found))
        for key, value in scan(moment.view, b"i", prefixes)
    )


def _rows(moment: Moment, ids: Iterable[InvocationId]) -> Iterator[InvocationRow]:
    get, attempt = moment.view.get, moment.attempts.get
    for invocation_id in ids:
        value = get(b"i" + invocation_id)
        if value is not None:
            yield InvocationRow(invocation_id, _DECODE(value), attempt(invocation_id))


def _with_status(moment: Moment, statuses: frozenset[str] | None) -> list[InvocationId] | None:
    """Give the invocations of some statuses if there are tables that list them, else None."""
    if statuses is None or not statuses <= _RUNNING | _INBOXED | _SCHEDULED:
        return None
    ids: set[InvocationId] = set()
    if statuses & _RUNNING:
        ids.update(_running(moment))
    if statuses & _INBOXED:
        ids.update(InvocationId(value) for _, value in scan(moment.view, b"q", [b""]))
    if statuses & _SCHEDULED:
        timers = (parse_timer_key(key) for key, _ in scan(moment.view, b"t", [b""]))
        ids.update(timer.invocation_id for timer in timers if timer.kind is TimerKind.START)
    return sorted(ids)


def _running(moment: Moment) -> Iterator[InvocationId]:
    return (InvocationId(key) for key, _ in scan(moment.view, b"r", [b""]))
