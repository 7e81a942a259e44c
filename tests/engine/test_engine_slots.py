"""Slots: how many attempts are open at once, and who makes room for whom."""

from __future__ import annotations

import asyncio

from engine_world import RELAY, A, B, C, ident, invoke, propose, running, settled, until
from scripted_host import ScriptedHost, ended, on, returns

from perdure.core.model.verdicts import Verdict
from perdure.engine import invoker
from perdure.protocol.messages import AwaitingOn, Call, Completion, Signal, Sleep, Suspension, Value


async def test_no_more_attempts_are_open_than_there_are_slots():
    world = await running(slots=2)
    propose(world, *(invoke(ident(name)) for name in "ABCDE"))
    await settled()
    assert len(world.host.sessions) == 2
    assert world.engine._invoker.open_attempts == 2
    assert world.engine._invoker.count_queued() == 3

    world.host.sessions[0].say(*ended())
    await settled()
    assert len(world.host.sessions) == 3
    assert world.engine._invoker.count_queued() == 2
    await world.stop()


async def test_who_waits_for_a_slot_gets_one_in_the_order_of_arrival():
    world = await running(slots=1)
    names = "ABCDE"
    propose(world, *(invoke(ident(name)) for name in names))
    for _ in names:
        await settled()
        world.host.last.say(*ended())
    await settled()
    assert [each.start.id for each in world.host.sessions] == [ident(name) for name in names]
    await world.stop()


async def test_handlers_that_end_at_once_do_not_start_each_other_within_themselves():
    world = await running(ScriptedHost(greet=returns()), slots=1)
    propose(world, *(invoke(ident(str(number))) for number in range(2_000)))
    await until(lambda: len(world.host.sessions) == 2_000)
    await settled()
    assert world.engine._invoker.count_queued() == 0
    await world.stop()


async def test_others_have_their_turn_while_many_get_a_slot(monkeypatch):
    monkeypatch.setattr(invoker, "SLICE_S", -1.0)
    world = await running(slots=3)
    propose(world, *(invoke(ident(name)) for name in "ABCDEF"))
    await settled()
    for session in tuple(world.host.sessions):
        session.say(*ended())
    counts: list[int] = []
    while len(world.host.sessions) < 6:
        counts.append(len(world.host.sessions))
        await asyncio.sleep(0)
    assert {3, 4, 5} <= set(counts)
    await world.stop()


async def test_what_was_killed_while_it_waited_for_a_slot_is_not_started():
    world = await running(slots=1)
    propose(world, invoke(A), invoke(B), invoke(C))
    await settled()
    assert await world.engine.requests.kill(B) is Verdict.DONE
    world.host.last.say(*ended())
    await settled()
    assert [each.start.id for each in world.host.sessions] == [A, C]
    await world.stop()


async def test_a_parent_that_waits_gives_its_slot_to_its_child():
    call = Call("Greeter", "greet", b"", 1, 2)

    def relay(session):
        done = [each for each in session.heard if isinstance(each, Completion)]
        if any(each.completion_id == 2 for each in done):
            session.say(*ended(b"relayed"))
        elif session.input_closed:
            session.say(Suspension(on(2)))
        elif session.start.known_entries == 1 and not session.news:
            session.say(call, AwaitingOn(on(2)))

    world = await running(ScriptedHost(relay=relay, greet=returns(b"child")), slots=1)
    async with asyncio.timeout(5):
        answer = await world.engine.requests.call(invoke(A, RELAY))
    assert answer.outcome == Value(b"relayed")
    assert [each.address for each in world.host.sessions] == [
        "Greeter/relay",
        "Greeter/greet",
        "Greeter/relay",
    ]
    await world.stop()


async def test_only_those_who_just_wait_are_asked_to_make_room():
    world = await running(slots=2)
    propose(world, invoke(A), invoke(B))
    await settled()
    busy, idle = world.host.sessions
    idle.say(Sleep(world.clock.now_ms() + 60_000, 1), AwaitingOn(on(1)))
    await settled()
    assert not idle.input_closed, "nobody waits for a slot"
    propose(world, invoke(C))
    await asyncio.sleep(0.2)
    assert idle.input_closed
    assert not busy.input_closed
    assert len(world.host.sessions) == 2, "its slot is free once it has suspended"
    idle.say(Suspension(on(1)))
    await settled()
    assert world.host.last.start.id == C
    await world.stop()


async def test_those_who_begin_to_wait_later_make_room_then():
    world = await running(slots=1)
    propose(world, invoke(A), invoke(B))
    await asyncio.sleep(1)
    (first,) = world.host.sessions
    first.say(Sleep(world.clock.now_ms() + 60_000, 1), AwaitingOn(on(1)))
    await asyncio.sleep(0.2)
    assert first.input_closed
    await world.stop()


async def test_who_was_asked_to_suspend_hears_nothing_more_and_misses_nothing():
    world = await running()
    propose(world, invoke())
    await settled()
    first = world.host.last
    first.say(AwaitingOn(on(signals=(17,))))
    world.engine._invoker._open[A].close_input()
    assert await world.engine.requests.signal(A, 17, Value(b"now"))
    assert first.news == []
    first.say(Suspension(on(signals=(17,))))
    await settled()
    assert world.host.last.journal[1:] == [Signal(17, Value(b"now"))]
    await world.stop()
