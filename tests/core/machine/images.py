"""The tables of a partition as they would stand in the store after a flush, decoded.

Checkers and laws read this instead of the tables, so that what they see went through the bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from perdure.core.model.events import Event
from perdure.core.model.invocations import Invocation
from perdure.core.model.journals import JournalEntry
from perdure.core.model.mutations import Mutation
from perdure.core.model.promises import Promise
from perdure.core.model.timers import Timer
from perdure.core.tables.keys import parse_expiry_key, parse_timer_key
from perdure.core.tables.tables import Lock, Tables
from perdure.protocol.ids import InvocationId

ROWS = ("invocations", "locks", "lines", "mutations", "timers", "running", "expiries", "facts")
GROUPS = ("journals", "events", "states", "promises")


def stored_bytes(tables: Tables, store: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Give what the store would hold after a flush, without flushing."""
    held = dict(store)

    def apply(key, row, encode):
        if row is None:
            held.pop(key, None)
        else:
            held[key] = encode(row)

    for name in ROWS:
        table = getattr(tables, name)
        for key, row in table.changed.items():
            apply(table.tag + key, row, table._encode)
    for name in GROUPS:
        table = getattr(tables, name)
        for group, rows in table.changed.items():
            for key, row in rows.items():
                apply(table.tag + group + key, row, table._encode)
    return held


class Image:
    """Decoded tables, by their names."""

    def __init__(self, held: Mapping[bytes, bytes]) -> None:
        self.held = dict(held)
        self.invocations: dict[InvocationId, Invocation] = {}
        self.journals: dict[InvocationId, dict[int, JournalEntry]] = defaultdict(dict)
        self.events: dict[InvocationId, dict[int, Event]] = defaultdict(dict)
        self.states: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
        self.locks: dict[bytes, Lock] = {}
        self.lines: dict[bytes, InvocationId] = {}
        self.mutations: dict[bytes, Mutation] = {}
        self.promises: dict[bytes, dict[bytes, Promise]] = defaultdict(dict)
        self.timers: set[Timer] = set()
        self.running: set[InvocationId] = set()
        self.expiries: set[tuple[int, InvocationId, bool]] = set()
        self.facts: dict[bytes, int] = {}
        for key, value in held.items():
            _READ[key[:1]](self, key[1:], value)


def _read_invocation(image, key, value):
    image.invocations[InvocationId(key)] = _INVOCATION(value)


def _read_journal(image, key, value):
    image.journals[InvocationId(key[:24])][int.from_bytes(key[24:], "big")] = _ENTRY(value)


def _read_event(image, key, value):
    image.events[InvocationId(key[:24])][int.from_bytes(key[24:], "big")] = _EVENT(value)


def _split_object_key(key):
    service, name = int.from_bytes(key[8:12], "big"), int.from_bytes(key[12:16], "big")
    size = 16 + service + name
    return key[:size], key[size:]


def _read_state(image, key, value):
    group, name = _split_object_key(key)
    image.states[group][name] = value


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


def _read_expiry(image, key, _value):
    image.expiries.add(parse_expiry_key(key))


def _read_fact(image, key, value):
    image.facts[key] = _NUMBER(value)


_INVOCATION = msgspec.msgpack.Decoder(Invocation).decode
_ENTRY = msgspec.msgpack.Decoder(JournalEntry).decode
_EVENT = msgspec.msgpack.Decoder(Event).decode
_PROMISE = msgspec.msgpack.Decoder(Promise).decode
_LOCK = msgspec.msgpack.Decoder(Lock).decode
_MUTATION = msgspec.msgpack.Decoder(Mutation).decode
_NUMBER = msgspec.msgpack.Decoder(int).decode
_READ = {
    b"i": _read_invocation,
    b"j": _read_journal,
    b"v": _read_event,
    b"s": _read_state,
    b"l": _read_lock,
    b"q": _read_line,
    b"u": _read_mutation,
    b"p": _read_promise,
    b"t": _read_timer,
    b"r": _read_running,
    b"e": _read_expiry,
    b"m": _read_fact,
}
