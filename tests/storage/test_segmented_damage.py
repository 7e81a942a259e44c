"""Damage of a log in segments: what is damaged is named, and what fails, fails for good."""

import errno
from random import Random

import pytest
from segmented_world import FIRST, MARK, contents, copy_of, killed, opened
from simulated_disk import Inode, SimulatedDisk, SimulatedFile

from perdure.engine.ports import CorruptLogError, LogFailedError, StorageError
from perdure.storage.frames import encode
from perdure.storage.segments import FIRST_FRAME, name_of

# -- What is damaged


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


# -- Failures


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
