"""What every store does: the one in memory is the reference for the embedded one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.engine.ports import Store
from perdure.storage.memory_store import MemoryStore
from perdure.storage.rocks_store import RocksStore

Kind = Callable[[Path], Callable[[], Store]]


def memory(folder: Path) -> Callable[[], Store]:
    store = MemoryStore()
    return lambda: store


def rocks(folder: Path) -> Callable[[], Store]:
    return lambda: RocksStore.open(folder / "store")


every_kind = pytest.mark.parametrize("kind", [memory, rocks])


@contextmanager
def opened(kind: Kind) -> Iterator[Store]:
    with TemporaryDirectory() as folder:
        store = kind(Path(folder))()
        try:
            yield store
        finally:
            store.close()


@every_kind
def test_a_new_store_is_empty(kind):
    with opened(kind) as store:
        assert (store.applied_lsn, store.durable_lsn) == (0, 0)
        assert store.get(b"a") is None
        assert list(store.scan(b"", b"\xff")) == []


@every_kind
def test_rows_are_put_replaced_and_deleted(kind):
    with opened(kind) as store:
        store.write([(b"a", b"1"), (b"b", b""), (b"c", b"3")], 1)
        store.write([(b"a", b"one"), (b"c", None), (b"never there", None)], 2)
        assert [store.get(key) for key in (b"a", b"b", b"c")] == [b"one", b"", None]
        assert store.applied_lsn == 2


@every_kind
def test_later_changes_of_a_write_win(kind):
    with opened(kind) as store:
        store.write([(b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2"), (b"b", b"3")], 1)
        assert list(store.scan(b"a", b"z")) == [(b"b", b"3")]


@every_kind
def test_a_write_without_changes_reaches_its_lsn(kind):
    with opened(kind) as store:
        store.write([], 7)
        assert store.applied_lsn == 7
        assert list(store.scan(b"", b"\xff")) == []


@every_kind
def test_a_batch_takes_its_changes_piece_by_piece_and_makes_them_at_once(kind):
    with opened(kind) as store:
        store.write([(b"a", b"1"), (b"b", b"2"), (b"c", b"3")], 1)
        before = list(store.scan(b"", b"\xff"))
        batch = store.batch()
        for piece in ([(b"z", b"26"), (b"b", None)], [], [(b"a", b"one")]):
            batch.extend(piece)
            assert list(store.scan(b"", b"\xff")) == before
            assert store.applied_lsn == 1
        batch.write(2)
        assert list(store.scan(b"", b"\xff")) == [(b"a", b"one"), (b"c", b"3"), (b"z", b"26")]
        assert store.applied_lsn == 2


@every_kind
def test_a_batch_that_is_given_up_changes_nothing(kind):
    with opened(kind) as store:
        store.batch().extend([(b"a", b"1")])
        store.batch().write(3)
        assert list(store.scan(b"", b"\xff")) == []
        assert store.applied_lsn == 3


@every_kind
def test_a_scan_takes_its_start_and_leaves_its_end(kind):
    with opened(kind) as store:
        keys = [b"\x01", b"a", b"a\x00", b"a\xff", b"b", b"\xff"]
        store.write([(key, key) for key in keys], 1)
        assert [key for key, _ in store.scan(b"a", b"b")] == [b"a", b"a\x00", b"a\xff"]
        assert [key for key, _ in store.scan(b"", b"\xff")] == keys[:-1]
        assert [key for key, _ in store.scan(b"a\x01", b"a\x02")] == []
        assert [key for key, _ in store.scan(b"b", b"a")] == []
        assert [key for key, _ in store.scan(b"b", b"b")] == []


@every_kind
def test_a_scan_gives_the_rows_of_the_moment_when_it_began(kind):
    with opened(kind) as store:
        store.write([(b"%d" % number, b"old") for number in range(5)], 1)
        scan = store.scan(b"0", b"9")
        store.write([(b"1", None), (b"2", b"new"), (b"5", b"new")], 2)
        assert list(scan) == [(b"%d" % number, b"old") for number in range(5)]


@every_kind
def test_a_view_does_not_see_later_writes(kind):
    with opened(kind) as store:
        store.write([(b"a", b"1"), (b"b", b"2")], 1)
        early = store.view()
        store.write([(b"a", None), (b"b", b"3"), (b"c", b"4")], 2)
        late = store.view()
        store.write([(b"c", None)], 3)
        assert [early.get(key) for key in (b"a", b"b", b"c", b"aa")] == [b"1", b"2", None, None]
        assert list(early.scan(b"", b"\xff")) == [(b"a", b"1"), (b"b", b"2")]
        assert list(late.scan(b"", b"\xff")) == [(b"b", b"3"), (b"c", b"4")]
        assert list(store.scan(b"", b"\xff")) == [(b"b", b"3")]
        early.close()
        late.close()


@every_kind
def test_scans_and_lookups_of_one_view_may_take_turns(kind):
    rows = [(b"%04d" % number, b"%d" % number) for number in range(600)]
    with opened(kind) as store:
        store.write(rows, 1)
        view = store.view()
        up, some = view.scan(b"0000", b"9999"), view.scan(b"0100", b"0300")
        taken = []
        for row in up:
            taken.append(row)
            assert view.get(row[0]) == row[1]
            if row in rows[:200]:
                assert next(some) == rows[100 + int(row[1])]
        assert taken == rows
        assert list(some) == []
        view.close()


@every_kind
def test_the_pages_of_a_view_are_its_rows(kind):
    with opened(kind) as store:
        rows = [(b"%05d" % number, b"x" * (number % 7)) for number in range(3_000)]
        store.write(rows, 1)
        view = store.view()
        pages = list(view.pages(b"00010", b"02990"))
        assert all(pages)
        assert [row for page in pages for row in page] == list(view.scan(b"00010", b"02990"))
        keys = [key for page in view.pages(b"00010", b"02990", values=False) for key, _ in page]
        assert keys == [key for key, _ in rows[10:2_990]]
        assert list(view.pages(b"a", b"b")) == []
        view.close()


@every_kind
@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize("pages_before", [0, 1, 2, 3])
def test_a_long_scan_shows_its_moment_whenever_others_write(kind, pages_before, values):
    with opened(kind) as store:
        rows = [(b"%05d" % number, b"old") for number in range(5_000)]
        store.write(rows, 1)
        view = store.view()
        pages = view.pages(b"0", b"9", values=values)
        shown = [row for page in islice(pages, pages_before) for row in page]
        store.write([(key, b"new") for key, _ in rows[::2]] + [(rows[1][0], None)], 2)
        store.checkpoint()
        shown += [row for page in pages for row in page]
        assert [key for key, _ in shown] == [key for key, _ in rows]
        assert not values or shown == rows
        view.close()


@every_kind
def test_a_checkpoint_makes_what_was_written_durable(kind):
    with opened(kind) as store:
        store.write([(b"a", b"1")], 4)
        assert store.durable_lsn == 0
        store.checkpoint()
        store.write([(b"a", b"2")], 5)
        assert (store.durable_lsn, store.applied_lsn) == (4, 5)
        store.checkpoint()
        store.checkpoint()
        assert store.durable_lsn == 5


keys = st.binary(min_size=1, max_size=2).filter(lambda key: key[0]) | st.sampled_from(
    [b"i/1", b"i/2", b"j/1", b"j/2"]
)
changes = st.lists(st.tuples(keys, st.none() | st.binary(max_size=20)), max_size=8)
operations = st.one_of(
    st.tuples(st.just("write"), changes),
    st.tuples(st.just("scan"), st.tuples(st.binary(max_size=2), st.binary(max_size=2))),
    st.tuples(st.just("view"), st.none()),
    st.tuples(st.just("checkpoint"), st.none()),
    st.tuples(st.just("reopen"), st.none()),
)


@every_kind
@settings(max_examples=40, deadline=None)
@given(steps=st.lists(operations, max_size=20))
def test_a_store_is_a_sorted_dictionary(kind, steps):
    rows: dict[bytes, bytes] = {}
    lsn = 0
    views = []
    with TemporaryDirectory() as folder:
        opener = kind(Path(folder))
        store = opener()
        for verb, argument in [*steps, ("reopen", None)]:
            match verb:
                case "write":
                    lsn += 3
                    store.write(argument, lsn)
                    apply(rows, argument)
                case "scan":
                    start, end = argument
                    expected = [row for row in sorted(rows.items()) if start <= row[0] < end]
                    assert list(store.scan(start, end)) == expected
                case "view":
                    views.append((store.view(), dict(rows)))
                case "checkpoint":
                    store.checkpoint()
                    assert store.durable_lsn == lsn
                case "reopen":
                    check_views(views)
                    store.close()
                    store = opener()
            assert store.applied_lsn == lsn
            assert store.durable_lsn <= lsn
        assert list(store.scan(b"", b"\xff" * 3)) == sorted(rows.items())
        assert {key: store.get(key) for key in rows} == rows
        store.close()


def apply(rows, argument):
    for key, value in argument:
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value


def check_views(views):
    while views:
        view, expected = views.pop()
        assert list(view.scan(b"", b"\xff" * 3)) == sorted(expected.items())
        assert {key: view.get(key) for key in expected} == expected
        view.close()
