"""Sleepers that are due at once: few records, and each wakes as if it were alone."""

from __future__ import annotations

import asyncio

import pytest
from engine_world import ADD, GREET, A, B, C, EngineWorld, ident, invoke, running, settled, until
from scripted_host import ScriptedHost, ScriptedSession, ended, on, returns

from perdure.core.model.records import Invoke, TimersFired
from perdure.core.model.timers import Timer, TimerKind
from perdure.engine.partition import ACTIONS_MAX
from perdure.engine.timers import BURST, TOGETHER
from perdure.protocol.messages import (
    VOID,
    Completion,
    CompletionKind,
    Error,
    Sleep,
    Suspension,
)

#: Less than what makes an open attempt suspend.
SLEEP_MS = 30_000


def slept(number: int) -> Completion:
    return Completion(CompletionKind.SLEEP, number, VOID)


def sleeps_then_ends(session: ScriptedSession) -> None:
    """Sleep until a moment that all have in common, then end."""
    if slept(1) in session.heard:
        session.say(*ended())
    elif len(session.heard) == 2 and not session.input_closed:
        session.say(Sleep(wake_at(), 1), Suspension(on(1)))


def wake_at() -> int:
    """Give the common moment, by the clock of the virtual loop."""
    return 1_700_000_000_000 + SLEEP_MS


def fired(world: EngineWorld) -> list[tuple[Timer, ...]]:
    """Give what fired, by record."""
    return [body.timers for body in world.proposed() if isinstance(body, TimersFired)]


async def asleep(count: int, host: ScriptedHost) -> tuple[EngineWorld, list]:
    world = await running(host)
    names = [ident(f"s{number}") for number in range(count)]
    for name in names:
        await world.engine.requests.submit(invoke(name))
    await settled()
    assert {world.status(name) for name in names} == {"Suspended"}
    return world, names


@pytest.mark.parametrize("count", [1, ACTIONS_MAX + 1, TOGETHER, 3 * TOGETHER + 7])
async def test_all_wake_once_and_go_into_as_few_records_as_can_be(count):
    world, names = await asleep(count, ScriptedHost(greet=sleeps_then_ends))
    await asyncio.sleep(SLEEP_MS / 1000 + 1)
    await until(lambda: all(world.status(name) == "Completed" for name in names), 60)
    records = fired(world)
    assert len(records) == -(-count // TOGETHER)
    assert sorted(timer.invocation_id for timers in records for timer in timers) == sorted(names)
    assert len(world.host.sessions) == 2 * count
    await world.stop()


@pytest.mark.parametrize("turns", range(8))
async def test_a_crash_at_any_moment_loses_no_one_and_wakes_no_one_twice(turns):
    world, names = await asleep(TOGETHER + 9, ScriptedHost(greet=sleeps_then_ends))
    await asyncio.sleep((wake_at() - world.clock.now_ms()) / 1000)
    for _ in range(turns):
        await asyncio.sleep(0)
    await world.crash()
    await until(lambda: all(world.status(name) == "Completed" for name in names), 60)
    for name in names:
        assert world.journal(name).count(slept(1)) == 1
    await world.stop()


async def test_a_record_that_comes_again_wakes_no_one():
    world, names = await asleep(3, ScriptedHost(greet=sleeps_then_ends))
    await asyncio.sleep(SLEEP_MS / 1000 + 1)
    sessions = len(world.host.sessions)
    world.engine.partition.propose(TimersFired(fired(world)[0]))
    await settled()
    assert len(world.host.sessions) == sessions
    assert [world.journal(name).count(slept(1)) for name in names] == [1, 1, 1]
    await world.stop()


@pytest.mark.parametrize("slots", [1, 1000])
async def test_two_sleeps_in_one_record_are_both_in_the_attempt_that_the_first_one_starts(slots):
    world = await running(slots=slots)
    await world.engine.requests.submit(invoke())
    due = world.clock.now_ms() + SLEEP_MS
    world.host.last.say(Sleep(due, 1), Sleep(due, 2), Suspension(on(1)))
    await settled()
    await asyncio.sleep(SLEEP_MS / 1000 + 1)
    assert [len(timers) for timers in fired(world)] == [2]
    assert len(world.host.sessions) == 2
    assert world.host.last.journal[3:] == [slept(1), slept(2)]
    assert world.host.last.news == [], "what the replay held is not told again"
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


async def test_who_suspends_between_two_of_its_sleeps_is_woken_by_the_second_one():
    """The handler speaks while it is told of the first; the second is in its journal already."""

    def script(session: ScriptedSession) -> None:
        if slept(2) in session.heard:
            session.say(*ended())
        elif session.news == [slept(1)]:
            session.say(Suspension(on(2)))

    world = await running(ScriptedHost(greet=script))
    await world.engine.requests.submit(invoke())
    due = world.clock.now_ms() + SLEEP_MS
    world.host.last.say(Sleep(due, 1), Sleep(due, 2))
    await asyncio.sleep(SLEEP_MS / 1000 + 1)
    assert [len(timers) for timers in fired(world)] == [2]
    assert world.status() == "Completed"
    assert world.journal().count(slept(2)) == 1
    await world.stop()


async def test_who_was_scheduled_on_one_key_runs_one_after_the_other():
    world = await running(ScriptedHost(add=returns()))
    at = world.clock.now_ms() + SLEEP_MS
    for name in (A, B, C):
        await world.engine.requests.submit(invoke(name, ADD, execution_time=at))
    await asyncio.sleep(SLEEP_MS / 1000 + 1)
    assert [[timer.kind for timer in timers] for timers in fired(world)] == [[TimerKind.START] * 3]
    assert [world.status(name) for name in (A, B, C)] == ["Completed"] * 3
    assert len(world.host.sessions) == 3
    await world.stop()


async def test_a_retry_and_a_sleep_of_one_invocation_start_one_attempt():
    world = await running()
    await world.engine.requests.submit(invoke())
    due = world.clock.now_ms() + SLEEP_MS
    world.host.last.say(Sleep(due, 1), Error(500, "no", next_retry_delay=SLEEP_MS))
    await settled()
    kinds = [timer.kind for timer in sorted(world.engine._timers._heap)]
    assert kinds == [TimerKind.SLEEP, TimerKind.RETRY]
    await asyncio.sleep(SLEEP_MS / 1000 + 1)
    assert [len(timers) for timers in fired(world)] == [2]
    assert len(world.host.sessions) == 2
    assert world.host.last.journal[2:] == [slept(1)]
    assert world.host.last.news == []
    await world.stop()


async def test_others_are_served_while_thousands_wake():
    world, names = await asleep(1_000, ScriptedHost(greet=sleeps_then_ends))
    await asyncio.sleep((wake_at() - world.clock.now_ms()) / 1000)
    before = len(list(world.proposed()))
    await world.engine.requests.submit(invoke(A, GREET))
    bodies = list(world.proposed())[before:]
    place = next(number for number, body in enumerate(bodies) if isinstance(body, Invoke))
    ahead = sum(len(body.timers) for body in bodies[:place] if isinstance(body, TimersFired))
    assert ahead <= BURST
    await until(lambda: all(world.status(name) == "Completed" for name in names), 60)
    await world.stop()
