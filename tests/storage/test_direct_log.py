"""A log that writes when it is told."""

from simulated_disk import SimulatedDisk

from perdure.engine.ports import LogFailedError
from perdure.storage.direct_log import DirectLog
from perdure.storage.memory_log import MemoryLog, MemoryRecords
from perdure.storage.segmented import SegmentedRecords


def test_nothing_is_durable_before_it_is_told():
    log = MemoryLog()
    answers = []
    log.append([b"one"], answers.append)
    log.append([b"two"], answers.append)
    assert (log.waiting, log.tail, answers, list(log.read(1))) == (2, 3, [], [])
    log.commit()
    assert (log.waiting, answers) == (0, [None, None])
    assert list(log.read(1)) == [(1, b"one"), (2, b"two")]
    assert log.counters.syncs == 1


def test_what_gathers_is_scheduled_once():
    scheduled = []
    log = MemoryLog(scheduled.append)
    for _ in range(3):
        log.append([b"x"], lambda error: None)
    assert scheduled == [log.commit]
    scheduled.pop()()
    log.append([b"x"], lambda error: None)
    assert len(scheduled) == 1


def test_who_is_told_may_append_again():
    log = MemoryLog()
    log.append([b"one"], lambda error: log.append([b"two"], lambda error: None))
    log.commit()
    assert (log.waiting, log.tail) == (1, 3)
    log.commit()
    assert [record for _, record in log.read(1)] == [b"one", b"two"]


def test_records_in_memory_outlive_a_log_that_was_abandoned():
    records = MemoryRecords()
    log = MemoryLog(records=records)
    log.append([b"one"], lambda error: None)
    log.commit()
    log.append([b"lost"], lambda error: None)
    again = MemoryLog(records=records)
    assert again.tail == 2
    assert list(again.read(1)) == [(1, b"one")]


def test_a_failure_is_for_good():
    records = MemoryRecords()
    log = MemoryLog(records=records)
    records.fail("full")
    answers = []
    for _ in range(2):
        log.append([b"one"], answers.append)
        log.commit()
    assert [str(error) for error in answers] == ["full", "full"]
    assert all(isinstance(error, LogFailedError) for error in answers)
    log.close()
    log.append([b"late"], answers.append)
    log.commit()
    assert str(answers[-1]) == "full"


def test_on_simulated_files_it_is_the_log_on_disk():
    disk = SimulatedDisk()
    log = DirectLog(SegmentedRecords(disk))
    log.append([b"one"], lambda error: None)
    log.append([b"two", b"three"], lambda error: None)
    log.commit()
    assert log.counters.syncs == 1
    again = DirectLog(SegmentedRecords(disk.after_kill()))
    assert [record for _, record in again.read(1)] == [b"one", b"two", b"three"]
