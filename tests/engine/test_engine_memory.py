"""Attempts that would hold much, while open ones hold too much."""

from __future__ import annotations

from engine_world import A, B, C, ident, invoke, propose, running, settled
from scripted_host import ended

from perdure.engine.invoker import HEAVY_MAX
from perdure.engine.memory import LIGHT_BYTES
from perdure.protocol.messages import Input, Value

LIMIT = 1000
LARGE = Input(Value(bytes(LIGHT_BYTES + 1)))


async def full(**options):
    """Give a world whose open attempts hold as much as they may, and the count of it."""
    world = await running(memory_bytes=LIMIT, **options)
    memory = world.engine._invoker._memory
    memory.held += LIMIT
    return world, memory


def started(world) -> list:
    return [each.start.id for each in world.host.sessions]


async def test_who_would_hold_much_waits_and_others_go_past():
    world, memory = await full()
    propose(world, invoke(A, input=LARGE), invoke(B), invoke(C, input=LARGE))
    await settled()
    assert started(world) == [B]

    memory.release(1)
    await settled()
    assert started(world) == [B, A, C], "nothing is held in this process"
    await world.stop()


async def test_who_waits_starts_one_by_one_as_there_is_room():
    world, memory = await full()

    def holds(session):
        memory.held += LIMIT

    world.host.scripts["greet"] = holds
    propose(world, invoke(A, input=LARGE), invoke(B, input=LARGE))
    for expected in ([A], [A, B], [A, B]):
        memory.release(LIMIT)
        await settled()
        assert started(world) == expected
    assert memory.held == 0
    await world.stop()


async def test_who_waits_for_memory_then_waits_for_a_slot():
    world, memory = await full(slots=1)
    propose(world, invoke(A, input=LARGE), invoke(B), invoke(C))
    await settled()
    assert started(world) == [B]
    memory.release(LIMIT)
    await settled()
    assert started(world) == [B]
    world.host.last.say(*ended())
    await settled()
    assert started(world) == [B, A], "it came first"
    world.host.last.say(*ended())
    await settled()
    assert started(world) == [B, A, C]
    await world.stop()


async def test_what_was_killed_while_it_waited_is_not_started():
    world, memory = await full()
    propose(world, invoke(A, input=LARGE))
    await settled()
    await world.engine.requests.kill(A)
    memory.release(LIMIT)
    await settled()
    assert started(world) == []
    await world.stop()


async def test_so_many_may_wait_that_all_others_do():
    world, memory = await full()
    heavy = [ident(f"h{number}") for number in range(HEAVY_MAX)]
    propose(world, *(invoke(each, input=LARGE) for each in heavy), invoke(B))
    await settled()
    assert started(world) == []
    assert world.engine._invoker.count_queued() == 1
    memory.release(LIMIT)
    await settled()
    assert started(world) == [*heavy, B]
    await world.stop()


async def test_what_waits_is_started_after_a_crash():
    world, _ = await full()
    propose(world, invoke(A, input=LARGE))
    await settled()
    assert started(world) == []
    await world.crash()
    await settled()
    assert started(world) == [A]
    await world.stop()


async def test_a_server_that_stops_starts_nothing_that_waits():
    world, memory = await full()
    propose(world, invoke(A, input=LARGE))
    await settled()
    await world.stop()
    memory.release(LIMIT)
    await settled()
    assert started(world) == []
