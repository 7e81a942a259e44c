"""The tables of a partition as they would stand in the store after a flush, decoded.

Checkers and laws read this instead of the tables, so that what they see went through the bytes.
Whoever looks again and again lets one image follow the tables: only rows that differ are read then,
and ``touched`` names the invocations whose own rows did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec
from claims import Claims

from perdure.core.model.events import Event
from perdure.core.model.invocations import FurtherCaller, Invocation
from perdure.core.model.journals import JournalEntry
from perdure.core.model.mutations import Mutation
from perdure.core.model.promises import Promise
from perdure.core.model.records import Message
from perdure.core.model.timers import Timer
from perdure.core.tables.keys import parse_expiry_key, parse_timer_key
from perdure.core.tables.tables import Lock, Tables
from perdure.protocol.ids import InvocationId

ROWS = (
    *("invocations", "locks", "lines", "mutations"),
    *("timers", "running", "parked", "expiries", "outbox", "facts"),
)
GROUPS = ("journals", "callers", "events", "states", "listeners", "promises")


def stored_bytes(tables: Tables, store: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Give what the store would hold after a flush, without flushing."""
    held = {**store}
    for name in ROWS:
        table = getattr(tables, name)
        if table.changed:
            _put(held, table.tag, table.changed, table._encode)
    for name in GROUPS:
        table = getattr(tables, name)
        for group, rows in table.changed.items():
            _put(held, table.tag + group, rows, table._encode)
    return held


def _put(held, prefix, rows, encode):
    for key, row in rows.items():
        if row is None:
            held.pop(prefix + key, None)
        else:
            held[prefix + key] = encode(row)


class Image:
    """Decoded tables, by their names."""

    def __init__(self, held: Mapping[bytes, bytes]) -> None:
        self.held: Mapping[bytes, bytes] = {}
        self.invocations: dict[InvocationId, Invocation] = {}
        self.journals: dict[InvocationId, dict[int, JournalEntry]] = defaultdict(dict)
        self.callers: dict[InvocationId, dict[bytes, FurtherCaller]] = defaultdict(dict)
        self.events: dict[InvocationId, dict[int, Event]] = defaultdict(dict)
        self.states: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
        self.locks: dict[bytes, Lock] = {}
        self.lines: dict[bytes, InvocationId] = {}
        self.mutations: dict[bytes, Mutation] = {}
        #: By object key and name of the promise, then by who waits.
        self.listeners: dict[tuple[bytes, bytes], dict[bytes, FurtherCaller]] = defaultdict(dict)
        self.promises: dict[bytes, dict[bytes, Promise]] = defaultdict(dict)
        self.timers: set[Timer] = set()
        self.running: set[InvocationId] = set()
        self.parked: set[InvocationId] = set()
        self.expiries: set[tuple[int, InvocationId, bool]] = set()
        #: By destination and number.
        self.outbox: dict[tuple[int, int], Message] = {}
        self.facts: dict[bytes, int] = {}
        #: Invocations whose row, journal or events are new since the last look.
        self.touched: set[InvocationId] = set()
        #: What the invocations say must stand in the other tables.
        self.claims = Claims()
        self.follow(held)

    def follow(self, held: Mapping[bytes, bytes]) -> None:
        """Become the image of other rows."""
        before, self.held = self.held, held
        self.touched = set()
        for key in before.keys() - held.keys():
            self._drop(key)
        known, touched = before.get, self.touched
        for key in [key for key, value in held.items() if known(key) != value]:
            tag = key[:1]
            # What is read takes the place of what stood under this key.
            _READ[tag](self, key[1:], held[key])
            if tag in _OF_INVOCATIONS:
                touched.add(InvocationId(key[1:25]))
        for who in touched:
            self.claims.renew(who, self.invocations.get(who), self.journals.get(who, {}))

    def _drop(self, key: bytes) -> None:
        _DROP[key[:1]](self, key[1:])
        if key[:1] in _OF_INVOCATIONS:
            self.touched.add(InvocationId(key[1:25]))

    def touched_rows(self) -> list[tuple[InvocationId, Invocation]]:
        """Give the rows of the touched invocations that are there."""
        rows = self.invocations
        return [(who, rows[who]) for who in self.touched if who in rows]


def _drop_from(name, split):
    """Make what takes a row out of a group, and the group out of the table with its last row."""

    def drop(image, key):
        table = getattr(image, name)
        group, member = split(key)
        del table[group][member]
        if not table[group]:
            del table[group]

    return drop


def _split_numbered(key):
    return InvocationId(key[:24]), int.from_bytes(key[24:], "big")


def _read_invocation(image, key, value):
    image.invocations[InvocationId(key)] = _INVOCATION(value)


def _read_journal(image, key, value):
    image.journals[InvocationId(key[:24])][int.from_bytes(key[24:], "big")] = _ENTRY(value)


def _split_caller(key):
    return InvocationId(key[:24]), key[24:]


def _read_caller(image, key, value):
    image.callers[InvocationId(key[:24])][key[24:]] = _CALLER(value)


def _read_event(image, key, value):
    image.events[InvocationId(key[:24])][int.from_bytes(key[24:], "big")] = _EVENT(value)


def _split_object_key(key):
    service, name = int.from_bytes(key[8:12], "big"), int.from_bytes(key[12:16], "big")
    size = 16 + service + name
    return key[:size], key[size:]


def _read_state(image, key, value):
    group, name = _split_object_key(key)
    image.states[group][name] = value


def _split_listener(key):
    group, rest = _split_object_key(key)
    end = 4 + int.from_bytes(rest[:4], "big")
    return (group, rest[4:end]), rest[end:]


def _read_listener(image, key, value):
    promise, who = _split_listener(key)
    image.listeners[promise][who] = _CALLER(value)


def _read_promise(image, key, value):
    group, name = _split_object_key(key)
    image.promises[group][name] = _PROMISE(value)


def _read_lock(image, key, value):
    image.locks[key] = _LOCK(value)


def _read_line(image, key, value):
    image.lines[key] = InvocationId(value)


def _read_mutation(image, key, value):
    image.mutations[key] = _MUTATION(value)


def _read_timer(image, key, _value):
    image.timers.add(parse_timer_key(key))


def _read_running(image, key, _value):
    image.running.add(InvocationId(key))


def _read_parked(image, key, _value):
    image.parked.add(InvocationId(key))


def _read_expiry(image, key, _value):
    image.expiries.add(parse_expiry_key(key))


def _split_shipment(key):
    return int.from_bytes(key[:2], "big"), int.from_bytes(key[2:], "big")


def _read_message(image, key, value):
    image.outbox[_split_shipment(key)] = _MESSAGE(value)


def _read_fact(image, key, value):
    image.facts[key] = _NUMBER(value)


_INVOCATION = msgspec.msgpack.Decoder(Invocation).decode
_ENTRY = msgspec.msgpack.Decoder(JournalEntry).decode
_CALLER = msgspec.msgpack.Decoder(FurtherCaller).decode
_EVENT = msgspec.msgpack.Decoder(Event).decode
_PROMISE = msgspec.msgpack.Decoder(Promise).decode
_LOCK = msgspec.msgpack.Decoder(Lock).decode
_MUTATION = msgspec.msgpack.Decoder(Mutation).decode
_MESSAGE = msgspec.msgpack.Decoder(Message).decode
_NUMBER = msgspec.msgpack.Decoder(int).decode
_OF_INVOCATIONS = frozenset((b"i", b"j", b"c", b"v"))
_DROP = {
    b"i": lambda image, key: image.invocations.pop(InvocationId(key)),
    b"j": _drop_from("journals", _split_numbered),
    b"c": _drop_from("callers", _split_caller),
    b"n": _drop_from("listeners", _split_listener),
    b"v": _drop_from("events", _split_numbered),
    b"s": _drop_from("states", _split_object_key),
    b"l": lambda image, key: image.locks.pop(key),
    b"q": lambda image, key: image.lines.pop(key),
    b"u": lambda image, key: image.mutations.pop(key),
    b"p": _drop_from("promises", _split_object_key),
    b"t": lambda image, key: image.timers.discard(parse_timer_key(key)),
    b"r": lambda image, key: image.running.discard(InvocationId(key)),
    b"w": lambda image, key: image.parked.discard(InvocationId(key)),
    b"e": lambda image, key: image.expiries.discard(parse_expiry_key(key)),
    b"o": lambda image, key: image.outbox.pop(_split_shipment(key)),
    b"m": lambda image, key: image.facts.pop(key),
}
_READ = {
    b"i": _read_invocation,
    b"j": _read_journal,
    b"c": _read_caller,
    b"n": _read_listener,
    b"v": _read_event,
    b"s": _read_state,
    b"l": _read_lock,
    b"q": _read_line,
    b"u": _read_mutation,
    b"p": _read_promise,
    b"t": _read_timer,
    b"r": _read_running,
    b"w": _read_parked,
    b"e": _read_expiry,
    b"o": _read_message,
    b"m": _read_fact,
}
