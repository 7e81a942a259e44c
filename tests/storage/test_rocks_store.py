"""What the embedded store adds to the contract: crashes, damage, other processes, threads."""

import os
import signal
import subprocess
import sys
import threading
from itertools import islice

import pytest

from perdure.storage.rocks_errors import StoreFailedError
from perdure.storage.rocks_store import CACHE_BYTES, RocksStore

WRITER = """
import sys, threading
from pathlib import Path
from perdure.storage.rocks_store import RocksStore

store = RocksStore.open(Path(sys.argv[1]))
lsn = store.applied_lsn
while True:
    lsn += 1
    store.write([(b"sum", b"%d" % lsn), (b"%03d" % (lsn % 500), b"%d" % lsn * 50)], lsn)
    if lsn % 97 == 0:
        threading.Thread(target=store.checkpoint, daemon=True).start()
    if lsn % 50 == 0:
        print(lsn, store.durable_lsn, flush=True)
"""


def rows_at(lsn):
    rows = {b"%03d" % (n % 500): b"%d" % n * 50 for n in range(max(1, lsn - 499), lsn + 1)}
    if lsn:
        rows[b"sum"] = b"%d" % lsn
    return rows


def test_a_killed_process_leaves_all_writes_up_to_the_one_that_is_told(tmp_path):
    start = 0
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                written, durable = map(int, line.split())
                if durable > start and written > start + 1000:
                    process.send_signal(signal.SIGKILL)
        store = RocksStore.open(tmp_path)
        assert durable <= store.applied_lsn
        assert store.durable_lsn == store.applied_lsn
        assert dict(store.scan(b"", b"\xff")) == rows_at(store.applied_lsn)
        start = store.applied_lsn
        store.close()


def test_a_store_that_was_closed_has_all(tmp_path):
    store = RocksStore.open(tmp_path / "new" / "store")
    store.write([(b"a", b"1")], 5)
    store.close()
    store = RocksStore.open(tmp_path / "new" / "store")
    assert (store.get(b"a"), store.applied_lsn, store.durable_lsn) == (b"1", 5, 5)
    store.close()


def test_a_checkpoint_runs_while_the_loop_writes(tmp_path):
    store = RocksStore.open(tmp_path)
    for lsn in range(1, 2001):
        store.write([(b"%d" % lsn, b"x" * 500)], lsn)
    durable = []

    def checkpoint():
        store.checkpoint()
        durable.append(store.durable_lsn)

    thread = threading.Thread(target=checkpoint)
    thread.start()
    lsn = 2000
    while thread.is_alive():
        lsn += 1
        store.write([(b"%d" % lsn, b"x")], lsn)
    thread.join()
    assert 2000 <= durable[0] <= lsn
    store.close()


def test_close_waits_for_a_checkpoint(tmp_path):
    store = RocksStore.open(tmp_path)
    store.write([(b"%d" % number, b"x" * 1000) for number in range(5000)], 1)
    thread = threading.Thread(target=store.checkpoint)
    thread.start()
    while not store._flushing.locked() and thread.is_alive():
        pass
    store.close()
    thread.join()


def test_damage_is_an_error_and_not_the_end_of_the_rows(tmp_path):
    store = RocksStore.open(tmp_path)
    store.write([(b"%06d" % number, os.urandom(100)) for number in range(20_000)], 1)
    store.close()
    table = max(tmp_path.glob("*.sst"), key=lambda path: path.stat().st_size)
    content = bytearray(table.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    table.write_bytes(content)
    store = RocksStore.open(tmp_path)
    for read in (
        lambda: list(store.scan(b"0", b"9")),
        lambda: list(store.view().scan(b"0", b"9")),
        lambda: [store.get(b"%06d" % number) for number in range(20_000)],
        lambda: [store.view().get(b"%06d" % number) for number in range(0, 20_000, 10)],
    ):
        with pytest.raises(StoreFailedError, match=r"could not be read: Corruption.*same backup"):
            read()
    store.close()


def test_a_page_of_large_rows_is_short(tmp_path):
    store = RocksStore.open(tmp_path)
    store.write([(b"%02d" % number, b"x" * 300_000) for number in range(20)], 1)
    view = store.view()
    assert [len(page) for page in view.pages(b"0", b"9")] == [4] * 5
    view.close()
    store.close()


def test_large_rows_behind_small_ones_are_read_few_at_a_time(tmp_path):
    store = RocksStore.open(tmp_path)
    sizes = [10] * 300 + [300_000] * 100 + [10] * 3_000
    store.write([(b"%04d" % number, b"x" * size) for number, size in enumerate(sizes)], 1)
    view = store.view()
    pages = list(view.pages(b"0", b"9"))
    assert [len(value) for page in pages for _, value in page] == sizes
    assert max(sum(len(value) for _, value in page) for page in pages) < 12_000_000
    view.close()
    store.close()


def test_a_view_that_is_closed_during_a_scan_says_so(tmp_path):
    store = RocksStore.open(tmp_path)
    store.write([(b"%05d" % number, b"x") for number in range(10_000)], 1)
    for taken in range(4):
        view = store.view()
        pages = view.pages(b"0", b"9")
        assert len(list(islice(pages, taken))) == taken
        view.close()
        with pytest.raises(StoreFailedError, match="take another"):
            next(pages)
    store.close()


def test_a_view_outlives_its_store(tmp_path):
    store = RocksStore.open(tmp_path)
    store.write([(b"%05d" % number, b"x") for number in range(1_000)], 1)
    view = store.view()
    store.close()
    assert sum(map(len, view.pages(b"0", b"9"))) == 1_000
    view.close()


def test_a_store_that_is_opened_again_has_its_cache(tmp_path):
    """The library would forget what it was told about an existing database."""
    for _ in range(2):
        store = RocksStore.open(tmp_path)
        assert store._db.property_value("rocksdb.block-cache-capacity") == str(CACHE_BYTES)
        store.close()


def test_a_store_is_opened_once_at_a_time(tmp_path):
    store = RocksStore.open(tmp_path)
    with pytest.raises(StoreFailedError, match="could not be opened"):
        RocksStore.open(tmp_path)
    store.close()


def test_a_path_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(StoreFailedError, match="could not be opened"):
        RocksStore.open(tmp_path / "store")


def test_a_closed_store_says_so_at_every_step(tmp_path):
    store = RocksStore.open(tmp_path)
    store.close()
    for step in (
        lambda: store.get(b"a"),
        lambda: store.scan(b"a", b"b"),
        lambda: store.write([], 1),
        store.checkpoint,
        store.view,
        store.close,
    ):
        with pytest.raises(StoreFailedError, match="closed"):
            step()


def test_a_closed_view_says_so(tmp_path):
    store = RocksStore.open(tmp_path)
    view = store.view()
    view.close()
    with pytest.raises(StoreFailedError, match="take another"):
        view.get(b"a")
    store.close()
