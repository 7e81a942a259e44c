"""Laws of several partitions: whatever lies between them, they come to the same."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joined import Joined, chances
from programs import Program, choices
from watched_tables import MemoryStore, WatchedTables

from perdure.core.machine.apply import Machine

LAW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: What is said, and what happens on the way between the partitions behind it.
turns = st.integers(0, 30).flatmap(
    lambda size: st.lists(
        st.tuples(choices, st.lists(chances, max_size=4)), min_size=size, max_size=40
    )
)
#: One partition alone comes to what all come to together.
counts = st.integers(1, 4)


def play(count, program) -> Joined:
    joined = Joined(count)
    playing = Program(joined)
    for choice, happenings in program:
        playing.happen(choice)
        for chance in happenings:
            joined.happen(chance)
        joined.check()
    return joined


@LAW
@given(counts, turns)
def test_what_is_lost_repeated_or_late_on_the_way_changes_nothing(count, program):
    joined = play(count, program)
    joined.settle()
    joined.check()
    joined.check_as_one()


@LAW
@given(counts, turns)
def test_every_partition_is_a_fold_of_its_log(count, program):
    for world in play(count, program).worlds:
        machine = Machine(WatchedTables(MemoryStore()), world.share)
        assert [machine.apply(record)[1] for record in world.records] == world.replies
        world.flush()
        assert {key: value for key, value in machine.tables.flush() if value} == {
            key: value for key, value in world.store.held.items() if value
        }
