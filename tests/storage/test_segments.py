"""One segment file: space ahead, and what follows the last frame."""

from simulated_disk import SimulatedDisk

from perdure.storage import frames
from perdure.storage.segments import FIRST_FRAME, RESERVE_BYTES, Segment, name_of

MARK = b"mark"
SIZE_MAX = 64 << 20


def test_names_sort_as_their_records_do():
    lsns = [1, 9, 10, 999, 2**40, 2**63]
    assert sorted(map(name_of, reversed(lsns))) == [name_of(lsn) for lsn in lsns]


def test_space_is_reserved_in_steps_and_not_beyond_the_largest_size():
    segment = Segment.create(SimulatedDisk(), 1, MARK)
    frame = frames.encode(MARK, 1, [b"one"])
    segment.write(FIRST_FRAME, frame, SIZE_MAX)
    reserved = FIRST_FRAME + len(frame) + RESERVE_BYTES
    assert segment._file.size() == reserved
    segment.write(FIRST_FRAME + len(frame), frame, SIZE_MAX)
    assert segment._file.size() == reserved
    segment.write(reserved, frame, reserved + 1)
    assert segment._file.size() == reserved + len(frame)


def test_a_cut_gives_the_space_back_and_the_next_write_takes_it_again():
    disk = SimulatedDisk()
    segment = Segment.create(disk, 7, MARK)
    frame = frames.encode(MARK, 7, [b"one"])
    end = FIRST_FRAME + len(frame)
    segment.write(FIRST_FRAME, frame, SIZE_MAX)
    segment.cut(end)
    assert segment._file.size() == end
    segment.write(end, frames.encode(MARK, 8, [b"two"]), SIZE_MAX)
    again = Segment.open(disk, name_of(7))
    assert [frame.records for _, frame in again.frames()] == [[b"one"], [b"two"]]
    assert again.find_frame(FIRST_FRAME + 1) == end
