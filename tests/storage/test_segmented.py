"""Records in segments: when a segment is followed by another, and when it goes."""

import errno
from contextlib import suppress
from random import Random

import pytest
from segmented_world import FIRST, MARK, contents, copy_of, killed, opened
from simulated_disk import PowerCut, SimulatedDisk

from perdure.engine.ports import CorruptLogError, StorageError
from perdure.storage.frames import encode
from perdure.storage.segments import name_of


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
