"""Long values in pieces: whenever the store is written, closed or looked at meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.engine.ports import StorageError
from perdure.storage.long_values import PIECE_BYTES
from perdure.storage.rocks_store import RocksStore

LONG = bytes(range(256)) * (5 * PIECE_BYTES // 512)
OTHER = LONG[::-1]


WRITER = """
import sys, threading
from pathlib import Path
from perdure.storage.rocks_store import RocksStore

store = RocksStore.open(Path(sys.argv[1]))
lsn = store.applied_lsn
while True:
    lsn += 1
    key, value = b"%d" % (lsn % 3), b"%05d" % lsn * 250_000
    for _ in store.stage(key, value):
        if lsn % 4 == 0:
            break
    store.write([(b"lsn", b"%d" % lsn), (key, value)], lsn)
    if lsn % 7 == 0:
        threading.Thread(target=store.checkpoint, daemon=True).start()
    print(lsn, store.durable_lsn, flush=True)
"""


@pytest.fixture
def store(tmp_path):
    opened = RocksStore.open(tmp_path)
    yield opened
    opened.close()


def staged(store, key=b"a", value=LONG):
    for _ in store.stage(key, value):
        pass
    return key, value


def own_rows(store):
    """Give the keys that are no table's."""
    return [key for key, _ in store.scan(b"\x00", b"\x01")]


def test_a_staged_value_is_read_as_any_other(store):
    staged(store)
    store.write([(b"0", b"before"), (b"a", LONG), (b"b", b"")], 1)
    rows = [(b"0", b"before"), (b"a", LONG), (b"b", b"")]
    assert [store.get(key) for key in (b"0", b"a", b"b")] == [value for _, value in rows]
    assert list(store.scan(b"", b"\xff")) == rows
    view = store.view()
    assert list(view.scan(b"", b"\xff")) == rows
    assert [view.get(key) for key in (b"0", b"a", b"b", b"c")] == [*dict(rows).values(), None]
    view.close()
    assert len(own_rows(store)) == 4


def test_what_is_staged_is_not_there_before_it_is_put(store):
    staged(store)
    assert store.get(b"a") is None
    assert list(store.scan(b"", b"\xff")) == []
    view = store.view()
    assert list(view.scan(b"", b"\xff")) == []
    view.close()


@pytest.mark.parametrize("value", [None, b"", b"short", LONG], ids=["gone", "no", "short", "long"])
def test_a_long_value_that_is_replaced_leaves_nothing_behind(store, value):
    store.write([staged(store)], 1)
    store.write([(b"a", value)], 2)
    assert store.get(b"a") == value
    assert own_rows(store) == []


def test_a_long_value_may_be_replaced_by_another(store):
    store.write([staged(store)], 1)
    store.write([staged(store, value=OTHER)], 2)
    assert store.get(b"a") == OTHER
    assert len(own_rows(store)) == 4


def test_of_two_values_for_a_row_the_one_that_is_put_counts(store):
    staged(store)
    store.write([staged(store, value=OTHER)], 1)
    assert store.get(b"a") == OTHER
    assert len(own_rows(store)) == 4


@pytest.mark.parametrize("steps", range(1, 4))
def test_a_write_takes_a_value_that_has_not_come_whole_as_it_is(store, steps):
    writing = store.stage(b"a", LONG)
    list(islice(writing, steps))
    store.write([(b"a", LONG)], 1)
    assert list(writing) == []
    assert store.get(b"a") == LONG
    assert own_rows(store) == []


def test_a_write_without_what_was_staged_forgets_it(store):
    staged(store)
    store.write([(b"b", b"1")], 1)
    assert own_rows(store) == []
    # Equal is not enough: only the very object is known to be the same without looking at it.
    staged(store)
    store.write([(b"a", bytes(bytearray(LONG)))], 2)
    assert store.get(b"a") == LONG
    assert own_rows(store) == []


def test_a_batch_takes_long_values_from_where_they_were_staged(store):
    store.write([staged(store), (b"b", OTHER)], 1)
    batch = store.batch()
    batch.extend([(b"a", b""), (b"b", b"short")])
    batch.extend([staged(store, b"c", OTHER), (b"d", LONG)])
    assert store.get(b"a") == LONG
    batch.write(2)
    rows = [(b"a", b""), (b"b", b"short"), (b"c", OTHER), (b"d", LONG)]
    assert list(store.scan(b"", b"\xff")) == rows
    assert len(own_rows(store)) == 4


def test_a_batch_is_for_the_next_write(store):
    late = store.batch()
    late.extend([(b"a", b"")])
    store.write([staged(store)], 1)
    with pytest.raises(AssertionError, match="no other write"):
        late.write(2)
    assert store.get(b"a") == LONG
    assert store.applied_lsn == 1


def test_a_view_and_a_scan_show_their_moment(store):
    store.write([staged(store)], 1)
    view, scan = store.view(), store.scan(b"", b"\xff")
    store.write([(b"a", None), staged(store, b"b", OTHER)], 2)
    assert list(scan) == [(b"a", LONG)]
    assert list(view.scan(b"", b"\xff")) == [(b"a", LONG)]
    assert (view.get(b"a"), view.get(b"b")) == (LONG, None)
    view.close()
    late = store.view()
    assert list(late.pages(b"", b"\xff")) == [[(b"b", OTHER)]]
    late.close()


def test_a_scan_reads_no_further_than_it_is_taken(store):
    store.write([staged(store), *((b"b%d" % number, b"x") for number in range(5))], 1)
    scan = store.scan(b"", b"\xff")
    assert next(scan) == (b"a", LONG)
    store.write([(b"a", None), (b"b2", b"")], 2)
    assert [value for _, value in scan] == [b"x"] * 5


def test_a_page_ends_with_a_long_value(store):
    rows = [(b"%d" % number, b"x") for number in range(5)]
    store.write([*rows, staged(store, b"22"), staged(store, b"23", OTHER)], 1)
    view = store.view()
    pages = list(view.pages(b"0", b"9"))
    assert [[key for key, _ in page] for page in pages] == [
        [b"0", b"1", b"2", b"22"],
        [b"23"],
        [b"3", b"4"],
    ]
    view.close()


def test_a_value_with_a_piece_missing_is_refused(store):
    store.write([staged(store)], 1)
    store._db.delete(own_rows(store)[1])
    with pytest.raises(StorageError, match="1 are missing"):
        store.get(b"a")


def test_a_killed_process_leaves_whole_values_and_no_pieces_of_others(tmp_path):
    start = 0
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                written, durable = map(int, line.split())
                if durable > start and written > start + 20:
                    process.send_signal(signal.SIGKILL)
        store = RocksStore.open(tmp_path)
        start = store.applied_lsn
        assert durable <= start
        rows = {b"%d" % (lsn % 3): b"%05d" % lsn * 250_000 for lsn in range(start - 2, start + 1)}
        assert dict(store.scan(b"", b"\xff")) == rows | {b"lsn": b"%d" % start}
        indexed = [key for key in own_rows(store) if key.startswith(b"\x00v")]
        sizes = [-(-len(rows[key[2:]]) // PIECE_BYTES) for key in indexed]
        assert len(own_rows(store)) == len(indexed) + sum(sizes)
        assert len(indexed) >= 2
        store.close()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("stage"), st.sampled_from(b"ab"), st.integers(0, 5)),
        st.tuples(st.just("write"), st.sampled_from(b"ab"), st.sampled_from(["staged", b"", None])),
        st.tuples(st.just("reopen"), st.none(), st.none()),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(steps=steps)
def test_whatever_was_staged_the_rows_are_those_that_were_written(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("store")
    store = RocksStore.open(folder)
    rows: dict[bytes, bytes] = {}
    values: dict[bytes, bytes] = {}
    for lsn, (verb, letter, argument) in enumerate(steps, 1):
        if verb == "reopen":
            store.close()
            store = RocksStore.open(folder)
            values.clear()
        else:
            key = bytes([letter])
            if verb == "stage":
                values[key] = b"%d" % lsn + LONG
                list(islice(store.stage(key, values[key]), argument))
            else:
                value = values.get(key, b"none") if argument == "staged" else argument
                store.write([(key, value)], lsn)
                rows.pop(key, None)
                rows.update({} if value is None else {key: value})
                values.clear()
        assert dict(store.scan(b"", b"\xff")) == rows
    store.close()
    store = RocksStore.open(folder)
    assert dict(store.scan(b"", b"\xff")) == rows
    assert len(own_rows(store)) in {0, 4, 8, 5, 10}
    store.close()
