"""Defects of the log, the store and recovery."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from perdure.core.tables.changes import RowTable
from perdure.core.tables.tables import Tables
from perdure.engine import engine as engine_module
from perdure.engine.engine import Engine
from perdure.engine.flushing import Flusher
from perdure.engine.janitor import Janitor
from perdure.engine.partition import Partition
from perdure.engine.timers import Timers
from perdure.storage import direct_log, frames, segmented
from perdure.storage.direct_log import DirectLog
from perdure.storage.memory_store import MemoryBatch
from perdure.storage.segments import FIRST_FRAME, HEADER, Segment
from simworld.planted.change import Change, instead


def acknowledge_before_sync() -> list[Change]:
    def append(self, batch, done):
        done(None)
        real(self, batch, lambda _error: None)

    real = DirectLog.append
    return [(DirectLog, "append", append)]


def no_sync() -> list[Change]:
    def write(self, offset, frame, size_max):
        self._file.write(offset, frame)

    return [(Segment, "write", write)]


def cut_a_whole_record() -> list[Change]:
    def make(real):
        def frames(self):
            found = list(real(self))
            return iter(found[:-1] if len(found) > 3 else found)

        return frames

    return instead(Segment, "frames", make)


def skip_a_failed_write() -> list[Change]:
    def commit(records, appends):
        real(records, appends)

    real = direct_log.commit
    return [(direct_log, "commit", commit)]


def sync_again_after_a_failed_sync() -> list[Change]:
    def make(real):
        def write(self, offset, frame, size_max):
            try:
                real(self, offset, frame, size_max)
            except OSError:
                self._file.sync()

        return write

    return instead(Segment, "write", make)


def trim_what_the_store_may_lose() -> list[Change]:
    async def checkpoint(self):
        while True:
            await asyncio.sleep(engine_module.CHECKPOINT_CHECK_S)
            self._world.log.trim(self.partition.applied_lsn)

    return [(Engine, "_checkpoint_now_and_then", checkpoint)]


def store_ahead_of_its_rows() -> list[Change]:
    def make(real):
        def write(self, lsn):
            self._changes = self._changes[:-1]
            real(self, lsn)

        return write

    return instead(MemoryBatch, "write", make)


def store_names_a_later_record() -> list[Change]:
    def make(real):
        def write(self, changes, lsn):
            real(self, changes, lsn + 1)

        return write

    return instead(Flusher, "_write", make)


def lead_on_after_the_store_failed() -> list[Change]:
    def make(real):
        def stop_leading(self):
            if self.partition.failure is None:
                real(self)

        return stop_leading

    return instead(Engine, "_stop_leading", make)


def forget_deletes() -> list[Change]:
    def make(real):
        def gather(self, *changes):
            if self.tag == b"t":
                self.changed = {key: row for key, row in self.changed.items() if row is not None}
            return real(self, *changes)

        return gather

    return instead(RowTable, "gather", make)


def flush_a_row_as_it_was() -> list[Change]:
    """What was encoded ahead of a flush is written, although the row has changed since."""
    was: WeakKeyDictionary[Tables, dict[bytes, bytes]] = WeakKeyDictionary()

    def make_encode(real):
        def encode_ahead(self, bytes_min):
            for key, value in real(self, bytes_min):
                was.setdefault(self, {})[key] = value
                yield key, value

        return encode_ahead

    def make_gather(real):
        def gather(self, changes):
            old = was.pop(self, {})
            gathered = []
            yield from real(self, gathered)
            changes.extend(
                (key, value if value is None else old.get(key, value)) for key, value in gathered
            )

        return gather

    return [
        *instead(Tables, "encode_ahead", make_encode),
        *instead(Tables, "gather", make_gather),
    ]


def resume_nothing() -> list[Change]:
    return [(Engine, "_resume_running", lambda _self: None)]


def resume_one_page() -> list[Change]:
    def resume(self):
        rows = self.partition.tables.running.scan(b"", b"\xff" * 25, 1)
        for key, _ in rows:
            row = self.partition.tables.invocations.get(key)
            if row.status.retry_at is None:
                self._invoker.start(key, row.attempt)

    return [(Engine, "_resume_running", resume)]


def forget_a_timer_at_restart() -> list[Change]:
    def make(real):
        def load(self):
            real(self)
            self._heap = self._heap[1:]
            self._set_alarm()

        return load

    return instead(Timers, "load", make)


def forget_retention_at_restart() -> list[Change]:
    return [(Janitor, "load", lambda _self: None)]


def believe_what_is_damaged() -> list[Change]:
    """A frame counts although its checksum does not match."""

    def decode(read, mark, offset, end):
        header = read(offset, frames.HEADER.size)
        if len(header) < frames.HEADER.size:
            return None
        found_mark, _, size, count, first_lsn = frames.HEADER.unpack(header)
        if found_mark != mark or size > end - offset - frames.HEADER.size:
            return None
        body = read(offset + frames.HEADER.size, size)
        return frames.Frame(first_lsn, frames._records(body, count), frames.HEADER.size + size)

    return [(frames, "decode", decode)]


def cut_what_is_damaged() -> list[Change]:
    """Whatever is not whole counts as the end, with whole records behind it or not."""
    return [(Segment, "find_frame", lambda _self, _offset: None)]


def skip_what_is_damaged() -> list[Change]:
    """A damaged frame is passed over, and the next whole one believed."""

    def found(self):
        end, offset = self._file.size(), FIRST_FRAME
        while True:
            frame = frames.decode(self._file.read, self.mark, offset, end)
            if frame is None:
                offset = frames.find(self._file.read, self.mark, offset, end)
                if offset is None:
                    return
                continue
            yield offset, frame
            offset += frame.size

    def checked(segment):
        yield from segment.frames()

    return [(Segment, "frames", found), (segmented, "_checked", checked)]


def believe_a_damaged_header() -> list[Change]:
    """The mark of a segment counts although the header's checksum does not match."""

    def read_header(self):
        _, _, mark, first_lsn, _ = HEADER.unpack(self._file.read(0, HEADER.size))
        return mark, first_lsn

    return [(Segment, "_read_header", read_header)]


def take_a_refusal_for_a_success() -> list[Change]:
    """Whoever was superseded leads on: what the log refused counts as durable."""

    def make(real):
        def committed(self, error):
            real(self, None if error is not None and "another" in str(error) else error)

        return committed

    return instead(Partition, "_committed", make)
