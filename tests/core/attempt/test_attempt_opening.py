"""The first messages of an attempt."""

from __future__ import annotations

import pytest
from attempt_values import ME, NOW, OTHER, run, slept
from msgspec.structs import replace

from perdure.core.attempt.opening import EAGER_STATE_BYTES_MAX, eager_state, opening
from perdure.core.model.invocations import Invocation, Origin, Retention, Running, Suspended
from perdure.core.model.journals import JournalEntry, JournalSize
from perdure.core.model.targets import HandlerKind, Target
from perdure.protocol.ids import invocation_text, random_seed
from perdure.protocol.messages import Future, Input, Sleep, Value

INPUT = Input(Value(b"in"), (("content-type", "text/plain"),))
ADD = Target("Counter", "add", HandlerKind.EXCLUSIVE, "k")
FIRST = Running()


def row(entries: int = 1, *, status=FIRST, modified_at: int = NOW) -> Invocation:
    return Invocation(
        target=ADD,
        status=status,
        created_at=NOW,
        modified_at=modified_at,
        retention=Retention(0, 0),
        journal=JournalSize(entries, entries),
    )


def entries(*messages) -> list[JournalEntry]:
    return [JournalEntry(NOW, message) for message in messages]


def test_the_journal_follows_the_start_in_its_order():
    journal = (INPUT, Sleep(1, 1), slept(1), run(2))
    start, *rest = opening(ME, row(4), entries(*journal), None, NOW)
    assert start.known_entries == 4
    assert tuple(rest) == journal


def test_the_start_tells_who_runs():
    start = opening(ME, row(), entries(INPUT), None, NOW)[0]
    assert start.id == ME
    assert start.debug_id == invocation_text(ME)
    assert start.key == "k"
    assert start.random_seed is None, "it follows from the id"
    assert start.idempotency_key is None


def test_the_start_tells_whose_random_numbers_go_on():
    seeded = replace(row(), origin=Origin(restart_of=ME, seeded_by=OTHER))
    assert opening(ME, seeded, entries(INPUT), None, NOW)[0].random_seed == random_seed(OTHER)


def test_the_start_tells_how_often_and_how_long_it_went_wrong():
    failing = row(status=Running(failures=5, failures_since_progress=2), modified_at=NOW - 1_500)
    start = opening(ME, failing, entries(INPUT), None, NOW)[0]
    assert start.retry_count_since_last_stored_entry == 2
    assert start.duration_since_last_stored_entry == 1_500


def test_a_clock_that_was_set_back_makes_no_negative_duration():
    start = opening(ME, row(modified_at=NOW + 1), entries(INPUT), None, NOW)[0]
    assert start.duration_since_last_stored_entry == 0


@pytest.mark.parametrize(
    ("state", "state_map", "partial"),
    [
        (None, (), True),
        ([], (), False),
        ([(b"a", b"1"), (b"b", b"2")], ((b"a", b"1"), (b"b", b"2")), False),
    ],
)
def test_state_comes_whole_or_is_read_lazily(state, state_map, partial):
    start = opening(ME, row(), entries(INPUT), state, NOW)[0]
    assert (start.state_map, start.partial_state) == (state_map, partial)


def test_state_stops_before_the_entry_that_exceeds_the_bound():
    half = bytes(EAGER_STATE_BYTES_MAX // 2 - 1)
    fits = [(b"a", half), (b"b", half)]
    assert eager_state(fits) == (tuple(fits), False)
    assert eager_state([*fits, (b"c", b"")]) == (tuple(fits), True)
    assert eager_state([(b"a", half), (b"b", half + b"1"), (b"c", b"")]) == ((fits[0],), True)


def test_state_beyond_the_bound_is_not_even_read():
    def rows():
        yield b"a", bytes(EAGER_STATE_BYTES_MAX)
        raise AssertionError("the first row was too large")

    assert eager_state(rows()) == ((), True)


def test_a_journal_that_is_not_as_long_as_its_row_says_is_a_defect():
    with pytest.raises(AssertionError, match="as long as its row says"):
        opening(ME, row(2), entries(INPUT), None, NOW)


def test_only_what_runs_is_opened():
    with pytest.raises(AssertionError):
        opening(ME, row(status=Suspended(Future((1,)))), entries(INPUT), None, NOW)
