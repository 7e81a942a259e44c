"""Bits that flip in what was safe on the disk, and a backup that has them as they were.

Only bytes that a log can tell from a torn write are hit: everything in front of its last frame. In
the last frame of a log that was not closed, damage looks like what a crash leaves of a write.
"""

from __future__ import annotations

from random import Random

from simulated_disk import SimulatedDisk

from perdure.engine.ports import CorruptLogError
from perdure.storage.segments import HEADER, SUFFIX, Segment

#: A file's name, an offset in it, and the bit there that flipped.
Flip = tuple[str, int, int]


def draw(disk: SimulatedDisk, random: Random) -> Flip | None:
    """Choose a bit, nearer to the end of the log as often as not."""
    names = sorted(name for name in disk.names() if name.endswith(SUFFIX))
    if not names:
        return None
    name = names[-1] if random.random() < 0.5 else random.choice(names)
    try:
        starts = [offset for offset, _ in Segment.open(disk, name).frames()]
    except CorruptLogError:
        return None
    end = len(disk.seen_names[name].safe) if name != names[-1] else max(starts, default=0)
    if random.random() < 0.2:
        end = min(end, HEADER.size)
    return (name, random.randrange(end), random.randrange(8)) if end else None


def apply(disk: SimulatedDisk, flip: Flip) -> None:
    """Flip a bit, or flip it back."""
    name, offset, bit = flip
    inode = disk.seen_names.get(name)
    if inode is None:
        return
    for content in (inode.safe, inode.seen):
        if offset < len(content):
            content[offset] ^= 1 << bit


def repair(disk: SimulatedDisk, flips: list[Flip]) -> None:
    """Restore what was damaged from a backup."""
    for flip in flips:
        apply(disk, flip)
    flips.clear()
