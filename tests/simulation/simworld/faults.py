"""What goes wrong, by the names that plans give it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Protocol

from perdure.core.model.invocations import Retention, Running
from perdure.core.model.records import (
    Cancel,
    Invoke,
    Kill,
    Progress,
    Record,
    RecordBody,
    TimerFired,
)
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.engine import Engine
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Input, Value
from simworld.hardware import Hardware
from simworld.node import Node
from simworld.storage import decode_record, encode_record

#: By how much a clock jumps, in milliseconds.
JUMPS_MS = (50, 3_000, 300_000)
GRACES_S = (0.0, 0.05, 2.0)


class Victim(Protocol):
    """The world, as far as faults touch it."""

    hardware: Hardware
    node: Node | None
    #: Records of an old leader to be found in the log by the next process.
    stale_due: int


def strike(world: Victim, kind: str, number: int) -> None:
    """Let something go wrong now."""
    _FAULTS[kind](world, number)


def _crash(world: Victim, number: int) -> None:
    if world.node is not None:
        world.node.fuse.light("callback", 1 + number % 100)


def _crash_at(kind: str, most: int) -> Callable[[Victim, int], None]:
    def fault(world: Victim, number: int) -> None:
        if world.node is not None:
            world.node.fuse.light(kind, 1 + number % most)

    return fault


def _failing_disk(world: Victim, number: int) -> None:
    if world.node is not None:
        world.node.disk.failing = (number % 6, errno.EIO)


def _full_disk(world: Victim, number: int) -> None:
    node = world.node
    if node is not None:
        used = sum(len(inode.seen) for inode in node.disk.seen_names.values())
        node.disk.space = used + number % 3_000


def _slow_disk(world: Victim, number: int) -> None:
    world.hardware.slow_until_s = world.hardware.scheduler.now_s + number % 5


def _failing_store(world: Victim, number: int) -> None:
    if world.node is not None:
        store = world.node.store
        if number % 2:
            store.failing_writes = 1
        else:
            store.failing_checkpoints = 3


def _clock_forward(world: Victim, number: int) -> None:
    world.hardware.clock_error_ms += JUMPS_MS[number % len(JUMPS_MS)]


def _clock_back(world: Victim, number: int) -> None:
    world.hardware.clock_error_ms -= JUMPS_MS[number % len(JUMPS_MS)]


def _stop(world: Victim, number: int) -> None:
    if world.node is not None and world.node.serving:
        world.node.stop(GRACES_S[number % len(GRACES_S)])


def _stale_leader(world: Victim, number: int) -> None:
    """The process dies, and its predecessor's last words reach the log after all."""
    world.stale_due = 1 + number % 4
    _crash(world, number)


def _echo(world: Victim, number: int) -> None:
    """Say again what was said before: timers that fired, words of superseded attempts."""
    node = world.node
    if node is None or not node.serving or node.engine is None:
        return
    records = world.hardware.truth.records
    start = number % len(records)
    for encoded in records[start : start + 20]:
        body = decode_record(encoded).body
        if may_be_repeated(node.engine, body):
            node.engine.partition.propose(body)


def may_be_repeated(engine: Engine, body: RecordBody) -> bool:
    """Tell what may come twice, and is to have no effect the second time."""
    if isinstance(body, TimerFired):
        return True
    if not isinstance(body, Progress):
        return False
    row = engine.partition.tables.invocations.get(body.invocation_id)
    return row is None or row.attempt != body.attempt or not isinstance(row.status, Running)


def stale_records(hardware: Hardware, count: int) -> list[bytes]:
    """Make records of a leader that was superseded long ago."""
    truth, random = hardware.truth, hardware.random("stale")
    if truth.epoch < 2:
        return []
    epoch = random.randint(1, truth.epoch - 1)
    known = [decode_record(encoded) for encoded in random.choices(truth.records, k=count)]
    bodies: list[RecordBody] = []
    for number, record in enumerate(known):
        victim = getattr(record.body, "invocation_id", None)
        line = f"ghost {len(truth.records)} {number}".encode()
        ghost: RecordBody = Invoke(
            InvocationId(line.ljust(24, b".")[:24]),
            Target("Ledger", "append", HandlerKind.EXCLUSIVE, "red"),
            Input(Value(b'["' + line + b'",0,false]')),
            Retention(86_400_000, 86_400_000),
        )
        choices = [record.body]
        if victim is not None:
            choices += [Kill(victim), Cancel(victim)]
        bodies += [ghost, random.choice(choices)]
    return [encode_record(Record(epoch, hardware.now_ms(), body)) for body in bodies]


_FAULTS: dict[str, Callable[[Victim, int], None]] = {
    "crash": _crash,
    "crash at disk": _crash_at("disk", 12),
    "crash at clock": _crash_at("clock", 30),
    "crash at effect": _crash_at("effect", 4),
    "failing disk": _failing_disk,
    "full disk": _full_disk,
    "slow disk": _slow_disk,
    "failing store": _failing_store,
    "clock forward": _clock_forward,
    "clock back": _clock_back,
    "stop": _stop,
    "stale leader": _stale_leader,
    "echo": _echo,
}
