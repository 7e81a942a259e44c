"""Several partitions in a test, and what connects them: it loses, repeats, delays and reorders.

Beside them stands what they must come to: one set of tables in which messages between shares go
over channels that do nothing of the kind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from hypothesis import strategies as st
from images import Image, stored_bytes
from invariants import check_all, partitions_agree
from msgspec.structs import replace
from telling import Telling
from watched_tables import MemoryStore, WatchedTables
from world import World

from perdure.core.machine.actions import Action
from perdure.core.machine.apply import HANDLERS
from perdure.core.machine.outbox import addressee
from perdure.core.machine.step import Step
from perdure.core.model.invocations import Invocation
from perdure.core.model.records import (
    AnnounceLeader,
    Delivered,
    Expire,
    Message,
    MutateState,
    Progress,
    Record,
    RecordBody,
    Respond,
    Shipped,
    TimersFired,
)
from perdure.core.model.shares import Share, share_of
from perdure.core.model.timers import Timer
from perdure.core.model.verdicts import Reply
from perdure.core.tables.keys import object_group, partition_fact
from perdure.core.tables.tables import TAKEN
from perdure.protocol.ids import InvocationId

#: Of all partitions together, each has its own.
_OWN = frozenset({b"m", b"o"})


class Happening(IntEnum):
    """What may happen between partitions."""

    SHIP = 0
    ARRIVE = 1
    ARRIVE_AND_COME_AGAIN = 2
    GET_LOST = 3
    FORGET = 4
    CRASH = 5
    FLUSH = 6


class Chance(NamedTuple):
    """One happening, and the numbers that pick where and how much."""

    what: Happening
    where: int
    how: int


_SMALL = st.integers(0, 15)
_MOSTLY = (Happening.SHIP, Happening.ARRIVE) * 3
chances = st.builds(Chance, st.sampled_from([*Happening, *_MOSTLY]), _SMALL, _SMALL)


class Together:
    """The tables of all shares in one, and channels that are in order and lose nothing."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self.tables = WatchedTables(MemoryStore())
        count = range(share.count)
        self.channels: dict[tuple[int, int], deque[Message]] = {
            (source, destination): deque() for source in count for destination in count
        }

    def apply(self, here: int, now: int, body: RecordBody) -> Reply:
        """Apply a record in one share."""
        step = Step(self.tables, now)
        reply = HANDLERS[type(body)](step, body)
        self._deliver(here, step)
        return reply

    def take(self, source: int, here: int, now: int, count: int) -> None:
        """Let some of what one share sent another arrive."""
        step = Step(self.tables, now)
        for _ in range(count):
            step.deliver(self.channels[source, here].popleft())
        self._deliver(here, step)

    def _deliver(self, here: int, step: Step) -> None:
        while step.deliveries:
            message = step.deliveries.popleft()
            owner = self._share.owner(addressee(message))
            if owner == here:
                HANDLERS[type(message)](step, message)
            else:
                self.channels[here, owner].append(message)


class Joined(Telling):
    """The partitions of one server."""

    def __init__(self, count: int) -> None:
        self.worlds = [World(share=share_of(index, count)) for index in range(count)]
        self.now = self.worlds[0].now
        self.epoch = 0
        self.actions: list[Action] = []
        self.records: list[Record] = []
        self.together = Together(share_of(0, count))
        #: Parcels on the way, with the partition that they go to.
        self._parcels: list[tuple[int, Delivered]] = []

    # ------------------------------------------------------------------------------------------
    # What a program asks for

    @property
    def image(self) -> Image:
        """All tables as if they were one's."""
        held = {key: value for world in self.worlds for key, value in world.image.held.items()}
        return Image({key: value for key, value in held.items() if key[:1] not in _OWN})

    @property
    def attempts(self) -> Mapping[InvocationId, int]:
        """All open attempts."""
        return {who: number for world in self.worlds for who, number in world.attempts.items()}

    @property
    def armed(self) -> set[Timer]:
        """All timers."""
        return {timer for world in self.worlds for timer in world.armed}

    def row(self, who: InvocationId) -> Invocation:
        """Give the row of an invocation that has one."""
        return self.home(who).row(who)

    def home(self, who: bytes) -> World:
        """Give the partition that has what begins with a partition key."""
        return next(world for world in self.worlds if world.share.holds(who))

    def apply(self, body: RecordBody) -> Reply:
        """Apply a record where it belongs."""
        return self.replay(Record(self.epoch, self.now, body))

    def replay(self, record: Record) -> Reply:
        """Apply a record that was made elsewhere where it belongs."""
        self.records.append(record)
        self.now = max(self.now, record.now)
        whose = addressed(record.body)
        homes = self.worlds if whose is None else [self.home(whose)]
        replies = [self._apply(world, record) for world in homes]
        return replies[0]

    def expire(self, limit: int = 100) -> list[Action]:
        """Sweep whatever is due: a limit is each partition's own, and would tell them apart."""
        return super().expire(max(limit, 1_000))

    def fire(self, *timers: Timer) -> list[Action]:
        """Let timers ring, of which only their own partitions know."""
        for world in self.worlds:
            if own := [timer for timer in timers if world.share.holds(timer.invocation_id)]:
                world.armed.difference_update(own)
                super().fire(*own)
        return self.actions

    def _apply(self, world: World, record: Record) -> Reply:
        body = record.body
        world.epoch = self.epoch
        same = self._in_together(world, body)
        reply = world.replay(replace(record, now=self.now))
        if record.epoch == self.epoch and not isinstance(body, AnnounceLeader):
            told = self.together.apply(world.share.index, self.now, same)
            assert (reply is None) == (told is None)
        return reply

    def _in_together(self, world: World, body: RecordBody) -> RecordBody:
        """Let an attempt speak that is as new there as it is here: it has another number."""
        if not isinstance(body, Progress):
            return body
        here = world.tables.invocations.get(body.invocation_id)
        there = self.together.tables.invocations.get(body.invocation_id)
        if here is None or there is None or here.attempt != body.attempt:
            return replace(body, attempt=0)
        return replace(body, attempt=there.attempt)

    # ------------------------------------------------------------------------------------------
    # What happens between them

    def happen(self, chance: Chance) -> None:
        """Let one thing happen."""
        roads = [
            (source, other.share.index)
            for source in self.worlds
            for other in self.worlds
            if other is not source
        ]
        if not roads:
            return
        source, destination = roads[chance.where % len(roads)]
        match chance.what:
            case Happening.SHIP:
                self.ship(source, destination, chance.where % 3, 1 + chance.how)
            case Happening.ARRIVE if self._parcels:
                self.arrive(*self._parcels.pop(chance.how % len(self._parcels)))
            case Happening.ARRIVE_AND_COME_AGAIN if self._parcels:
                self.arrive(*self._parcels[chance.how % len(self._parcels)])
            case Happening.GET_LOST if self._parcels:
                self._parcels.pop(chance.how % len(self._parcels))
            case Happening.FORGET:
                taken = self.taken(source.share.index, destination)
                source.apply(Shipped(destination, max(0, taken - chance.how % 3)))
            case Happening.CRASH:
                source.restart()
            case Happening.FLUSH:
                source.flush()

    def ship(self, source: World, destination: int, skip: int, limit: int) -> None:
        """Put some messages of the outbox on the way: not always those whose turn it is."""
        outbox = source.image.outbox
        numbers = sorted(number for to, number in outbox if to == destination)[skip : skip + limit]
        if numbers:
            messages = tuple([outbox[destination, number] for number in numbers])
            parcel = Delivered(source.share.index, numbers[0], messages)
            self._parcels.append((destination, parcel))

    def arrive(self, destination: int, parcel: Delivered) -> None:
        """Let a parcel arrive; one that comes too early is dropped, and shipped again."""
        source, world = parcel.source, self.worlds[destination]
        taken, last = self.taken(source, destination), parcel.first + len(parcel.messages) - 1
        if parcel.first > taken + 1:
            return
        world.now = self.now
        world.apply(parcel)
        self.together.take(source, destination, self.now, max(0, last - taken))

    def taken(self, source: int, destination: int) -> int:
        """Say how many messages one partition has taken of another."""
        facts = self.worlds[destination].tables.facts
        return facts.get(partition_fact(TAKEN, source)) or 0

    def settle(self) -> None:
        """Let everything arrive that was sent, and be forgotten."""
        self._parcels.clear()
        while any(world.image.outbox for world in self.worlds):
            for source in self.worlds:
                for destination in sorted({to for to, _ in source.image.outbox}):
                    self.ship(source, destination, 0, 1_000)
                    self.arrive(*self._parcels.pop())
                    taken = self.taken(source.share.index, destination)
                    source.apply(Shipped(destination, taken))

    # ------------------------------------------------------------------------------------------
    # The checks

    def check(self) -> None:
        """Check that all is as it would be without anything between them."""
        images = [world.image for world in self.worlds]
        partitions_agree(images)
        for (source, destination), channel in self.together.channels.items():
            taken = self.taken(source, destination)
            waiting = sorted(images[source].outbox.items())
            late = [one for (to, number), one in waiting if to == destination and number > taken]
            assert late == list(channel), "what was not taken is not what was sent"
        there = Image(stored_bytes(self.together.tables, {}))
        assert without_attempts(self.image) == without_attempts(there)

    def check_as_one(self) -> None:
        """Check every invariant of all tables together."""
        seen = {who: number for world in self.worlds for who, number in world.seen.items()}
        check_all(Image(stored_bytes(self.together.tables, {})), seen)


def addressed(body: RecordBody) -> bytes | None:
    """Say in whose partition a record belongs; None for all of them."""
    match body:
        case AnnounceLeader() | Expire():
            return None
        case MutateState(service=service, key=key):
            return object_group(service, key)
        case TimersFired(timers):
            return timers[0].invocation_id
        case Respond(caller):
            return caller.invocation_id
        case _:
            return body.invocation_id


def without_attempts(image: Image) -> dict[str, object]:
    """Give what tables hold but the numbers of attempts, which each partition counts for itself."""
    tables = {
        name: value
        for name, value in vars(image).items()
        if name not in ("held", "claims", "touched", "facts", "outbox")
    }
    rows = {who: replace(row, attempt=0) for who, row in image.invocations.items()}
    return {**tables, "invocations": rows}
