"""Rows that are encoded ahead of their flush: the very same bytes, unless they changed again."""

from __future__ import annotations

from collections.abc import Iterator

from perdure.core.model.journals import JournalEntry
from perdure.core.tables.keys import index_key
from perdure.core.tables.tables import Tables
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Input, Value

ID = InvocationId(b"i" * 24)
LONG = 1000


class Nothing:
    """A store without rows."""

    def get(self, _key: bytes) -> bytes | None:
        return None

    def scan(self, _start: bytes, _end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(())


def entry(size: int) -> JournalEntry:
    return JournalEntry(1, Input(Value(b"x" * size)))


def tables_with(*sizes: int) -> Tables:
    tables = Tables(Nothing())
    for index, size in enumerate(sizes):
        tables.journals.put(ID, index_key(index), entry(size))
    return tables


def test_only_long_rows_are_encoded_ahead():
    tables = tables_with(10, LONG, 20)
    tables.states.put(b"object", b"short", b"s")
    tables.states.put(b"object", b"long", b"s" * LONG)
    keys = [key for key, _ in tables.encode_ahead(LONG)]
    assert keys == [b"j" + ID + index_key(1), b"sobjectlong"]


def test_the_flush_gives_the_very_same_value():
    tables = tables_with(LONG, LONG)
    ahead = dict(tables.encode_ahead(LONG))
    assert {key: id(value) for key, value in tables.flush()} == {
        key: id(value) for key, value in ahead.items()
    }


def test_the_flush_gives_what_a_flush_alone_would_give():
    tables, alone = tables_with(LONG, 1, LONG), tables_with(LONG, 1, LONG)
    next(tables.encode_ahead(LONG))
    assert tables.flush() == alone.flush()


def test_a_row_that_changed_since_is_encoded_anew():
    tables = tables_with(LONG)
    list(tables.encode_ahead(LONG))
    tables.journals.put(ID, index_key(0), entry(2 * LONG))
    changed = [(b"j" + ID + index_key(0), tables_with(2 * LONG).flush()[0][1])]
    assert tables.flush() == changed


def test_a_row_that_is_gone_is_not_given():
    tables = tables_with(LONG)
    list(tables.encode_ahead(LONG))
    tables.journals.delete(ID, index_key(0))
    assert tables.flush() == [(b"j" + ID + index_key(0), None)]


def test_what_was_encoded_is_not_encoded_again():
    tables = tables_with(LONG)
    assert len(list(tables.encode_ahead(LONG))) == 1
    tables.journals.put(ID, index_key(1), entry(LONG))
    assert [key for key, _ in tables.encode_ahead(LONG)] == [b"j" + ID + index_key(1)]
    tables.flush()
    tables.journals.put(ID, index_key(2), entry(LONG))
    assert [key for key, _ in tables.encode_ahead(LONG)] == [b"j" + ID + index_key(2)]
