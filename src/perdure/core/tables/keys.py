"""Key layouts that tables share: big-endian, so that bytes sort as their meaning does."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct as Layout
from typing import Final

from perdure.core.model.invocations import Caller
from perdure.core.model.targets import Target
from perdure.core.model.timers import Timer, TimerKind
from perdure.protocol.ids import InvocationId, keyed_partition_key

#: The last millisecond a key can tell; what is due later is due then, which is never.
INSTANT_MAX: Final = 2**64 - 1

_LENGTHS: Final = Layout(">II")
_TIMER: Final = Layout(">QB24sI")
_EXPIRY: Final = Layout(">Q24sB")
_CALLER: Final = Layout(">24sIQ")

#: Gives the place of a message in the outbox: the partition it is for (2), its number (8).
outbox_key: Final[Callable[[int, int], bytes]] = Layout(">HQ").pack

#: Gives the place of an entry in its journal: its index (4).
index_key: Final[Callable[[int], bytes]] = Layout(">I").pack


def object_key(target: Target) -> bytes:
    """Name of all that belongs to one service and key.

    ::

        partition key (8) | length of service (4) | length of key (4) | service | key
    """
    return object_group(target.service, target.key)


@lru_cache(maxsize=4_096)
def object_group(service: str, key: str) -> bytes:
    """Name of all that belongs to one service and key; see :func:`object_key`.

    Asked for several times a record, so that the last ones are remembered.
    """
    name, raw = service.encode(), key.encode()
    return keyed_partition_key(key) + _LENGTHS.pack(len(name), len(raw)) + name + raw


def promise_group(group: bytes, name: bytes) -> bytes:
    """Name of all who wait for a promise: the object's key, length of the name (4), the name."""
    return group + len(name).to_bytes(4, "big") + name


def place_key(group: bytes, place: int) -> bytes:
    """Place in the line of an exclusive key: the object's key, then the place (8)."""
    return group + place.to_bytes(8, "big")


def timer_key(timer: Timer) -> bytes:
    """Write a timer as its key: due time (8) | kind (1) | invocation id (24) | number (4)."""
    return _TIMER.pack(timer.due_at, timer.kind, timer.invocation_id, timer.number)


def parse_timer_key(key: bytes) -> Timer:
    """Read a timer back from its key."""
    due_at, kind, invocation_id, number = _TIMER.unpack(key)
    return Timer(due_at, TimerKind(kind), InvocationId(invocation_id), number)


def expiry_key(expires_at: int, invocation_id: InvocationId, *, journal_only: bool) -> bytes:
    """Write when what expires: time (8) | invocation id (24) | 0 for all, 1 for the journal."""
    return _EXPIRY.pack(expires_at, invocation_id, journal_only)


def partition_fact(name: bytes, partition: int) -> bytes:
    """Name what is known of another partition: the fact's name, then the partition (2)."""
    return name + partition.to_bytes(2, "big")


def caller_key(caller: Caller) -> bytes:
    """Write who waits for what: invocation id (24) | completion id (4) | created at (8)."""
    return _CALLER.pack(caller.invocation_id, caller.completion_id, caller.created_at)


def parse_expiry_key(key: bytes) -> tuple[int, InvocationId, bool]:
    """Read back what :func:`expiry_key` wrote."""
    expires_at, invocation_id, journal_only = _EXPIRY.unpack(key)
    return expires_at, InvocationId(invocation_id), bool(journal_only)


def parse_object_key(key: bytes) -> tuple[int, str, str, bytes]:
    """Read partition key, service and key back from :func:`object_group`, and what follows it."""
    service_length, key_length = _LENGTHS.unpack_from(key, 8)
    service_end = 8 + _LENGTHS.size + service_length
    end = service_end + key_length
    service, name = key[8 + _LENGTHS.size : service_end].decode(), key[service_end:end].decode()
    return int.from_bytes(key[:8], "big"), service, name, key[end:]
