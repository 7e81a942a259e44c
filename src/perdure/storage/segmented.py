"""Records in segments: appended and synced in the caller's thread, recovered when opened.

What a crash may leave is one frame, the last, that is not whole; it was never acknowledged and is
cut. Anything else that is not as it was written is damage, which is named and never skipped.

Two habits keep the two apart. A frame is written only after the one before it was synced. And a
frame without records, the seal, is written when the records are closed and when recovery has made
sure of the last frame: it is the proof that what stands before it was safe.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Final

from perdure.engine.ports import CorruptLogError, LogFailedError, StorageError
from perdure.storage import frames
from perdure.storage.files import UNFINISHED_SUFFIX, Files
from perdure.storage.frames import Frame
from perdure.storage.records import Counters, Done
from perdure.storage.segments import FIRST_FRAME, SUFFIX, Segment, name_of

SEGMENT_BYTES: Final = 64 << 20
#: Records of up to so many bytes together take next to no time to write: a copy in memory.
QUICK_BYTES: Final = 128 << 10

_NAME: Final = re.compile(rf"(\d{{20}}){re.escape(SUFFIX)}")

logger = logging.getLogger(__name__)


def random_mark() -> bytes:
    """Give a mark for a new segment."""
    return secrets.token_bytes(frames.MARK_BYTES)


class SegmentedRecords:
    """Records in segment files; who may do what at the same time is said by ``Records``.

    What trims and what begins segments is one thread: both change which segments there are.
    """

    def __init__(
        self,
        files: Files,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        new_mark: Callable[[], bytes] = random_mark,
    ) -> None:
        """Open the records in a folder, or begin with none.

        Args:
            files: the folder, which nobody else writes to.
            segment_bytes: size from which on a new segment is begun.
            new_mark: gives the random bytes of a new segment.

        Raises:
            CorruptLogError: a record before the end is damaged.
            StorageError: the files cannot be read or written.
        """
        self._files = files
        self._segment_bytes = segment_bytes
        self._new_mark = new_mark
        self._failure: str | None = None
        self._first_lsns: tuple[int, ...] = ()
        self._counters = Counters()
        try:
            self._recover()
        except OSError as error:
            raise StorageError(f"the log cannot be opened: {error}") from error

    @property
    def counters(self) -> Counters:
        """What was written since the records were opened."""
        return self._counters

    @property
    def tail(self) -> int:
        """LSN that the next record will get; all before it are durable."""
        return self._tail

    def append(self, records: Sequence[bytes]) -> None:
        """Write records and sync them.

        Raises:
            LogFailedError: they are not durable, and nothing further will be.
        """
        if self._failure:
            raise LogFailedError(self._failure)
        try:
            for group in _groups(records):
                self._append_frame(group)
        except OSError as error:
            raise self._failed(error) from error

    def begin(self, records: Sequence[bytes], done: Done) -> bool:
        """Write records into space that is there already, and have them synced in the background.

        False if that cannot be; ``append`` then does what is to be done, or says what is wrong.
        """
        if self._failure or sum(map(len, records)) > QUICK_BYTES:
            return False
        frame = frames.encode(self._active.mark, self._tail, records)
        synced = partial(self._synced, len(frame), len(records), done)
        try:
            return self._active.begin_write(self._end, frame, synced)
        except OSError as error:
            self._failed(error)
            return False

    def _synced(self, frame_bytes: int, count: int, done: Done, error: OSError | None) -> None:
        if error is None:
            self._advance(frame_bytes, count)
            done(None)
        else:
            done(self._failed(error))

    def _failed(self, error: OSError) -> LogFailedError:
        # What of a failed write or sync reached the disk is unknown, and a sync that is tried again
        # may succeed without having written anything. Only reading it back tells.
        self._failure = (
            f"the log cannot be written: {error}. Nothing that was acknowledged is lost; "
            "put the disk in order (is it full?) and start again"
        )
        return LogFailedError(self._failure)

    def read(self, from_lsn: int) -> Iterator[tuple[int, bytes]]:
        """Give the records from ``from_lsn`` up to the tail as it is now.

        Raises:
            CorruptLogError: a record is damaged, or ``from_lsn`` was trimmed.
            StorageError: the files cannot be read.
        """
        # In this order: another thread may begin a segment in between.
        tail = self._tail
        first_lsns = self._first_lsns
        if from_lsn < first_lsns[0]:
            raise _trimmed(from_lsn, first_lsns[0])
        return self._read(from_lsn, pairwise((*first_lsns, tail)))

    def trim(self, upto_lsn: int) -> None:
        """Delete the segments that hold nothing behind ``upto_lsn``; the last one stays.

        Raises:
            StorageError: a segment could not be deleted; the records are all still readable.
        """
        try:
            while len(self._first_lsns) > 1 and self._first_lsns[1] <= upto_lsn + 1:
                # From the oldest on, each made safe before the next: a crash leaves no gap.
                self._files.delete(name_of(self._first_lsns[0]))
                self._first_lsns = self._first_lsns[1:]
                self._files.sync()
        except OSError as error:
            raise StorageError(f"a segment of the log cannot be deleted: {error}") from error

    def close(self) -> None:
        """Seal what is there and release the files."""
        try:
            if not self._failure:
                if not self._sealed:
                    self._append_frame(())
                self._active.cut(self._end)
        except OSError as error:
            # All that was acknowledged is safe without the seal.
            logger.warning("the log was closed without its seal: %s", error)
        finally:
            self._active.close()

    def _recover(self) -> None:
        names = self._files.names()
        for name in names:
            if name.endswith(SUFFIX + UNFINISHED_SUFFIX):
                self._files.delete(name)
        # A crash may have come between the naming of a segment and its being safe.
        self._files.sync()
        lsns = sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))
        if lsns:
            self._active = Segment.open(self._files, name_of(lsns[-1]))
        else:
            lsns = [1]
            self._active = Segment.create(self._files, 1, self._new_mark())
        self._first_lsns = tuple(lsns)
        try:
            self._recover_end()
        except BaseException:
            self._active.close()
            raise

    def _recover_end(self) -> None:
        self._tail = self._active.first_lsn
        self._end = FIRST_FRAME
        self._sealed = True
        start, last = 0, None
        for start, last in _checked(self._active):
            self._end = start + last.size
            self._tail = last.next_lsn
        later = self._active.find_frame(self._end)
        if later is not None:
            raise self._active.damaged(self._end, f"whole records follow at byte {later}")
        self._active.cut(self._end)
        if last and last.records:
            # The last frame may stand in the memory of the operating system alone, and after a
            # failed sync it would stay there. It counts as durable once it was written again.
            frame = frames.encode(self._active.mark, last.first_lsn, last.records)
            self._active.write(start, frame, self._segment_bytes)
            self._append_frame(())

    def _append_frame(self, records: Sequence[bytes]) -> None:
        frame = frames.encode(self._active.mark, self._tail, records)
        full = self._end + len(frame) > self._segment_bytes and self._tail > self._active.first_lsn
        if records and full:
            self._roll()
            frame = frames.encode(self._active.mark, self._tail, records)
        self._active.write(self._end, frame, self._segment_bytes)
        self._advance(len(frame), len(records))

    def _advance(self, frame_bytes: int, count: int) -> None:
        self._end += frame_bytes
        self._tail += count
        self._sealed = not count
        self._counters.syncs += 1
        self._counters.records += count
        self._counters.bytes_written += frame_bytes

    def _roll(self) -> None:
        """Begin a new segment; that it exists is the proof that the one before was safe."""
        full = self._active
        self._active = Segment.create(self._files, self._tail, self._new_mark())
        self._first_lsns = (*self._first_lsns, self._tail)
        try:
            full.cut(self._end)
        finally:
            full.close()
        self._end = FIRST_FRAME

    def _read(self, from_lsn: int, spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
        for first_lsn, end_lsn in spans:
            if max(from_lsn, first_lsn) < end_lsn:
                yield from self._read_segment(from_lsn, first_lsn, end_lsn)

    def _read_segment(
        self, from_lsn: int, first_lsn: int, end_lsn: int
    ) -> Iterator[tuple[int, bytes]]:
        """Give the records of a segment, through a file of its own that no trim takes away."""
        try:
            segment = Segment.open(self._files, name_of(first_lsn))
        except FileNotFoundError:
            raise _trimmed(from_lsn, self._first_lsns[0]) from None
        except OSError as error:
            raise StorageError(f"the log cannot be read: {error}") from error
        try:
            yield from _span(segment, from_lsn, end_lsn)
        except OSError as error:
            raise StorageError(f"{segment.name} cannot be read: {error}") from error
        finally:
            segment.close()


def _span(segment: Segment, from_lsn: int, end_lsn: int) -> Iterator[tuple[int, bytes]]:
    end, next_lsn = FIRST_FRAME, segment.first_lsn
    for offset, frame in _checked(segment):
        end, next_lsn = offset + frame.size, frame.next_lsn
        if next_lsn > from_lsn:
            for lsn, record in enumerate(frame.records, frame.first_lsn):
                if lsn >= from_lsn:
                    yield lsn, record
        if next_lsn >= end_lsn:
            break
    if next_lsn != end_lsn:
        raise segment.damaged(end, f"record {next_lsn} belongs there, up to {end_lsn - 1}")


def _checked(segment: Segment) -> Iterator[tuple[int, Frame]]:
    next_lsn = segment.first_lsn
    for offset, frame in segment.frames():
        if frame.first_lsn != next_lsn:
            raise segment.damaged(
                offset, f"record {frame.first_lsn} stands where {next_lsn} belongs"
            )
        yield offset, frame
        next_lsn = frame.next_lsn


def _groups(records: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut records into frames of about the size that is aimed at; nearly always there is one."""
    start = size = 0
    for index, record in enumerate(records):
        if len(record) > frames.RECORD_BYTES_MAX:
            raise OSError(f"a record of {len(record)} bytes is larger than any may be")
        size += len(record)
        if size >= frames.FRAME_BYTES_GOAL:
            yield records[start : index + 1]
            start, size = index + 1, 0
    if start < len(records):
        yield records[start:]


def _trimmed(from_lsn: int, first_lsn: int) -> CorruptLogError:
    return CorruptLogError(
        f"record {from_lsn} was asked for, but the log begins with {first_lsn}: the rest was "
        "trimmed because the store held it. Restore store and log from the same backup"
    )
