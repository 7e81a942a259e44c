"""Answers as clients read them: rows as JSON, or a stream of Arrow batches."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Final, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

#: Digits of a second that each unit of Arrow tells, and its units a second.
_DIGITS: Final = {"s": (0, 1), "ms": (3, 10**3), "us": (6, 10**6), "ns": (9, 10**9)}
_ENCODE: Final = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode
#: Rows that are written at a time, so as not to keep the interpreter for long.
_ROWS: Final = 256


class Form(Protocol):
    """A way to write an answer, piece by piece."""

    def begin(self) -> bytes:
        """Give what comes before the rows."""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write some rows."""

    def end(self) -> bytes:
        """Give what comes after the rows."""


class JsonForm:
    """``{"rows":[…]}``: a row is an object, without the columns that are null in it."""

    def __init__(self, schema: pa.Schema) -> None:
        self._names: Sequence[str] = schema.names
        self._writers = [_writer(field.type) for field in schema]
        self._any_rows = False

    def begin(self) -> bytes:
        """Give what comes before the rows."""
        return b'{"rows":['

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write some rows."""
        pieces = (batch.slice(start, _ROWS) for start in range(0, batch.num_rows, _ROWS))
        return b"".join(map(self._piece, pieces))

    def end(self) -> bytes:
        """Give what comes after the rows."""
        return b"]}"

    def _piece(self, batch: pa.RecordBatch) -> bytes:
        columns = [
            write(column) for write, column in zip(self._writers, batch.columns, strict=True)
        ]
        documents = _objects(self._names, columns, batch.num_rows)
        separator = b"," if self._any_rows else b""
        self._any_rows = True
        return separator + _ENCODE(documents)[1:-1]


class ArrowForm:
    """Arrow's IPC stream: the schema, then batches."""

    def __init__(self, schema: pa.Schema) -> None:
        schema = self._schema = _widened(schema)
        self._buffer = io.BytesIO()
        self._stream = pa.ipc.new_stream(self._buffer, schema)

    def begin(self) -> bytes:
        """Give what comes before the rows."""
        return self._taken()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write some rows."""
        columns = [
            column.cast(field.type) if column.type != field.type else column
            for column, field in zip(batch.columns, self._schema, strict=True)
        ]
        self._stream.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        return self._taken()

    def end(self) -> bytes:
        """Give what comes after the rows."""
        self._stream.close()
        return self._taken()

    def _taken(self) -> bytes:
        written = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return written


def _widened(schema: pa.Schema) -> pa.Schema:
    """Give texts the type that clients know them by; and nothing promises to have no nulls."""
    return pa.schema(
        (field.name, pa.large_string() if pa.types.is_string(field.type) else field.type)
        for field in schema
    )


#: Turns a column into values for JSON.
Write = Callable[[pa.Array], list[Any]]


def _writer(kind: pa.DataType) -> Write:
    """Give what turns a column of a type into values for JSON."""
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _list_writer(_writer(kind.value_type))
    if types.is_map(kind):
        return _map_writer(kind)
    if types.is_struct(kind):
        return _struct_writer(list(kind))
    return _plain_writer(kind)


def _plain_writer(kind: pa.DataType) -> Write:
    """Give what writes values in which there are no others."""
    types = pa.types
    if types.is_timestamp(kind):
        return lambda column: [_instant(value, kind) for value in _numbers(column)]
    if types.is_duration(kind):
        return lambda column: [_span(value, kind.unit) for value in _numbers(column)]
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return lambda column: [value and value.hex() for value in column.to_pylist()]
    if types.is_floating(kind):
        # What is not a number is not JSON; msgspec writes null, which is left out here.
        return lambda column: [_number(value) for value in column.to_pylist()]
    if types.is_interval(kind):
        return lambda column: [_interval(value) for value in column.to_pylist()]
    return lambda column: column.to_pylist()


def _list_writer(write: Write) -> Write:
    return lambda column: _in_lists(column, write(column.flatten()))


def _map_writer(kind: pa.MapType) -> Write:
    # Arrow takes maps apart as lists alone.
    listed = pa.list_(pa.struct([kind.key_field, kind.item_field]))
    write_key, write_item = _writer(kind.key_type), _writer(kind.item_type)

    def write(column: pa.MapArray) -> list[Any]:
        lists = column.cast(listed)
        keys, items = lists.flatten().flatten()
        pairs = list(zip(write_key(keys), write_item(items), strict=True))
        return [None if each is None else dict(each) for each in _in_lists(lists, pairs)]

    return write


def _struct_writer(fields: Sequence[pa.Field]) -> Write:
    names = [field.name for field in fields]
    writers = [_writer(field.type) for field in fields]

    def write(column: pa.StructArray) -> list[Any]:
        parts = [write(part) for write, part in zip(writers, column.flatten(), strict=True)]
        objects = _objects(names, parts, len(column))
        valid = column.is_valid().to_pylist()
        return [one if is_valid else None for one, is_valid in zip(objects, valid, strict=True)]

    return write


def _in_lists(column: pa.Array, items: Sequence[Any]) -> list[list[Any] | None]:
    """Divide the items of all lists of a column among them again."""
    rest = iter(items)
    lengths = pc.list_value_length(column).to_pylist()
    return [None if length is None else list(islice(rest, length)) for length in lengths]


def _objects(
    names: Sequence[str], columns: Sequence[list[Any]], count: int
) -> list[dict[str, Any]]:
    """Make an object a row, without what is null in it."""
    rows = zip(*columns, strict=True) if columns else [()] * count
    return [
        {name: value for name, value in zip(names, values, strict=True) if value is not None}
        for values in rows
    ]


def _numbers(column: pa.Array) -> list[int | None]:
    return column.cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]


def _instant(value: int | None, kind: pa.TimestampType) -> str | None:
    if value is None:
        return None
    digits, units = _DIGITS[kind.unit]
    seconds, rest = divmod(value, units)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{_moment(seconds)}{fraction}{'Z' if kind.tz else ''}"


def _moment(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    year, month, day = _date(days)
    return (
        f"{year:04d}-{month:02d}-{day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    )


def _date(days: int) -> tuple[int, int, int]:
    """Give the date so many days after 1970-01-01, in the Gregorian calendar of any year."""
    # Counted from 0000-03-01, years of this calendar end with the leap day.
    era, day_of_era = divmod(days + 719_468, 146_097)
    year = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, day


def _span(value: int | None, unit: str) -> str | None:
    if value is None:
        return None
    if value == 0:
        return "P0D"
    digits, units = _DIGITS[unit]
    seconds, rest = divmod(abs(value), units)
    fraction = f".{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{'-' if value < 0 else ''}PT{seconds}{fraction}S"


def _number(value: float | None) -> float | None:
    return value if value is not None and value == value else None  # noqa: PLR0124 - tells NaN


def _interval(value: Any) -> str | None:
    if value is None or isinstance(value, timedelta):
        return None if value is None else str(value)
    months, days, nanoseconds = value
    parts = [f"{months} mons" if months else "", f"{days} days" if days else ""]
    if nanoseconds or not (months or days):
        parts.append(f"{nanoseconds / 1e9:f} secs")
    return " ".join(part for part in parts if part)
