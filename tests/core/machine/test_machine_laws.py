"""Laws of the machine: whatever happens, in whatever order."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from programs import Program, choices, programs
from watched_tables import MemoryStore, WatchedTables
from world import World

from perdure.core.machine.apply import Machine
from perdure.core.model.records import (
    AnnounceLeader,
    Expire,
    Invoke,
    Kill,
    Pause,
    Purge,
    PurgeJournal,
    RestartAsNew,
    Resume,
    TimerFired,
    TimersFired,
)

LAW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: Saying these twice is saying them once; a signal, by the protocol, is not.
IDEMPOTENT = (
    AnnounceLeader,
    Expire,
    Invoke,
    Kill,
    Pause,
    Purge,
    PurgeJournal,
    RestartAsNew,
    Resume,
    TimersFired,
)


@LAW
@given(programs)
def test_every_invariant_holds_after_every_record(program):
    Program().play(program)


@LAW
@given(programs, st.data())
def test_a_restart_at_any_point_changes_nothing(program, data):
    straight = Program().play(program)
    restarted = World()
    points = data.draw(st.sets(st.integers(0, max(0, len(straight.records) - 1)), max_size=6))
    for index, record in enumerate(straight.records):
        if index in points:
            restarted.restart()
        restarted.replay(record)
    assert restarted.image.held == straight.image.held
    assert restarted.replies == straight.replies


@LAW
@given(programs)
def test_the_same_records_give_the_same_bytes(program):
    first, second = Program().play(program), World()
    for record in first.records:
        second.replay(record)
        if len(second.records) % 3 == 0:
            second.flush()
    second.flush()
    assert second.store.held == first.image.held
    assert second.replies == first.replies


@LAW
@given(programs, st.integers(1, 3))
def test_a_record_in_pieces_comes_to_the_same(program, size):
    whole, pieces = (Machine(WatchedTables(MemoryStore())) for _ in range(2))
    for index, record in enumerate(Program().play(program).records):
        actions, reply = pieces.apply(record, size)
        while pieces.unfinished:
            if index % 2:
                pieces.finish()
            actions += pieces.go_on(size)
        assert (actions, reply) == whole.apply(record)
    assert pieces.tables.flush() == whole.tables.flush()


@LAW
@given(programs)
def test_timers_that_fire_together_do_what_each_does_in_a_record_of_its_own(program):
    together, alone = (Machine(WatchedTables(MemoryStore())) for _ in range(2))
    for record in Program().play(program).records:
        actions, _ = together.apply(record)
        bodies = [record.body]
        if isinstance(record.body, TimersFired):
            bodies = [TimerFired(timer) for timer in record.body.timers]
        assert actions == [
            one for body in bodies for one in alone.apply(replace(record, body=body))[0]
        ]
    assert together.tables.flush() == alone.tables.flush()


@LAW
@given(programs, choices)
def test_what_is_said_twice_counts_once(program, choice):
    playing = Program()
    world = playing.play(program)
    heard = len(world.records)
    playing.happen(choice)
    last = world.records[heard:][-1:]
    if not last or not isinstance(last[0].body, IDEMPOTENT):
        return
    before = world.image.held
    world.replay(last[0])
    assert world.image.held == before
