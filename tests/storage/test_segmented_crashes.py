"""Crashes of a log in segments: what was not finished is cut, nothing else is lost."""

import errno
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segmented_world import FIRST, MARK, contents, killed, opened
from simulated_disk import Inode, PowerCut, SimulatedDisk

from perdure.engine.ports import LogFailedError
from perdure.storage.frames import encode
from perdure.storage.segments import FIRST_FRAME, name_of

# -- What a crash leaves


def test_the_last_frame_cut_at_any_byte_is_gone_and_the_rest_is_there():
    first, last = [b"one", b"two"], [b"three", b"", b"four"]
    disk = killed(first, last)
    start = FIRST_FRAME + len(encode(MARK, 1, first))
    end = start + len(encode(MARK, 3, last))
    whole = bytes(disk.seen_names[FIRST].seen)
    for cut in range(start, end + 1):
        for tail in (b"", bytes(64), bytes(len(whole) - cut)):
            damaged = SimulatedDisk({FIRST: Inode(whole[:cut] + tail)})
            records = opened(damaged)
            assert contents(records) == (first + last if cut == end else first), cut
            records.append([b"next"])
            assert contents(opened(damaged))[-1] == b"next"


@pytest.mark.parametrize("stain", [b"\x00", b"\xff", MARK])
def test_the_last_frame_stained_anywhere_is_gone(stain):
    first, last = [b"one"], [b"two" * 10]
    disk = killed(first, last)
    start = FIRST_FRAME + len(encode(MARK, 1, first))
    whole = bytes(disk.seen_names[FIRST].seen)
    for at in range(start, start + len(encode(MARK, 2, last)) - len(stain)):
        content = whole[:at] + stain + whole[at + len(stain) :]
        expected = first + last if content == whole else first
        assert contents(opened(SimulatedDisk({FIRST: Inode(content)}))) == expected


def test_what_was_cut_does_not_come_back_behind_shorter_records():
    disk = killed([b"one"], [b"x" * 100])
    whole = disk.seen_names[FIRST].seen
    whole[FIRST_FRAME + len(encode(MARK, 1, [b"one"])) + 5] ^= 1
    records = opened(disk)
    records.append([b"2"])
    assert contents(opened(disk.after_kill())) == [b"one", b"2"]


def test_an_empty_log_that_was_killed_opens_empty():
    assert opened(killed()).tail == 1


def test_a_segment_that_was_not_finished_is_forgotten():
    disk = killed([b"one"])
    disk.seen_names[name_of(2) + ".new"] = Inode(b"perd")
    assert contents(opened(disk)) == [b"one"]
    assert disk.names() == [FIRST]


def test_a_new_segment_without_records_is_the_end():
    disk = killed([b"a" * 100], [b"b" * 100], segment_bytes=150)
    whole = disk.seen_names[name_of(2)]
    del whole.seen[FIRST_FRAME:]
    records = opened(disk, 150)
    assert records.tail == 2
    records.append([b"again"])
    assert contents(records) == [b"a" * 100, b"again"]


def test_a_segment_named_by_a_process_that_was_killed_is_safe_before_it_is_used():
    disk = killed([b"a" * 100])
    records = opened(disk, 150)
    disk.cut_at = disk.steps + 5
    with pytest.raises(PowerCut):
        records.append([b"b" * 100])
    assert name_of(2) in disk.seen_names
    assert name_of(2) not in disk.safe_names
    again = disk.after_kill()
    opened(again, 150).append([b"c"])
    for seed in range(20):
        assert contents(opened(again.after_power_cut(Random(seed)), 150)) == [b"a" * 100, b"c"]


def test_a_record_that_holds_a_frame_is_not_taken_for_one():
    inner = bytes(encode(b"\x01\x02\x03\x04", 2, [b"inner"]))
    disk = killed([b"one"], [inner])
    disk.seen_names[FIRST].seen[FIRST_FRAME + len(encode(MARK, 1, [b"one"])) + 5] ^= 1
    assert contents(opened(disk)) == [b"one"]


def test_a_sync_that_fails_in_the_background_ends_the_log():
    disk = killed([b"one"])
    records = opened(disk)
    records.append([b"two"])
    disk.background, answers = [], []
    assert records.begin([b"three"], answers.append)
    assert contents(records) == [b"one", b"two"]
    disk.errors[disk.steps + 1] = errno.EIO
    disk.finish_syncs()
    (answer,) = answers
    assert isinstance(answer, LogFailedError)
    assert not records.begin([b"four"], answers.append)
    with pytest.raises(LogFailedError, match="start again"):
        records.append([b"four"])
    assert contents(records) == [b"one", b"two"]


# -- The law


plans = st.lists(
    st.one_of(
        st.lists(st.binary(max_size=60), max_size=3).map(lambda batch: ("append", batch)),
        st.lists(st.binary(max_size=20), max_size=3).map(lambda batch: ("begin", batch)),
        st.just(("trim", None)),
        st.just(("reopen", None)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(plan=plans, crashes=st.lists(st.integers(1, 60), min_size=1, max_size=4), seed=st.integers())
def test_whatever_was_acknowledged_survives_any_crash_at_any_step(plan, crashes, seed):
    """Run the plan, cut the power at drawn steps, also during recovery; then compare."""
    random = Random(seed)
    disk = SimulatedDisk()
    written, acknowledged, trimmed = [], 0, 0
    for cut_at in crashes:
        disk.cut_at = cut_at
        try:
            records = opened(disk, 150)
            # What of an unacknowledged batch survived is decided now, and stays so.
            assert acknowledged <= records.tail - 1 <= len(written)
            del written[records.tail - 1 :]
            acknowledged = len(written)
            for verb, batch in plan:
                if verb == "append":
                    written.extend(batch)
                    records.append(batch)
                    acknowledged = len(written)
                elif verb == "begin":
                    written.extend(batch)
                    answers = []
                    # A kernel that refuses has the frame written already, and it is written again.
                    disk.background = [] if random.random() < 0.7 else None
                    if records.begin(batch, answers.append):
                        assert records.tail - 1 == acknowledged
                        assert answers == []
                        disk.finish_syncs()
                        assert answers == [None]
                    else:
                        records.append(batch)
                    acknowledged = len(written)
                elif verb == "trim":
                    trimmed = acknowledged
                    records.trim(trimmed)
                else:
                    records.close()
                    records = opened(disk, 150)
        except PowerCut:
            pass
        disk = disk.after_power_cut(random) if random.random() < 0.7 else disk.after_kill()
    records = opened(disk, 150)
    assert acknowledged <= records.tail - 1 <= len(written)
    assert contents(records, trimmed + 1) == written[trimmed : records.tail - 1]
