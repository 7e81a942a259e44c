"""Records that nobody asked for: said again, or said by a leader that was superseded long ago."""

from __future__ import annotations

from perdure.core.model.invocations import Retention, Running
from perdure.core.model.records import (
    Cancel,
    Delivered,
    Invoke,
    Kill,
    Progress,
    Record,
    RecordBody,
    Shipped,
    TimersFired,
)
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.engine import Engine
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Input, Value
from simworld.hardware import Hardware
from simworld.storage import Truth, decode_record, encode_record


def may_be_repeated(engine: Engine, body: RecordBody) -> bool:
    """Tell what may come twice, and is to have no effect the second time."""
    if isinstance(body, TimersFired | Delivered | Shipped):
        return True
    if not isinstance(body, Progress):
        return False
    row = engine.partition.tables.invocations.get(body.invocation_id)
    return row is None or row.attempt != body.attempt or not isinstance(row.status, Running)


def stale_records(hardware: Hardware, truth: Truth, count: int) -> list[bytes]:
    """Make records of a leader that was superseded long ago."""
    random = hardware.random("stale")
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
