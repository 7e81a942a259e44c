"""The outbox ships in order, within its window, again until it was taken, and forgets in groups."""

from __future__ import annotations

import asyncio

import pytest
from engine_world import settled

from perdure.core.machine.outbox import post, shipped
from perdure.core.machine.step import Step
from perdure.core.model.records import Delivered, Message, Shipped, SignalReceived
from perdure.core.model.shares import share_of
from perdure.core.tables.keys import outbox_key
from perdure.core.tables.tables import Tables
from perdure.engine.outbox import (
    FORGET_MESSAGES,
    FORGET_S,
    PARCEL_BYTES,
    PARCEL_MESSAGES,
    WINDOW_BYTES,
    WINDOW_MESSAGES,
    DivergedError,
    Outbox,
)
from perdure.engine.ports import StorageError
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Value
from perdure.storage.memory_store import MemoryStore

#: The partition that ships, and the one that most is for.
HERE, THERE = share_of(1, 3), 2


def message(number: int, size: int = 1) -> Message:
    return SignalReceived(InvocationId(b"\xff" * 24), number, Value(bytes(size)))


class Sender:
    """An outbox, the tables below it, and whatever leaves it."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = Tables(MemoryStore()) if tables is None else tables
        self.proposed: list[Shipped] = []
        self.failures: list[StorageError] = []
        self.parcels: list[Delivered] = []
        self.outbox = Outbox(self.tables, HERE, self.proposed.append, self.failures.append)

    def post(self, count: int, size: int = 1, to: int = THERE) -> None:
        """Let a record send so many messages."""
        step = Step(self.tables, 0)
        for number in range(count):
            post(step, to, message(number, size))
        for action in step.actions:
            self.outbox.ship(action)

    def open(self, taken: int = 0) -> None:
        self.outbox.open(THERE, taken, self.parcels.append)

    def acknowledge(self, upto: int) -> None:
        self.outbox.acknowledged(THERE, upto)

    def apply(self) -> None:
        """Apply what was proposed."""
        for body in self.proposed:
            shipped(Step(self.tables, 0), body)

    @property
    def numbers(self) -> list[int]:
        """What was sent, in order."""
        return [
            parcel.first + place for parcel in self.parcels for place in range(len(parcel.messages))
        ]


async def test_what_one_turn_brings_goes_together():
    sender = Sender()
    sender.open()
    sender.post(2)
    sender.post(1)
    await settled()
    assert sender.parcels == [Delivered(1, 1, (message(0), message(1), message(0)))]
    sender.post(1)
    await settled()
    assert sender.parcels[1:] == [Delivered(1, 4, (message(0),))]


async def test_each_partition_gets_its_own():
    sender, other = Sender(), []
    sender.open()
    sender.outbox.open(0, 0, other.append)
    sender.post(2)
    sender.post(1, to=0)
    await settled()
    assert sender.parcels == [Delivered(1, 1, (message(0), message(1)))]
    assert other == [Delivered(1, 1, (message(0),))]


async def test_nothing_leaves_before_the_other_can_be_reached():
    sender = Sender()
    sender.post(3)
    await settled()
    assert sender.parcels == []
    sender.open()
    await settled()
    assert sender.numbers == [1, 2, 3]


async def test_after_a_restart_what_was_not_taken_is_shipped_again():
    before = Sender()
    before.open()
    before.post(5)
    await settled()
    before.acknowledge(2)
    before.outbox.stop()
    sender = Sender(before.tables)
    sender.open(taken=3)
    await settled()
    assert sender.numbers == [4, 5]
    await asyncio.sleep(FORGET_S)
    assert sender.proposed == [Shipped(THERE, 3)]


async def test_a_parcel_has_so_many_messages_and_no_more():
    sender = Sender()
    sender.open()
    sender.post(PARCEL_MESSAGES + 1)
    await settled()
    assert [len(parcel.messages) for parcel in sender.parcels] == [PARCEL_MESSAGES, 1]


async def test_long_messages_go_in_parcels_of_their_own():
    sender = Sender()
    sender.open()
    sender.post(3, PARCEL_BYTES)
    await settled()
    assert [len(parcel.messages) for parcel in sender.parcels] == [1, 1, 1]


async def test_no_more_messages_are_on_the_way_than_the_window_takes():
    sender, count = Sender(), 2 * WINDOW_MESSAGES + 1
    sender.open()
    sender.post(count)
    await settled()
    assert sender.numbers == list(range(1, WINDOW_MESSAGES + 1))
    sender.acknowledge(PARCEL_MESSAGES)
    await settled()
    assert len(sender.numbers) == WINDOW_MESSAGES + PARCEL_MESSAGES
    sender.acknowledge(len(sender.numbers))
    await settled()
    sender.acknowledge(len(sender.numbers))
    await settled()
    assert sender.numbers == list(range(1, count + 1))


async def test_no_more_bytes_are_on_the_way_than_the_window_takes():
    sender, size = Sender(), WINDOW_BYTES // 2
    sender.open()
    sender.post(5, size)
    await settled()
    assert sender.numbers == [1, 2]
    sender.acknowledge(1)
    await settled()
    assert sender.numbers == [1, 2, 3]
    sender.acknowledge(3)
    await settled()
    assert sender.numbers == [1, 2, 3, 4, 5]


async def test_a_message_longer_than_the_window_goes_alone():
    sender = Sender()
    sender.open()
    sender.post(2, WINDOW_BYTES + 1)
    await settled()
    assert sender.numbers == [1]
    sender.acknowledge(1)
    await settled()
    assert sender.numbers == [1, 2]


async def test_acknowledgements_that_come_twice_or_late_say_nothing():
    sender = Sender()
    sender.open()
    sender.post(WINDOW_MESSAGES + PARCEL_MESSAGES + 1)
    await settled()
    for upto in (PARCEL_MESSAGES, PARCEL_MESSAGES, 1, 0):
        sender.acknowledge(upto)
        await settled()
    assert len(sender.numbers) == WINDOW_MESSAGES + PARCEL_MESSAGES
    await asyncio.sleep(FORGET_S)
    assert sender.proposed == [Shipped(THERE, PARCEL_MESSAGES)]


async def test_what_was_taken_is_forgotten_after_a_while_and_by_one_record():
    sender = Sender()
    sender.open()
    sender.post(10)
    await settled()
    for upto in range(1, 8):
        sender.acknowledge(upto)
    await settled()
    assert sender.proposed == []
    await asyncio.sleep(FORGET_S)
    assert sender.proposed == [Shipped(THERE, 7)]
    await asyncio.sleep(10 * FORGET_S)
    assert len(sender.proposed) == 1
    sender.acknowledge(10)
    await asyncio.sleep(FORGET_S)
    assert sender.proposed == [Shipped(THERE, 7), Shipped(THERE, 10)]


async def test_much_that_was_taken_is_forgotten_at_once():
    sender = Sender()
    sender.open()
    sender.post(2 * FORGET_MESSAGES)
    await settled()
    for upto in range(1, 2 * FORGET_MESSAGES + 1):
        sender.acknowledge(upto)
    assert sender.proposed == [Shipped(THERE, FORGET_MESSAGES), Shipped(THERE, 2 * FORGET_MESSAGES)]
    sender.apply()
    assert sender.tables.outbox.scan(b"", b"\xff" * 10, 1) == []


async def test_nothing_is_forgotten_of_what_nobody_acknowledged():
    sender = Sender()
    sender.open()
    sender.post(FORGET_MESSAGES)
    await asyncio.sleep(10 * FORGET_S)
    assert sender.proposed == []
    assert len(sender.numbers) == FORGET_MESSAGES


async def test_what_was_on_the_way_when_the_link_ended_is_shipped_again():
    sender = Sender()
    sender.open()
    sender.post(4)
    await settled()
    sender.acknowledge(1)
    sender.outbox.close(THERE)
    sender.post(1)
    await asyncio.sleep(FORGET_S)
    assert sender.numbers == [1, 2, 3, 4]
    assert sender.proposed == []
    sender.parcels.clear()
    sender.open(taken=2)
    await settled()
    assert sender.numbers == [3, 4, 5]


async def test_an_acknowledgement_after_the_end_of_its_link_is_not_heard():
    sender = Sender()
    sender.open()
    sender.post(1)
    await settled()
    sender.outbox.close(THERE)
    sender.acknowledge(1)
    await asyncio.sleep(FORGET_S)
    assert sender.proposed == []


@pytest.mark.parametrize("taken", [1, 4])
async def test_a_partition_that_has_taken_more_or_less_than_can_be_is_refused(taken):
    before = Sender()
    before.open()
    before.post(3)
    await settled()
    before.acknowledge(2)
    await asyncio.sleep(FORGET_S)
    before.apply()
    sender = Sender(before.tables)
    with pytest.raises(DivergedError, match="partitions 1 and 2 do not fit together"):
        sender.open(taken)
    await settled()
    assert sender.parcels == []


async def test_a_message_that_is_missing_stops_the_partition():
    sender = Sender()
    sender.post(3)
    sender.tables.outbox.delete(outbox_key(THERE, 2))
    sender.open()
    await settled()
    assert sender.parcels == []
    assert [type(error) for error in sender.failures] == [DivergedError]


async def test_nothing_leaves_after_the_stop():
    sender = Sender()
    sender.open()
    sender.post(1)
    sender.outbox.stop()
    sender.post(1)
    await asyncio.sleep(FORGET_S)
    assert sender.parcels == []
