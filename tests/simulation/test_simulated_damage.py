"""Bits that flip in what was safe are refused, wherever they are; and a backup has them all."""

from __future__ import annotations

from random import Random

from simulated_disk import SimulatedDisk
from simworld import damage

from perdure.engine.ports import CorruptLogError
from perdure.storage.segmented import SegmentedRecords

RECORDS = [bytes([number]) * 40 for number in range(30)]


def left_by_a_crash() -> SimulatedDisk:
    """Give a disk with records in several segments, whose process did not close them."""
    disk = SimulatedDisk()
    log = SegmentedRecords(disk, segment_bytes=600, new_mark=lambda: b"mark")
    for record in RECORDS:
        log.append([record])
    return disk.after_power_cut(Random(1))


def read_all(disk: SimulatedDisk) -> list[bytes]:
    log = SegmentedRecords(disk.after_kill(), segment_bytes=600, new_mark=lambda: b"mark")
    return [record for _, record in log.read(1)]


def test_no_flipped_bit_goes_unnoticed():
    random, refused = Random(2), 0
    for _ in range(400):
        disk = left_by_a_crash()
        flip = damage.draw(disk, random)
        assert flip is not None
        damage.apply(disk, flip)
        try:
            assert read_all(disk) == RECORDS
        except CorruptLogError:
            refused += 1
    # The rest were bytes behind the last frame of a segment, which nobody reads.
    assert refused > 380


def test_a_backup_has_everything():
    disk, flips = left_by_a_crash(), []
    for number in range(3):
        flip = damage.draw(disk, Random(number))
        if flip is not None:
            damage.apply(disk, flip)
            flips.append(flip)
    damage.repair(disk, flips)
    assert read_all(disk) == RECORDS
    assert flips == []


def test_there_is_nothing_to_damage_in_a_log_of_one_frame():
    disk = SimulatedDisk()
    assert damage.draw(disk, Random(1)) is None
