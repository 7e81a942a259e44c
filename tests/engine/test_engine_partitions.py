"""Engines of several partitions: what they send each other arrives once, whoever crashes when."""

from __future__ import annotations

import asyncio

import pytest
from engine_world import IN, EngineWorld, invoke, settled, until
from scripted_host import ScriptedHost, ended, first_says, on

from perdure.core.model.records import Delivered, Shipped
from perdure.core.model.shares import share_of
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.outbox import FORGET_S
from perdure.protocol.ids import InvocationId, keyed_partition_key
from perdure.protocol.messages import Call, OneWayCall, Suspension, Value

COUNT = 2
#: Keys of the one partition and of the other.
KEYS = ("x", "b")
PARENT, CHILD = (Target("Counter", "add", HandlerKind.EXCLUSIVE, key) for key in KEYS)
A, B = (InvocationId(keyed_partition_key(key) + b"caller".rjust(16)) for key in KEYS)


class Company:
    """The partitions of one server, and links between them that are as long-lived as both ends."""

    def __init__(self, *hosts: ScriptedHost) -> None:
        self.worlds = [
            EngineWorld(host, share_of(index, COUNT)) for index, host in enumerate(hosts)
        ]
        #: How often each has begun.
        self._lives = [0] * COUNT
        #: Whether parcels and acknowledgements are lost.
        self.lossy = False

    async def start(self) -> None:
        for world in self.worlds:
            await world.start()
        self.connect()

    def connect(self) -> None:
        """Begin new links."""
        self._lives = [life + 1 for life in self._lives]
        for source, destination in ((0, 1), (1, 0)):
            self._connect(source, destination)

    def _connect(self, source: int, destination: int) -> None:
        here, there = self.worlds[source].engine, self.worlds[destination].engine
        loop, lives = asyncio.get_running_loop(), list(self._lives)

        def send(parcel: Delivered) -> None:
            loop.call_soon(arrive, parcel)

        def arrive(parcel: Delivered) -> None:
            if not self.lossy and lives == self._lives:
                there.intake.take(parcel, lambda upto: loop.call_soon(acknowledge, upto))

        def acknowledge(upto: int) -> None:
            if not self.lossy and lives == self._lives:
                here.outbox.acknowledged(destination, upto)

        here.outbox.open(destination, there.intake.taken(source), send)

    async def crash(self, *partitions: int) -> None:
        """Let processes die, and with them all links."""
        self._lives = [0] * COUNT
        for index in partitions:
            await self.worlds[index].crash()
        for index, world in enumerate(self.worlds):
            for other in range(COUNT):
                if other != index:
                    world.engine.outbox.close(other)
        self.connect()

    async def stop(self) -> None:
        for world in self.worlds:
            assert {str(failure) for failure in world.failures} <= {"crashed"}
            await world.stop()


def calls(number: int = 1) -> ScriptedHost:
    """Call the other partition's object, and end with its answer."""

    def script(session):
        if session.input_closed:
            return
        if session.start.known_entries > 3:
            session.say(*ended(b"parent"))
        elif session.start.known_entries == 1:
            session.say(
                Call("Counter", "add", b"in", number, number + 1, key=KEYS[1]),
                Suspension(on(number + 1)),
            )

    return ScriptedHost(add=script)


def answers(content: bytes = b"child") -> ScriptedHost:
    return ScriptedHost(add=first_says(*ended(content)))


async def company(*hosts: ScriptedHost) -> Company:
    made = Company(*hosts)
    await made.start()
    return made


async def test_a_call_of_another_partition_is_answered():
    both = await company(calls(), answers())
    here, there = both.worlds
    await here.engine.requests.submit(invoke(A, PARENT))
    answer = await here.engine.requests.attach(A)
    assert answer.outcome == Value(b"parent")
    assert len(there.host.sessions) == 1
    await asyncio.sleep(FORGET_S)
    await settled()
    for world in both.worlds:
        assert world.engine.partition.tables.outbox.scan(b"", b"\xff" * 10, 1) == []
    await both.stop()


@pytest.mark.parametrize("who", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("turns", range(24))
async def test_a_crash_is_only_a_delay(who, turns):
    both = await company(calls(), answers())
    here, there = both.worlds
    await here.engine.requests.submit(invoke(A, PARENT))
    for _ in range(turns):
        await asyncio.sleep(0)
    await both.crash(*who)
    answer = await here.engine.requests.attach(A)
    assert answer.outcome == Value(b"parent")
    taken = [each.messages for each in there.proposed() if isinstance(each, Delivered)]
    assert {len(messages) for messages in taken} == {1}
    ended_rows = [there.status(who) for who in children(there)]
    assert ended_rows == ["Completed"]
    await both.stop()


def children(world: EngineWorld) -> list[InvocationId]:
    rows = world.engine.partition.tables.invocations.scan(b"", b"\xff" * 25, 10)
    return [InvocationId(key) for key, _ in rows]


async def test_what_was_lost_is_shipped_over_the_next_link():
    both = await company(calls(), answers())
    here, there = both.worlds
    both.lossy = True
    await here.engine.requests.submit(invoke(A, PARENT))
    await asyncio.sleep(10)
    assert here.status(A) == "Suspended"
    assert children(there) == []
    both.lossy = False
    await both.crash()
    assert (await here.engine.requests.attach(A)).outcome == Value(b"parent")
    await both.stop()


async def test_messages_arrive_in_the_order_of_sending():
    sends = [OneWayCall("Counter", "add", b"%d" % n, n, key=KEYS[1]) for n in range(1, 600)]
    seen = []

    def take(session):
        if not session.input_closed and session.start.known_entries == 1:
            seen.append(session.journal[0].value.content)
            session.say(*ended())

    both = await company(ScriptedHost(add=first_says(*sends, *ended())), ScriptedHost(add=take))
    await both.worlds[0].engine.requests.submit(invoke(A, PARENT))
    await until(lambda: len(seen) == len(sends))
    assert seen == [send.parameter for send in sends]
    await asyncio.sleep(FORGET_S)
    forgotten = [each for each in both.worlds[0].proposed() if isinstance(each, Shipped)]
    assert len(forgotten) <= 3, "not a record a message"
    assert forgotten[-1].upto == len(sends)
    await both.stop()


async def test_a_request_that_nothing_names_runs_where_it_was_made():
    greeted = ScriptedHost(
        add=first_says(OneWayCall("Greeter", "greet", b"", 1), *ended()),
        greet=first_says(*ended()),
    )
    both = await company(answers(), greeted)
    await both.worlds[1].engine.requests.submit(invoke(B, CHILD))
    await settled()
    assert [session.address for session in greeted.sessions] == ["Counter/add", "Greeter/greet"]
    assert greeted.sessions[0].journal[0] == IN
    await both.stop()
