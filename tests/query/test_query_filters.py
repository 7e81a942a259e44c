"""Filters: read out of expressions, applied as the library does, and told what they want."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.query.filters import (
    columns_of,
    mask_of,
    read_filter,
    read_written,
    unwanted_of,
    wanted_of,
    write_filter,
)

ROWS = pa.record_batch(
    {
        "id": pa.array(["a", "b", "c", None, "o'k\n\"x", "a"]),
        "n": pa.array([1, 2, None, 4, 2**63, 0], pa.uint64()),
        "b": pa.array([True, False, None, True, True, False]),
    }
)
ident, number, truth = pc.field("id"), pc.field("n"), pc.field("b")

texts = st.sampled_from(["a", "b", "c", "o'k\n\"x", "none"])
numbers = st.sampled_from([0, 1, 2, 2**63])
leaves = st.one_of(
    texts.map(lambda value: ident == value),
    texts.map(lambda value: ident != value),
    texts.map(lambda value: pc.scalar(value) == ident),
    st.lists(texts, min_size=1).map(ident.isin),
    numbers.map(lambda value: number > pa.scalar(value, pa.uint64())),
    numbers.map(lambda value: number <= pa.scalar(value, pa.uint64())),
    st.sampled_from([truth, ~truth, ident.is_null(), number.is_valid()]),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
    ),
    max_leaves=6,
)


@given(filters)
def test_what_passes_is_what_the_library_lets_pass(expression):
    passing = ROWS.filter(mask_of(read_filter(expression), ROWS))
    assert passing.equals(ROWS.filter(expression))


@given(filters)
def test_what_is_not_wanted_would_not_pass(expression):
    passing = ROWS.filter(expression)
    for name, values in wanted_of(read_filter(expression)).items():
        assert set(passing.column(name).to_pylist()) <= values


@given(filters)
def test_what_is_unwanted_does_not_pass(expression):
    passing = ROWS.filter(expression)
    for name, values in unwanted_of(read_filter(expression)).items():
        assert not set(passing.column(name).to_pylist()) & values


@pytest.mark.parametrize(
    ("expression", "unwanted"),
    [
        (ident != "a", {"id": {"a"}}),
        (~ident.isin(["a", "b"]), {"id": {"a", "b"}}),
        (~(ident == "a"), {"id": {"a"}}),
        ((ident != "a") & (ident != "b") & (number != 1), {"id": {"a", "b"}, "n": {1}}),
        ((ident != "a") | (ident != "b"), {"id": set()}),
        (~(ident != "a"), {}),
        (ident == "a", {}),
    ],
)
def test_what_is_unwanted(expression, unwanted):
    assert unwanted_of(read_filter(expression)) == unwanted


@given(filters)
def test_only_the_columns_of_a_filter_are_needed(expression):
    node = read_filter(expression)
    needed = ROWS.select(sorted(columns_of(node)))
    assert mask_of(node, needed).equals(mask_of(node, ROWS))


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (ident == "a", {"id": {"a"}}),
        (ident.isin(["a", "b"]), {"id": {"a", "b"}}),
        ((ident == "a") | (ident == "b"), {"id": {"a", "b"}}),
        ((ident == "a") | (number == 1), {}),
        ((ident == "a") & (number == 1), {"id": {"a"}, "n": {1}}),
        ((ident == "a") & (ident == "b"), {"id": set()}),
        (~(ident == "a"), {}),
        (~ident.isin(["a"]), {}),
        (ident != "a", {}),
    ],
)
def test_what_is_wanted(expression, wanted):
    assert wanted_of(read_filter(expression)) == wanted


def test_what_is_not_known_is_not_known_to_be_elsewhere():
    """SQL's ``NOT IN`` lets no null pass; the library's would."""
    mask = mask_of(read_filter(~ident.isin(["a"])), ROWS)
    assert ROWS.filter(mask).column("id").to_pylist() == ["b", "c", "o'k\n\"x"]


@given(filters)
def test_a_filter_can_be_written_and_read(expression):
    assert read_written(write_filter(expression)) == read_filter(expression)


@pytest.mark.parametrize("value", [True, False, None])
def test_a_filter_that_is_always_the_same_can_be_written_too(value):
    scalar = pa.scalar(value, pa.bool_())
    assert read_written(write_filter(scalar)) == read_filter(scalar)
