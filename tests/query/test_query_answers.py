"""How values are written as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.query.answers import JsonForm

ZONED = pa.timestamp("ms", "+00:00")


def write(array):
    form = JsonForm(pa.schema([("v", array.type)]))
    batch = pa.record_batch([array], names=["v"])
    return json.loads(form.begin() + form.rows(batch) + form.end())["rows"]


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        (pa.string(), "x\u00e9", "x\u00e9"),
        (pa.uint64(), 2**64 - 1, 2**64 - 1),
        (pa.int64(), -1, -1),
        (pa.bool_(), False, False),
        (pa.float64(), 1.5, 1.5),
        (ZONED, 1_795_292_906_505, "2026-11-21T20:28:26.505Z"),
        (ZONED, 253_402_300_800_000, "10000-01-01T00:00:00.000Z"),
        (pa.timestamp("ns"), 1_795_293_332_817_892_176, "2026-11-21T20:35:32.817892176"),
        (pa.timestamp("s"), 0, "1970-01-01T00:00:00"),
        (pa.duration("ms"), 86_400_000, "PT86400S"),
        (pa.duration("ms"), 3_714, "PT3.714S"),
        (pa.duration("ms"), -500, "-PT0.5S"),
        (pa.duration("ms"), 0, "P0D"),
        (pa.large_binary(), b"\x00\xff", "00ff"),
        (pa.large_binary(), b"", ""),
        (pa.list_(pa.uint32()), [1, 17], [1, 17]),
        (pa.struct([("a", pa.int64())]), {"a": 1}, {"a": 1}),
        (pa.month_day_nano_interval(), pa.MonthDayNano([0, 1, 0]), "1 days"),
    ],
)
def test_values(kind, value, written):
    assert write(pa.array([value], kind)) == [{"v": written}]


AT, SHOWN = 1_795_292_906_505, "2026-11-21T20:28:26.505Z"


@pytest.mark.parametrize(
    ("kind", "values", "written"),
    [
        (pa.list_(ZONED), [[AT], None, [], [AT, None]], [[SHOWN], None, [], [SHOWN, None]]),
        (pa.list_(pa.large_binary()), [[b"\xff"], [b"", b"1"]], [["ff"], ["", "31"]]),
        (pa.large_list(pa.duration("ms")), [[86_400_000]], [["PT86400S"]]),
        (pa.list_(pa.list_(pa.binary())), [[[b"1"], []], [[b"2"]]], [[["31"], []], [["32"]]]),
        (pa.list_(pa.float64()), [[1.0, float("nan")]], [[1.0, None]]),
        (pa.list_(pa.int64(), 2), [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (
            pa.struct([("t", ZONED), ("b", pa.binary())]),
            [{"t": AT, "b": None}, None, {"t": None, "b": b"1"}],
            [{"t": SHOWN}, None, {"b": "31"}],
        ),
        (
            pa.map_(pa.string(), pa.binary()),
            [[("a", b"1"), ("b", None)], None, []],
            [{"a": "31", "b": None}, None, {}],
        ),
        (pa.decimal128(5, 2), [Decimal("1.50")], [1.5]),
    ],
)
def test_what_is_nested_is_written_as_it_would_be_alone(kind, values, written):
    rows = [{} if value is None else {"v": value} for value in written]
    array = pa.array(values, kind)
    assert write(array) == rows
    # A slice knows more items than its own.
    assert write(array.slice(1)) == rows[1:]


@pytest.mark.parametrize("kind", [pa.string(), ZONED, pa.duration("ms"), pa.float64(), pa.null()])
def test_nulls_are_left_out(kind):
    assert write(pa.array([None], kind)) == [{}]


def test_what_is_no_number_is_left_out():
    assert write(pa.array([float("nan")])) == [{}]


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_dates_are_those_of_the_calendar(milliseconds):
    [row] = write(pa.array([milliseconds], ZONED))
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    fraction = f"{milliseconds % 1000:03d}"
    assert row["v"] == f"{moment:%Y}".rjust(4, "0") + f"{moment:-%m-%dT%H:%M:%S}.{fraction}Z"


def test_batches_make_one_list():
    form = JsonForm(pa.schema([("v", pa.int64())]))
    pieces = [form.begin()]
    pieces += [form.rows(pa.record_batch([pa.array(each)], names=["v"])) for each in ([1, 2], [3])]
    pieces += [form.rows(pa.record_batch([pa.array([], pa.int64())], names=["v"])), form.end()]
    assert json.loads(b"".join(pieces)) == {"rows": [{"v": 1}, {"v": 2}, {"v": 3}]}
