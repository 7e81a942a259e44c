"""The log's thread, the event loop, and the real disk."""

import asyncio
import contextlib
import functools
import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from perdure.engine.ports import LogFailedError, StorageError
from perdure.storage.files import OsFiles
from perdure.storage.kernel_sync import KernelSync
from perdure.storage.local_log import LocalLog
from perdure.storage.memory_log import MemoryRecords
from perdure.storage.segmented import SegmentedRecords
from perdure.storage.segments import name_of

DEADLINE_S = 20


def on_a_loop(test):
    """Run an async test on a loop of its own."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


async def answers(log, *batches):
    """Append batches at once; give what each came to."""
    everyone = [asyncio.get_running_loop().create_future() for _ in batches]
    for batch, future in zip(batches, everyone, strict=True):
        log.append(batch, future.set_result)
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.gather(*everyone)


class SlowRecords(MemoryRecords):
    """Records whose first write waits until it is let go."""

    def __init__(self):
        super().__init__()
        self.let_go = threading.Event()

    def append(self, records):
        assert self.let_go.wait(DEADLINE_S)
        super().append(records)


@on_a_loop
async def test_batches_survive(tmp_path):
    loop = asyncio.get_running_loop()
    log = LocalLog.open(tmp_path / "a" / "log", loop)
    assert await answers(log, [b"one"], [b"two", b"three"]) == [None, None]
    log.close()
    log = LocalLog.open(tmp_path / "a" / "log", loop)
    assert list(log.read(1)) == [(1, b"one"), (2, b"two"), (3, b"three")]
    log.close()


@on_a_loop
async def test_done_is_called_on_the_loop_in_order(tmp_path):
    log = LocalLog.open(tmp_path, asyncio.get_running_loop())
    called = []
    finished = asyncio.Event()
    for number in range(20):
        log.append([b"x"], lambda error, n=number: called.append((n, threading.get_ident())))
    log.append([b"last"], lambda error: finished.set())
    async with asyncio.timeout(DEADLINE_S):
        await finished.wait()
    assert called == [(number, threading.get_ident()) for number in range(20)]
    log.close()


@on_a_loop
async def test_what_gathers_during_a_write_shares_the_next_one():
    records = SlowRecords()
    log = LocalLog(records, asyncio.get_running_loop().call_soon_threadsafe)
    pending = asyncio.ensure_future(answers(log, *([b"%d" % n] for n in range(100))))
    await asyncio.sleep(0)
    records.let_go.set()
    assert await pending == [None] * 100
    assert log.counters.records == 100
    assert log.counters.syncs <= 2
    log.close()


class BackgroundRecords(MemoryRecords):
    """Records that are durable when the test says so."""

    def __init__(self):
        super().__init__()
        self.begun = []

    def begin(self, records, done):
        if self._failure:
            return False
        assert not self.begun, "one batch at a time"
        self.begun.append((records, done))
        return True

    def finish(self, error=None):
        ((records, done),) = self.begun
        self.begun = []
        if error is None:
            self.append(records)
        done(error)


@on_a_loop
async def test_what_gathers_during_a_sync_in_the_background_shares_the_next_one():
    records = BackgroundRecords()
    log = LocalLog(records, asyncio.get_running_loop().call_soon_threadsafe)
    pending = asyncio.ensure_future(answers(log, [b"one"], [b"two"], [b"three"]))
    await asyncio.sleep(0)
    assert records.begun[0][0] == [b"one"]
    records.finish()
    assert records.begun[0][0] == [b"two", b"three"]
    assert list(log.read(1)) == [(1, b"one")]
    records.finish()
    assert await pending == [None] * 3
    assert log.counters.syncs == 2
    log.close()


@on_a_loop
async def test_a_sync_in_the_background_that_fails_fails_all_that_follows():
    records = BackgroundRecords()
    log = LocalLog(records, asyncio.get_running_loop().call_soon_threadsafe)
    pending = asyncio.ensure_future(answers(log, [b"one"], [b"two"]))
    await asyncio.sleep(0)
    records.fail("the disk broke")
    records.finish(LogFailedError("the disk broke"))
    assert [str(error) for error in await pending] == ["the disk broke"] * 2
    assert [str(error) for error in await answers(log, [b"three"])] == ["the disk broke"]
    log.close()


@on_a_loop
async def test_what_cannot_be_begun_is_left_to_the_thread_and_told_in_order(caplog):
    class Unsteady(BackgroundRecords):
        def begin(self, records, done):
            if records == [b"two"]:
                raise MemoryError("for a moment")
            return records != [b"three"] and super().begin(records, done)

    records = Unsteady()
    log = LocalLog(records, asyncio.get_running_loop().call_soon_threadsafe)
    for record in (b"one", b"two", b"three", b"four"):
        pending = asyncio.ensure_future(answers(log, [record]))
        await asyncio.sleep(0)
        if records.begun:
            records.finish()
        assert await pending == [None]
    assert [record for _, record in log.read(1)] == [b"one", b"two", b"three", b"four"]
    assert "the log's thread tries again" in caplog.text
    log.close()


@on_a_loop
async def test_the_log_on_disk_leaves_only_new_space_to_its_thread(tmp_path):
    loop = asyncio.get_running_loop()
    kernel = KernelSync.open(loop)
    if kernel is None:
        pytest.skip("this system makes no syncs in the background")
    kernel.close()
    log = LocalLog.open(tmp_path, loop)
    by_thread = []
    whole_append = log._records.append

    def append(records):
        by_thread.extend(records)
        whole_append(records)

    log._records.append = append
    for number in range(20):
        assert await answers(log, [b"%d" % number]) == [None]
    assert by_thread == [b"0"]
    assert await answers(log, [b"x" * (2 << 20)], [b"small"]) == [None, None]
    assert await answers(log, [b"last"]) == [None]
    assert by_thread[1:] == [b"x" * (2 << 20), b"small"]
    log.close()
    assert len(list(SegmentedRecords(OsFiles(tmp_path)).read(1))) == 23


@on_a_loop
async def test_close_while_writes_are_under_way_finishes_them(tmp_path):
    log = LocalLog.open(tmp_path, asyncio.get_running_loop())
    pending = asyncio.ensure_future(answers(log, *([b"%d" % n] for n in range(500))))
    await asyncio.sleep(0)
    log.close()
    assert await pending == [None] * 500
    assert [len(record) for _, record in SegmentedRecords(OsFiles(tmp_path)).read(1)] == [
        len(b"%d" % n) for n in range(500)
    ]


@on_a_loop
async def test_after_a_failure_every_batch_fails():
    records = MemoryRecords()
    log = LocalLog(records, asyncio.get_running_loop().call_soon_threadsafe)
    assert await answers(log, [b"one"]) == [None]
    records.fail("no space left")
    first, second = await answers(log, [b"two"], [b"three"])
    assert isinstance(first, LogFailedError)
    assert isinstance(second, LogFailedError)
    (third,) = await answers(log, [b"four"])
    assert str(third) == "no space left"
    assert list(log.read(1)) == [(1, b"one")]
    log.close()


@on_a_loop
async def test_what_nobody_foresaw_fails_the_log_instead_of_silencing_it(caplog):
    class Broken(MemoryRecords):
        def append(self, records):
            raise MemoryError("out of it")

    log = LocalLog(Broken(), asyncio.get_running_loop().call_soon_threadsafe)
    for _ in range(2):
        (error,) = await answers(log, [b"one"])
        assert isinstance(error, LogFailedError)
        assert "MemoryError" in str(error)
    log.close()
    assert "nobody foresaw" in caplog.text


@on_a_loop
async def test_a_trim_that_fails_is_told_to_the_operator(caplog):
    class Stuck(MemoryRecords):
        def trim(self, upto_lsn):
            raise StorageError("it is stuck")

    log = LocalLog(Stuck(), asyncio.get_running_loop().call_soon_threadsafe)
    log.trim(1)
    log.close()
    assert "it is stuck" in caplog.text


def test_a_log_outlives_its_loop(tmp_path):
    loop = asyncio.new_event_loop()
    log = LocalLog.open(tmp_path, loop)
    loop.close()
    log.append([b"one"], lambda error: None)
    log.close()
    assert list(SegmentedRecords(OsFiles(tmp_path)).read(1)) == [(1, b"one")]


@on_a_loop
async def test_trim_deletes_files_in_the_background(tmp_path):
    log = LocalLog.open(tmp_path, asyncio.get_running_loop(), segment_bytes=100)
    await answers(log, [b"a" * 90])
    await answers(log, [b"b" * 90])
    await answers(log, [b"c" * 90])
    log.trim(2)
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == [name_of(3)]


@on_a_loop
async def test_a_folder_that_cannot_be_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="folder of the log"):
        LocalLog.open(tmp_path / "file", asyncio.get_running_loop())


@on_a_loop
async def test_a_log_that_cannot_be_opened_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / name_of(1)).write_bytes(b"not a segment")
    loop = asyncio.get_running_loop()
    before = open_descriptors()
    for _ in range(3):
        for folder in ("file", "log"):
            with pytest.raises(StorageError):
                LocalLog.open(tmp_path / folder, loop)
    assert open_descriptors() == before


def open_descriptors():
    """How many there are that nobody has let go; the loop's own are there before the first log."""
    gc.collect()
    try:
        return len(list(Path("/proc/self/fd").iterdir()))
    except FileNotFoundError:
        pytest.skip("this system does not tell")


WRITER = """
import asyncio, sys
from pathlib import Path
from perdure.storage.local_log import LocalLog

async def main():
    log = LocalLog.open(Path(sys.argv[1]), asyncio.get_running_loop(), segment_bytes=5000)
    for number in range(int(sys.argv[2]), 10**9):
        done = asyncio.get_running_loop().create_future()
        log.append([b"%d" % number, b"x" * (number % 300)], done.set_result)
        assert await done is None
        print(number, flush=True)

asyncio.run(main())
"""


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path):
    acknowledged = -1
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(acknowledged + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                acknowledged = int(line)
                if acknowledged % 200 == 199:
                    process.send_signal(signal.SIGKILL)
        assert acknowledged > 0
        log = SegmentedRecords(OsFiles(tmp_path), segment_bytes=5000)
        found = [record for _, record in log.read(1)]
        log.close()
        last = len(found) // 2 - 1
        assert acknowledged <= last <= acknowledged + 1
        assert found == [r for n in range(last + 1) for r in (b"%d" % n, b"x" * (n % 300))]
        acknowledged = last


@contextlib.contextmanager
def small_file_system(folder: Path):
    """Mount a file system of 1 MiB, or skip where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting needs more rights")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@on_a_loop
async def test_a_disk_that_is_really_full(tmp_path):
    folder = tmp_path / "small"
    with small_file_system(folder):
        log = LocalLog.open(folder, asyncio.get_running_loop(), segment_bytes=100_000)
        written = []
        while True:
            (error,) = await answers(log, [b"%d" % len(written) * 2000])
            if error:
                break
            written.append(b"%d" % len(written) * 2000)
        assert "No space left on device" in str(error)
        assert written
        log.close()
        log = LocalLog.open(folder, asyncio.get_running_loop(), segment_bytes=100_000)
        assert [record for _, record in log.read(1)] == written
        log.trim(len(written) // 2)
        assert await answers(log, [b"there is room again"]) == [None]
        log.close()
