"""Logs in segments on simulated disks, in every state that a process can leave behind."""

from simulated_disk import Inode, SimulatedDisk

from perdure.storage.segmented import SegmentedRecords
from perdure.storage.segments import name_of

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
