"""The intake acknowledges what is durable, takes nothing twice, and nothing after a gap."""

from __future__ import annotations

import pytest
from engine_world import GREET, IN, KEPT, settled
from led_partition import Led

from perdure.core.model.records import Delivered, Invoke, SignalReceived
from perdure.core.model.shares import share_of
from perdure.engine.intake import Intake
from perdure.engine.outbox import DivergedError
from perdure.engine.ports import StorageError
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Signal, Value

SOURCE, SHARE = 0, share_of(1, 2)
WHO = InvocationId(b"\xff" * 24)
MESSAGES = (
    Invoke(WHO, GREET, IN, KEPT),
    *(SignalReceived(WHO, number, Value(b"")) for number in range(20, 24)),
)


def parcel(first: int, last: int, source: int = SOURCE) -> Delivered:
    return Delivered(source, first, MESSAGES[first - 1 : last])


class Taker:
    """A partition, its intake, and what was acknowledged."""

    def __init__(self, led: Led) -> None:
        self.led = led
        self.intake = Intake(led.partition.tables, SHARE, led.partition.propose)
        self.acknowledged: list[int] = []

    def take(self, taken: Delivered) -> None:
        self.intake.take(taken, self.acknowledged.append)

    @property
    def heard(self) -> list[int]:
        rows = self.led.partition.tables.journals.rows(WHO)
        return [entry.message.signal for _, entry in rows if isinstance(entry.message, Signal)]

    @property
    def appended(self) -> int:
        """How many records there are."""
        return len(list(self.led.records.read(1)))


async def led(before: Led | None = None) -> Taker:
    """Give a partition that leads, perhaps on what another one left."""
    here = Led(share=SHARE) if before is None else Led(before.records, before.store, SHARE)
    await here.lead()
    return Taker(here)


async def test_a_parcel_is_acknowledged_when_it_is_durable():
    taker = await led()
    taker.take(parcel(1, 2))
    await settled()
    assert taker.acknowledged == []
    assert taker.intake.taken(SOURCE) == 0
    await taker.led.write()
    assert taker.acknowledged == [2]
    assert taker.intake.taken(SOURCE) == 2
    assert taker.heard == [20]


async def test_parcels_follow_each_other_before_the_first_is_durable():
    taker = await led()
    taker.take(parcel(1, 2))
    taker.take(parcel(3, 3))
    taker.take(parcel(4, 5))
    await taker.led.write()
    assert taker.acknowledged == [2, 3, 5]
    assert taker.heard == [20, 21, 22, 23]


async def test_what_was_taken_is_acknowledged_again_without_a_record():
    taker = await led()
    taker.take(parcel(1, 2))
    await taker.led.write()
    records = taker.appended
    taker.take(parcel(1, 2))
    assert taker.acknowledged == [2, 2]
    await taker.led.write()
    assert taker.appended == records
    assert taker.heard == [20]


async def test_what_comes_again_while_it_is_written_is_acknowledged_when_it_is_durable():
    taker = await led()
    taker.take(parcel(1, 3))
    taker.take(parcel(1, 3))
    taker.take(parcel(2, 4))
    await settled()
    assert taker.acknowledged == []
    await taker.led.write()
    assert taker.acknowledged == [3, 3, 4]
    assert taker.heard == [20, 21, 22]


async def test_after_a_crash_it_goes_on_behind_what_is_durable():
    before = await led()
    before.take(parcel(1, 2))
    await before.led.write()
    before.take(parcel(3, 4))  # never written
    taker = await led(before.led)
    assert taker.intake.taken(SOURCE) == 2
    assert before.acknowledged == [2]
    taker.take(parcel(3, 4))
    await taker.led.write()
    assert taker.acknowledged == [4]
    assert taker.heard == [20, 21, 22]


async def test_after_a_crash_what_was_durable_and_not_acknowledged_is_not_taken_again():
    before = await led()
    before.take(parcel(1, 3))
    await settled()
    before.led.log.commit()  # and the process dies before it hears of it
    taker = await led(before.led)
    taker.take(parcel(1, 4))
    await taker.led.write()
    assert taker.acknowledged == [4]
    assert taker.heard == [20, 21, 22]


async def test_each_partition_is_counted_for_itself():
    taker = Taker(Led(share=share_of(2, 3)))
    await taker.led.lead()
    taker.take(parcel(1, 2))
    taker.take(Delivered(1, 1, MESSAGES[2:3]))
    await taker.led.write()
    assert (taker.intake.taken(SOURCE), taker.intake.taken(1)) == (2, 1)
    assert taker.heard == [20, 21]


async def test_a_gap_is_refused():
    taker = await led()
    taker.take(parcel(1, 1))
    with pytest.raises(DivergedError, match="partitions 0 and 1 do not fit together"):
        taker.take(parcel(3, 3))
    await taker.led.write()
    assert taker.acknowledged == [1]


async def test_nothing_is_acknowledged_by_a_partition_that_fails():
    taker = await led()
    taker.take(parcel(1, 2))
    taker.led.partition.fail(StorageError("the disk is gone"))
    taker.take(parcel(3, 3))
    await settled()
    assert taker.acknowledged == []


async def test_nothing_is_taken_after_the_stop():
    taker = await led()
    taker.take(parcel(1, 2))
    taker.intake.stop()
    taker.take(parcel(3, 3))
    await taker.led.write()
    taker.take(parcel(1, 2))
    assert taker.acknowledged == [2]
    assert taker.heard == [20]
