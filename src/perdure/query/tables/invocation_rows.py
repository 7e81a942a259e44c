"""Rows of invocations: found by id, key, partition or status, else all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Final

from msgspec import Struct

from perdure.core.model.invocations import Completed, Invocation, Retention, Running
from perdure.core.model.journals import JournalSize
from perdure.core.model.targets import HandlerKind, Target
from perdure.core.model.timers import TimerKind
from perdure.core.tables.keys import parse_timer_key
from perdure.engine.moment import LiveAttempt, Moment
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Value
from perdure.query.columns import Alike, Column, Reader, Wanted, fields_of, sliced
from perdure.query.partial import decoder
from perdure.query.reading import Stored, pages, scan, wanted_ids, wanted_partitions

#: What columns read that look at nothing but an invocation's id, or at the name of its status.
ID: Final = "id"
STATUS_NAME: Final = "status name"

#: Where the time of creation stands in the bytes of a row: behind the head of a long array.
CREATED_AT_PLACE: Final = 3

#: Invocations that are looked up one by one; if there are more, reading all is faster.
LOOKUPS_MAX: Final = 20_000

#: Statuses whose invocations are listed in a table; by all names that columns give them.
_RUNNING: Final = frozenset({"invoked", "running", "backing-off", "ready"})
_INBOXED: Final = frozenset({"inboxed", "pending"})
_SCHEDULED: Final = frozenset({"scheduled"})
_PARKED: Final = frozenset({"suspended", "paused"})
_OPEN: Final = _RUNNING | _INBOXED | _SCHEDULED | _PARKED

_key: Final = itemgetter(0)


class InvocationRow(Struct, frozen=True, gc=False):
    """An invocation, and its attempt if one is open."""

    id: InvocationId
    row: Invocation
    live: LiveAttempt | None


#: Stands for whatever has ended, where nothing else is told of it.
_ENDED: Final = InvocationRow(
    InvocationId(b""),
    Invocation(
        *(0, 0),
        Target("", "", HandlerKind.SERVICE),
        Completed(0, Value(b"")),
        Retention(0, 0),
        JournalSize(),
    ),
    None,
)


def find_invocations(moment: Moment, wanted: Wanted) -> Iterator[list[Stored]]:
    """Give what is stored of invocations, in slices."""
    ids = wanted_ids(wanted)
    if ids is None:
        ids = _with_status(moment, wanted.get("status"))
    if ids is not None:
        return sliced(_lookups(moment, ids))
    return pages(moment.view, b"i", wanted_partitions(wanted, "target_service_key"))


def find_invocation_keys(
    moment: Moment, wanted: Wanted, fields: frozenset[str]
) -> Iterator[list[Stored]] | None:
    """Give the keys alone, which do for the status if few enough are open to be told by lists."""
    if not fields <= {STATUS_NAME} or wanted_ids(wanted) is not None:
        return None
    if _with_status(moment, wanted.get("status")) is not None or _listed(moment) is None:
        return None
    prefixes = wanted_partitions(wanted, "target_service_key")
    return pages(moment.view, b"i", prefixes, values=False)


def invocation_reader(moment: Moment, columns: Sequence[Column]) -> Reader:
    """Give what reads as much of invocations as these columns look at."""
    fields = fields_of(columns)
    if fields is None:
        return _reader(moment, fields)
    if fields == {STATUS_NAME}:
        open_ids = _listed(moment)
        if open_ids is not None:
            return _status_reader(moment, open_ids)
    stored = fields - {ID, STATUS_NAME}
    if stored == fields:
        # Nothing is asked of the id, nor of the attempt that it leads to.
        decode = decoder(Invocation, stored)
        return lambda found: [decode(value) for _, value in found]
    return _reader(moment, stored | {"status"} if STATUS_NAME in fields else stored)


def find_held(moment: Moment, wanted: Wanted) -> Iterator[list[InvocationRow]]:
    """Give the invocations that run or back off: those that the invoker holds."""
    ids = wanted_ids(wanted)
    read = _reader(moment, None)
    slices = sliced(_lookups(moment, _open_ids(moment, _RUNNING) if ids is None else ids))
    return ([row for row in read(found) if is_held(row)] for found in slices)


def is_held(invocation: InvocationRow) -> bool:
    """Tell whether an attempt is open, or will be after a failed one."""
    status = invocation.row.status
    if not isinstance(status, Running):
        return False
    return invocation.live is not None or status.retry_at is not None


def _reader(moment: Moment, fields: frozenset[str] | None) -> Reader:
    decode, attempt = decoder(Invocation, fields), moment.attempts.get

    def read(found: Sequence[Stored]) -> list[InvocationRow]:
        return [
            InvocationRow(key := InvocationId(stored_key[1:]), decode(value), attempt(key))
            for stored_key, value in found
        ]

    return read


def _status_reader(moment: Moment, open_ids: Iterable[InvocationId]) -> Reader:
    """Read the status of what is open; all others have ended, whatever else is stored of them."""
    read_open = _reader(moment, frozenset({"status"}))
    open_keys = frozenset(b"i" + invocation_id for invocation_id in open_ids)
    get = moment.view.get

    def read_one(stored: Stored) -> InvocationRow:
        key, value = stored
        if key not in open_keys:
            return _ENDED
        # Whoever found it may have read keys alone.
        found = value or get(key)
        assert found is not None, "what is open has a row"
        row: InvocationRow = read_open(((key, found),))[0]
        return row

    def read(found: Sequence[Stored]) -> Sequence[InvocationRow]:
        if open_keys.isdisjoint(map(_key, found)):
            return Alike(_ENDED, len(found))
        return list(map(read_one, found))

    return read


def _listed(moment: Moment) -> list[InvocationId] | None:
    """Give the invocations that are open, unless there are too many."""
    return _at_most(_open_ids(moment, _OPEN))


def _lookups(moment: Moment, ids: Iterable[InvocationId]) -> Iterator[Stored]:
    get = moment.view.get
    for invocation_id in ids:
        value = get(key := b"i" + invocation_id)
        if value is not None:
            yield key, value


def _with_status(moment: Moment, statuses: frozenset[str] | None) -> list[InvocationId] | None:
    """Give the invocations of some statuses if few enough are listed in tables, else None."""
    if statuses is None or not statuses <= _OPEN:
        return None
    ids = _at_most(_open_ids(moment, statuses))
    return None if ids is None else sorted(ids)


def _open_ids(moment: Moment, statuses: frozenset[str]) -> Iterator[InvocationId]:
    """Give the invocations of some statuses from the tables that list them."""
    view = moment.view
    listings: list[Iterator[bytes]] = []
    if statuses & _RUNNING:
        listings.append(key[1:] for key, _ in scan(view, b"r"))
    if statuses & _INBOXED:
        listings.append(value for _, value in scan(view, b"q"))
    if statuses & _PARKED:
        listings.append(key[1:] for key, _ in scan(view, b"w"))
    if statuses & _SCHEDULED:
        timers = (parse_timer_key(key[1:]) for key, _ in scan(view, b"t"))
        listings.append(timer.invocation_id for timer in timers if timer.kind is TimerKind.START)
    return map(InvocationId, chain.from_iterable(listings))


def _at_most(ids: Iterator[InvocationId]) -> list[InvocationId] | None:
    """Give invocations unless there are too many to look them up one by one."""
    found = list(islice(ids, LOOKUPS_MAX + 1))
    return None if len(found) > LOOKUPS_MAX else found
