"""Records in segments: what crashes leave is cut, what is damaged is named, nothing is skipped."""

import errno
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_disk import Inode, PowerCut, SimulatedDisk, SimulatedFile

from perdure.engine.ports import CorruptLogError, LogFailedError, StorageError
from perdure.storage.frames import encode
from perdure.storage.segmented import SegmentedRecords
from perdure.storage.segments import FIRST_FRAME, name_of

MARK = b"\xf0\x9f\xa6\xab"
FIRST = name_of(1)


def opened(disk, segment_bytes=1 << 20):
    return SegmentedRecords(disk, segment_bytes=segment_bytes, new_mark=lambda: MARK)


def contents(records, from_lsn=1):
    return [record for _, record in records.read(from_lsn)]


def disk_with(**files):
    return SimulatedDisk({name: Inode(content) for name, content in files.items()})


def copy_of(disk):
    return SimulatedDisk({name: Inode(bytes(i.seen)) for name, i in disk.seen_names.items()})


def killed(*batches, segment_bytes=1 << 20):
    """A disk on which batches were written by a process that was killed: there is no seal."""
    disk = SimulatedDisk()
    records = opened(disk, segment_bytes)
    for batch in batches:
        records.append(batch)
    return disk


# --- what a crash leaves ---------------------------------------------------------------------


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


# --- what is damaged -------------------------------------------------------------------------


def test_a_flipped_bit_before_the_last_frame_is_found_wherever_it_is():
    batches = [[b"one", b"two"], [b"three"], [b"four"]]
    whole = bytes(killed(*batches).seen_names[FIRST].seen)
    end = FIRST_FRAME + len(encode(MARK, 1, batches[0])) + len(encode(MARK, 3, batches[1]))
    for at in range(end):
        content = bytearray(whole)
        content[at] ^= 1 << at % 8
        with pytest.raises(CorruptLogError, match=FIRST):
            opened(SimulatedDisk({FIRST: Inode(bytes(content))}))


def test_a_flipped_bit_in_the_last_frame_of_a_closed_log_is_found():
    disk = SimulatedDisk()
    records = opened(disk)
    records.append([b"one"])
    records.append([b"two"])
    records.close()
    whole = bytes(disk.seen_names[FIRST].seen)
    seal = len(encode(MARK, 3, []))
    assert len(whole) == FIRST_FRAME + sum(len(encode(MARK, 1, [b"one"])) for _ in "12") + seal
    for at in range(len(whole) - seal):
        content = bytearray(whole)
        content[at] ^= 128
        with pytest.raises(CorruptLogError, match=r"damaged at byte|has format"):
            opened(SimulatedDisk({FIRST: Inode(bytes(content))}))


def test_a_flipped_bit_in_an_earlier_segment_is_found_when_it_is_read():
    disk = killed(*[[b"%d" % n * 50] for n in range(6)], segment_bytes=150)
    names = sorted(disk.names())
    assert len(names) > 2
    size = FIRST_FRAME + len(encode(MARK, 1, [b"0" * 50]))
    for at in range(size):
        damaged = copy_of(disk)
        damaged.seen_names[names[0]].seen[at] ^= 1
        records = opened(damaged, 150)
        with pytest.raises(CorruptLogError, match=names[0]):
            contents(records)


def test_an_earlier_segment_that_ends_early_is_damaged():
    disk = killed(*[[b"%d" % n * 50] for n in range(6)], segment_bytes=250)
    names = sorted(disk.names())
    inode = disk.seen_names[names[0]]
    del inode.seen[FIRST_FRAME + len(encode(MARK, 1, [b"0" * 50])) :]
    records = opened(disk, 250)
    with pytest.raises(CorruptLogError, match=rf"{names[0]} is damaged at byte .* record 2 "):
        contents(records)


def test_a_missing_segment_is_damage():
    disk = killed(*[[b"%d" % n * 50] for n in range(9)], segment_bytes=150)
    names = sorted(disk.names())
    del disk.seen_names[names[2]]
    with pytest.raises(CorruptLogError, match=names[1]):
        contents(opened(disk, 150))


def test_a_segment_under_the_name_of_another_is_damage():
    disk = killed([b"one"])
    disk.seen_names[name_of(7)] = disk.seen_names.pop(FIRST)
    with pytest.raises(CorruptLogError, match=f"belongs in {FIRST}"):
        opened(disk)


def test_a_header_that_is_cut_short_is_damage():
    disk = killed([b"one"])
    del disk.seen_names[FIRST].seen[FIRST_FRAME - 1 :]
    with pytest.raises(CorruptLogError, match="the header is cut short"):
        opened(disk)


def test_a_whole_frame_in_the_wrong_place_is_damage():
    disk = killed([b"one"], [b"two"])
    content = disk.seen_names[FIRST].seen
    content[FIRST_FRAME:] = content[FIRST_FRAME + len(encode(MARK, 1, [b"one"])) :]
    with pytest.raises(CorruptLogError, match="record 2 stands where 1 belongs"):
        opened(disk)


def test_a_format_of_the_future_is_refused_by_its_number():
    disk = killed([b"one"])
    disk.seen_names[FIRST].seen[8] = 2
    with pytest.raises(CorruptLogError, match="has format 2, this version reads format 1"):
        opened(disk)


def test_the_error_says_where_and_what_to_do():
    disk = killed([b"one"], [b"two"], [b"three"])
    disk.seen_names[FIRST].seen[FIRST_FRAME + 30] ^= 1
    with pytest.raises(CorruptLogError) as caught:
        opened(disk)
    assert str(caught.value) == (
        "00000000000000000001.log is damaged at byte 28: whole records follow at byte 59. Records "
        "that were acknowledged may be lost, so nothing is skipped: check the disk, then restore "
        "the data directory from a backup"
    )


# --- failures --------------------------------------------------------------------------------


def test_a_full_disk_fails_the_batch_and_all_after_it_and_loses_nothing():
    disk = SimulatedDisk()
    records = opened(disk, 100)
    disk.space = 400
    written = []
    while True:
        try:
            records.append([b"%d" % len(written) * 20])
        except LogFailedError:
            break
        written.append(b"%d" % len(written) * 20)
    disk.space = None
    with pytest.raises(LogFailedError, match=r"No space left.*start again"):
        records.append([b"small"])
    records.close()
    assert contents(opened(disk, 100)) == written


def test_a_sync_is_not_tried_again():
    disk = SimulatedDisk()
    records = opened(disk)
    records.append([b"one"])
    disk.errors[disk.steps + 2] = errno.EIO
    with pytest.raises(LogFailedError, match="Input/output error"):
        records.append([b"two"])
    steps = disk.steps
    with pytest.raises(LogFailedError):
        records.append([b"three"])
    records.close()
    assert disk.steps == steps


def test_what_a_failed_sync_left_in_memory_is_safe_once_it_was_read():
    disk = SimulatedDisk()
    records = opened(disk)
    records.append([b"one"])
    disk.errors[disk.steps + 2] = errno.EIO
    with pytest.raises(LogFailedError):
        records.append([b"two"])
    again = disk.after_kill()
    found = contents(opened(again))
    assert found == [b"one", b"two"]
    for seed in range(20):
        assert contents(opened(again.after_power_cut(Random(seed)))) == found


def test_a_record_that_is_too_large_is_refused_by_its_size(monkeypatch):
    monkeypatch.setattr("perdure.storage.frames.RECORD_BYTES_MAX", 10)
    with pytest.raises(LogFailedError, match="a record of 11 bytes"):
        opened(SimulatedDisk()).append([b"x" * 11])


def test_a_log_that_cannot_be_sealed_is_closed_all_the_same(caplog):
    disk = SimulatedDisk()
    records = opened(disk)
    records.append([b"one"])
    disk.errors[disk.steps + 1] = errno.EIO
    records.close()
    assert "without its seal: " in caplog.text
    assert contents(opened(disk)) == [b"one"]


def test_a_file_that_cannot_be_opened_or_read_again_is_a_storage_error(monkeypatch):
    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    records = opened(killed([b"one"], [b"two"]))
    with monkeypatch.context() as patched:
        patched.setattr(SimulatedDisk, "open", fail)
        with pytest.raises(StorageError, match=r"log cannot be read: .*Input/output"):
            contents(records)
    reader = records.read(1)
    next(reader)
    monkeypatch.setattr(SimulatedFile, "read", fail)
    with pytest.raises(StorageError, match=rf"{FIRST} cannot be read: .*Input/output"):
        next(reader)


def test_a_disk_that_cannot_be_read_is_a_storage_error():
    disk = SimulatedDisk()
    disk.errors[1] = errno.EROFS
    with pytest.raises(StorageError, match=r"cannot be opened: .*Read-only"):
        opened(disk)


# --- segments --------------------------------------------------------------------------------


def test_a_segment_that_is_full_is_followed_by_another():
    disk = killed(*[[b"%d" % n * 50] for n in range(5)], segment_bytes=200)
    assert sorted(disk.names()) == [name_of(1), name_of(3), name_of(5)]
    assert all(len(inode.seen) <= 200 for inode in disk.seen_names.values())


def test_a_record_larger_than_a_segment_gets_one_of_its_own():
    large = b"x" * 1000
    disk = killed([b"a"], [large], [b"b"], segment_bytes=200)
    assert sorted(disk.names()) == [name_of(1), name_of(2), name_of(3)]
    assert contents(opened(disk, 200)) == [b"a", large, b"b"]


def test_large_batches_are_cut_into_frames(monkeypatch):
    monkeypatch.setattr("perdure.storage.frames.FRAME_BYTES_GOAL", 100)
    disk = SimulatedDisk()
    records = opened(disk)
    batch = [b"%03d" % number * 10 for number in range(20)]
    records.append(batch)
    assert records.counters.syncs == 5
    assert contents(records) == batch


def test_trim_deletes_whole_segments_and_never_the_last():
    disk = killed(*[[b"%d" % n * 50] for n in range(6)], segment_bytes=200)
    records = opened(disk, 200)
    records.trim(1)
    assert len(disk.names()) == 3
    records.trim(3)
    assert sorted(disk.names()) == [name_of(3), name_of(5)]
    records.trim(100)
    assert sorted(disk.names()) == [name_of(5)]
    assert contents(records, 5) == [b"4" * 50, b"5" * 50]
    with pytest.raises(CorruptLogError, match="begins with 5"):
        records.read(4)


def test_a_trim_that_is_cut_off_leaves_no_gap():
    whole = killed(*[[b"%d" % n * 50] for n in range(8)], segment_bytes=100)
    for cut in range(1, 20):
        disk = copy_of(whole)
        records = opened(disk, 100)
        disk.cut_at = disk.steps + cut
        with suppress(PowerCut):
            records.trim(7)
        for seed in range(10):
            names = sorted(disk.after_power_cut(Random(seed)).names())
            assert names == [name_of(lsn) for lsn in range(9 - len(names), 9)]


def test_a_trim_that_fails_leaves_the_rest_readable():
    disk = killed(*[[b"%d" % n * 50] for n in range(6)], segment_bytes=200)
    records = opened(disk, 200)
    disk.errors[disk.steps + 1] = errno.EIO
    with pytest.raises(StorageError, match="cannot be deleted"):
        records.trim(4)
    assert len(contents(records)) == 6
    records.trim(4)
    assert sorted(disk.names()) == [name_of(5)]


def test_a_reader_meets_the_trim_of_what_it_was_about_to_read():
    records = opened(killed(*[[b"%d" % n * 50] for n in range(6)], segment_bytes=200), 200)
    reader = records.read(1)
    assert next(reader)[0] == 1
    records.trim(6)
    with pytest.raises(CorruptLogError, match="begins with"):
        list(reader)


def test_counters_count():
    records = opened(SimulatedDisk())
    records.append([b"one", b"two"])
    records.append([b"three"])
    assert records.counters.syncs == 2
    assert records.counters.records == 3
    assert records.counters.bytes_written == len(encode(MARK, 1, [b"one", b"two"])) + len(
        encode(MARK, 3, [b"three"])
    )


def test_to_open_and_close_an_unchanged_log_writes_nothing():
    disk = killed([b"one"])
    opened(disk).close()
    before = bytes(disk.seen_names[FIRST].seen)
    opened(disk).close()
    assert disk.seen_names[FIRST].seen == before


# --- the law ---------------------------------------------------------------------------------

plans = st.lists(
    st.one_of(
        st.lists(st.binary(max_size=60), max_size=3).map(lambda batch: ("append", batch)),
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
