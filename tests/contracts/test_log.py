"""What every log does: in memory, on segments without a thread, on segments with one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.engine.ports import CorruptLogError, Log, LogFailedError
from perdure.storage.direct_log import DirectLog
from perdure.storage.files import OsFiles
from perdure.storage.local_log import LocalLog
from perdure.storage.memory_log import MemoryLog, MemoryRecords
from perdure.storage.segmented import SegmentedRecords

#: So small that a few records fill a segment, and a large record is larger than one.
SEGMENT_BYTES = 256
DEADLINE_S = 20


class Desk:
    """Stands where the event loop stands: takes calls from any thread, makes them when asked."""

    def __init__(self) -> None:
        self._calls: Queue[tuple[Callable[..., object], tuple[object, ...]]] = Queue()

    def call_soon(self, call: Callable[..., object], *arguments: object) -> None:
        self._calls.put((call, arguments))

    def run_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            call, arguments = self._calls.get(timeout=DEADLINE_S)
            call(*arguments)

    def run_what_came(self) -> None:
        while not self._calls.empty():
            call, arguments = self._calls.get()
            call(*arguments)


Opener = Callable[[Desk], Log]
Kind = Callable[[Path], Opener]


def memory(folder: Path) -> Opener:
    records = MemoryRecords()
    return lambda desk: MemoryLog(desk.call_soon, records=records)


def segments(folder: Path) -> Opener:
    def opened(desk: Desk) -> Log:
        records = SegmentedRecords(OsFiles(folder), segment_bytes=SEGMENT_BYTES)
        return DirectLog(records, desk.call_soon)

    return opened


def local(folder: Path) -> Opener:
    def opened(desk: Desk) -> Log:
        records = SegmentedRecords(OsFiles(folder), segment_bytes=SEGMENT_BYTES)
        return LocalLog(records, desk.call_soon)

    return opened


every_kind = pytest.mark.parametrize("kind", [memory, segments, local])


class Subject:
    """A log that can be closed and opened again, with what its appends came to."""

    def __init__(self, opener: Opener) -> None:
        self.desk = Desk()
        self._opener = opener
        self.log = opener(self.desk)
        self.answers: list[LogFailedError | None] = []

    def append(self, *batches: Sequence[bytes]) -> list[LogFailedError | None]:
        """Append batches at once; give the answers once they are all there."""
        start = len(self.answers)
        for batch in batches:
            self.log.append(batch, self.answers.append)
        self.desk.run_until(lambda: len(self.answers) == start + len(batches))
        return self.answers[start:]

    def reopen(self) -> None:
        self.log.close()
        self.desk.run_what_came()
        self.log = self._opener(self.desk)


@contextmanager
def subject(kind: Kind) -> Iterator[Subject]:
    with TemporaryDirectory() as folder:
        under_test = Subject(kind(Path(folder)))
        try:
            yield under_test
        finally:
            under_test.log.close()


@every_kind
def test_records_come_back_in_order_from_any_lsn(kind):
    with subject(kind) as s:
        assert s.log.tail == 1
        assert s.append([b"a", b"b"], [b""], [b"c" * 1000]) == [None] * 3
        assert s.log.tail == 5
        assert list(s.log.read(1)) == [(1, b"a"), (2, b"b"), (3, b""), (4, b"c" * 1000)]
        assert list(s.log.read(3)) == [(3, b""), (4, b"c" * 1000)]
        assert list(s.log.read(5)) == []


@every_kind
def test_the_tail_counts_what_is_under_way_and_reading_does_not(kind):
    with subject(kind) as s:
        s.append([b"durable"])
        s.log.append([b"on its way"], s.answers.append)
        assert s.log.tail == 3
        assert next(s.log.read(1)) == (1, b"durable")
        assert len(list(s.log.read(2))) <= 1
        s.desk.run_until(lambda: len(s.answers) == 2)
        assert list(s.log.read(2)) == [(2, b"on its way")]


@every_kind
def test_a_batch_without_records_is_answered(kind):
    with subject(kind) as s:
        assert s.append([]) == [None]
        assert s.log.tail == 1


@every_kind
def test_nothing_is_answered_within_append(kind):
    with subject(kind) as s:
        s.log.append([b"a"], s.answers.append)
        assert s.answers == []
        s.desk.run_until(lambda: s.answers == [None])


@every_kind
def test_close_finishes_what_is_under_way(kind):
    with subject(kind) as s:
        for number in range(50):
            s.log.append([b"%d" % number], s.answers.append)
        s.reopen()
        assert s.answers == [None] * 50
        assert [record for _, record in s.log.read(1)] == [b"%d" % n for n in range(50)]


@every_kind
def test_a_closed_log_takes_nothing_and_says_so(kind):
    with subject(kind) as s:
        s.log.close()
        s.log.append([b"late"], s.answers.append)
        s.desk.run_until(lambda: len(s.answers) == 1)
        assert isinstance(s.answers[0], LogFailedError)
        s.log.close()


@every_kind
def test_to_read_beyond_the_tail_is_to_have_lost_records(kind):
    with subject(kind) as s:
        s.append([b"a"])
        with pytest.raises(CorruptLogError, match="ends before record 2"):
            s.log.read(3)


@every_kind
def test_what_was_trimmed_is_refused_and_the_rest_is_there(kind):
    with subject(kind) as s:
        for number in range(40):
            s.append([b"%040d" % number])
        s.log.trim(30)
        s.reopen()
        assert s.log.tail == 41
        assert [lsn for lsn, _ in s.log.read(31)] == list(range(31, 41))
        with pytest.raises(CorruptLogError, match="the log begins with"):
            s.log.read(1)


@every_kind
def test_all_may_be_trimmed(kind):
    with subject(kind) as s:
        s.append([b"a"], [b"b"])
        s.log.trim(1000)
        s.reopen()
        assert s.log.tail == 3
        assert s.append([b"c"]) == [None]
        assert list(s.log.read(3)) == [(3, b"c")]


records = st.binary(max_size=8) | st.integers(50, 400).map(bytes)
operations = st.one_of(
    st.tuples(st.just("append"), st.lists(st.lists(records, max_size=4), min_size=1, max_size=4)),
    st.tuples(st.just("reopen"), st.none()),
    st.tuples(st.just("trim"), st.integers(0, 40)),
    st.tuples(st.just("read"), st.integers(1, 40)),
)


@every_kind
@settings(max_examples=40, deadline=None)
@given(steps=st.lists(operations, max_size=12))
def test_a_log_is_a_list(kind, steps):
    written: list[bytes] = []
    trimmed = 0
    with subject(kind) as s:
        for verb, argument in [*steps, ("reopen", None)]:
            match verb:
                case "append":
                    assert s.append(*argument) == [None] * len(argument)
                    written.extend(record for batch in argument for record in batch)
                case "reopen":
                    s.reopen()
                case "trim":
                    s.log.trim(min(argument, len(written)))
                    trimmed = max(trimmed, min(argument, len(written)))
                case "read" if argument <= len(written):
                    check_read(s.log, argument, written, trimmed)
            assert s.log.tail == len(written) + 1
        check_read(s.log, trimmed + 1, written, trimmed)


def check_read(log: Log, from_lsn: int, written: list[bytes], trimmed: int) -> None:
    try:
        found = list(log.read(from_lsn))
    except CorruptLogError:
        assert from_lsn <= trimmed
        return
    assert found == list(enumerate(written[from_lsn - 1 :], from_lsn))
