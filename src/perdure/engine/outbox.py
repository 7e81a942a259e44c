"""Ships what the outbox holds: to each other partition in order, again until it has been taken.

The table is the truth. A partition that cannot be reached costs nothing but its rows; as soon as it
can be, what it has not taken is read from there. So much is on the way to it at the same time that
its log is busy, and no more than memory can bear.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from perdure.core.machine.actions import Ship
from perdure.core.model.records import (
    Delivered,
    Invoke,
    Message,
    RecordBody,
    Respond,
    Shipped,
    SignalReceived,
)
from perdure.core.model.shares import Share
from perdure.core.tables.keys import outbox_key, partition_fact
from perdure.core.tables.tables import SENT, SHIPPED, Tables
from perdure.engine.ports import StorageError
from perdure.protocol.messages import Failure, Value

#: Messages in one parcel at the most, and what their payloads come to where there are several.
PARCEL_MESSAGES: Final = 256
PARCEL_BYTES: Final = 256 * 1024
#: Messages on the way to one partition, and their payloads, before further ones wait.
WINDOW_MESSAGES: Final = 2_048
WINDOW_BYTES: Final = 16 * 1024 * 1024
#: Messages that were taken are forgotten when there are so many, or after a while, in seconds:
#: each time is a record.
FORGET_MESSAGES: Final = 512
FORGET_S: Final = 0.2

#: Takes a parcel that is on its way from then on.
Send = Callable[[Delivered], None]


class DivergedError(StorageError):
    """Two partitions disagree about what one has sent to the other."""

    def __init__(self, source: int, destination: int) -> None:
        super().__init__(
            f"partitions {source} and {destination} do not fit together: one of them lacks what "
            "the other knows of it; restore all partitions of the data directory from one backup"
        )


class Outbox:
    """The roads to all other partitions. Lives on one event loop."""

    def __init__(
        self,
        tables: Tables,
        share: Share,
        propose: Callable[[RecordBody], None],
        failed: Callable[[StorageError], None],
    ) -> None:
        """Begin with no partition in reach.

        Args:
            tables: hold what is to be shipped.
            share: says which partition this is.
            propose: appends a record.
            failed: is told why the outbox cannot be read: nothing of it would ever arrive.
        """
        others = [index for index in range(share.count) if index != share.index]
        self._roads = {other: Road(tables, share.index, other, propose, failed) for other in others}

    def ship(self, action: Ship) -> None:
        """Ship what the outbox now holds for a partition, as soon as that can be reached."""
        self._roads[action.destination].extend(action.number)

    def open(self, destination: int, taken: int, send: Send) -> None:
        """Begin to ship to a partition.

        Args:
            destination: its number.
            taken: number of the last message that it has taken.
            send: puts a parcel on its way.

        Raises:
            DivergedError: it cannot have taken what it says.
        """
        self._roads[destination].open(taken, send)

    def close(self, destination: int) -> None:
        """Ship nothing more to a partition; what was on the way may be lost."""
        self._roads[destination].close()

    def acknowledged(self, destination: int, upto: int) -> None:
        """Hear that a partition has durably taken all messages up to a number."""
        self._roads[destination].acknowledged(upto)

    def stop(self) -> None:
        """Ship nothing more to anyone."""
        for road in self._roads.values():
            road.close()


class Road:
    """The way to one partition."""

    def __init__(
        self,
        tables: Tables,
        source: int,
        destination: int,
        propose: Callable[[RecordBody], None],
        failed: Callable[[StorageError], None],
    ) -> None:
        self._tables = tables
        self._source = source
        self._destination = destination
        self._propose = propose
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        #: None while the partition cannot be reached.
        self._send: Send | None = None
        #: Numbers of the last message there is, that was sent, taken, and forgotten.
        self._last = self._sent = self._taken = self._forgotten = 0
        #: Last number and payload of each parcel on the way, and all of them together.
        self._parcels: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._departure: asyncio.Handle | None = None
        self._forgetting: asyncio.TimerHandle | None = None

    def extend(self, number: int) -> None:
        """Take note that there are messages up to a number."""
        self._last = number
        self._plan()

    def open(self, taken: int, send: Send) -> None:
        """Begin behind what was taken."""
        self._last, shipped = self._fact(SENT), self._fact(SHIPPED)
        if not shipped <= taken <= self._last:
            raise DivergedError(self._source, self._destination)
        self._send = send
        self._sent = self._taken = taken
        self._forgotten = shipped
        self._parcels.clear()
        self._bytes = 0
        self._forget_soon()
        self._plan()

    def close(self) -> None:
        """Send nothing more."""
        self._send = None
        for planned in (self._departure, self._forgetting):
            if planned is not None:
                planned.cancel()
        self._departure = self._forgetting = None

    def acknowledged(self, upto: int) -> None:
        """Make room for further parcels."""
        if self._send is None or upto <= self._taken:
            return
        self._taken = upto
        while self._parcels and self._parcels[0][0] <= upto:
            self._bytes -= self._parcels.popleft()[1]
        self._forget_soon()
        self._plan()

    def _fact(self, name: bytes) -> int:
        return self._tables.facts.get(partition_fact(name, self._destination)) or 0

    def _plan(self) -> None:
        """Send in a turn of the loop of its own: what one turn brings goes together."""
        if self._departure is None and self._send is not None and self._sent < self._last:
            self._departure = self._loop.call_soon(self._depart)

    def _depart(self) -> None:
        """Send what there is, as far as the window allows."""
        self._departure = None
        while (
            self._send is not None
            and self._sent < self._last
            and self._sent - self._taken < WINDOW_MESSAGES
            and self._bytes < WINDOW_BYTES
        ):
            try:
                parcel, size = self._load()
            except StorageError as error:
                self._failed(error)
                return
            self._sent += len(parcel.messages)
            self._parcels.append((self._sent, size))
            self._bytes += size
            self._send(parcel)

    def _load(self) -> tuple[Delivered, int]:
        """Read the next parcel, and say what its payloads come to."""
        first, size = self._sent + 1, 0
        messages: list[Message] = []
        for number in range(first, min(self._last, self._sent + PARCEL_MESSAGES) + 1):
            message = self._tables.outbox.get(outbox_key(self._destination, number))
            if message is None:
                raise DivergedError(self._source, self._destination)
            messages.append(message)
            size += payload_bytes(message)
            if size >= PARCEL_BYTES:
                break
        return Delivered(self._source, first, tuple(messages)), size

    def _forget_soon(self) -> None:
        if self._taken - self._forgotten >= FORGET_MESSAGES:
            self._forget()
        elif self._forgetting is None and self._taken > self._forgotten:
            self._forgetting = self._loop.call_later(FORGET_S, self._forget)

    def _forget(self) -> None:
        """Take out of the table what was taken; it would only be sent again otherwise."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        self._forgotten = self._taken
        self._propose(Shipped(self._destination, self._taken))


def payload_bytes(message: Message) -> int:
    """Give the size of what a message carries, roughly, in bytes."""
    match message:
        case Invoke(input=given):
            return len(given.value.content)
        case Respond(result=result) | SignalReceived(result=result):
            match result:
                case Value(content):
                    return len(content)
                case Failure(message=text):
                    return len(text)
    return 0
