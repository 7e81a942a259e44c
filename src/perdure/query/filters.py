"""Filters of a scan, read out of the expression that the SQL engine hands over.

The SQL engine leaves a filter to the table whole, and drops it for itself, so it must be applied to
every row. The expression can be written as a record batch: literals are its columns, the tree its
metadata, in prefix order. That form is read here, which tells two more things: which columns the
filter looks at, and (where it demands that a column is one of some values) which these are.

Nulls follow SQL: what is compared with null is neither true nor false, and does not pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from perdure.query.columns import Wanted

#: Functions that ask whether a column has one of some values.
_ONE_OF: Final = frozenset({"equal", "is_in"})
_LINE: Final = re.compile(r"^(call|field_ref|literal|options|end): '(.*)'$")


class Field(Struct, frozen=True):
    """A column."""

    name: str


class Literal(Struct, frozen=True):
    """A value that the query gave."""

    value: Any


class Call(Struct, frozen=True):
    """A function of other nodes; ``options`` are the function's own."""

    name: str
    arguments: tuple[Node, ...]
    options: dict[str, Any] | None = None


Node = Field | Literal | Call


def read_filter(expression: pc.Expression | pa.Scalar) -> Node:
    """Read an expression as a tree; one that is always the same may come as just its value."""
    if isinstance(expression, pa.Scalar):
        return Literal(expression)
    return _read(_written(expression))


def write_filter(expression: pc.Expression | pa.Scalar) -> bytes:
    """Write an expression so that another process can read it."""
    if isinstance(expression, pa.Scalar):
        expression = pc.scalar(expression)
    written: bytes = _written(expression).to_pybytes()
    return written


def read_written(written: bytes) -> Node:
    """Read a tree from what :func:`write_filter` wrote."""
    return _read(pa.py_buffer(written))


def columns_of(node: Node) -> set[str]:
    """Give the columns that a filter looks at."""
    match node:
        case Field(name):
            return {name}
        case Call(_, arguments):
            return set().union(*(columns_of(argument) for argument in arguments))
        case Literal():
            return set()


def wanted_of(node: Node) -> Wanted:
    """Give the columns of which only some values can pass, and these values."""
    match node:
        case Call("and_kleene", (left, right)):
            wanted = dict(wanted_of(left))
            for name, values in wanted_of(right).items():
                wanted[name] = wanted.get(name, values) & values
            return wanted
        case Call("or_kleene", (left, right)):
            one, other = wanted_of(left), wanted_of(right)
            return {name: one[name] | other[name] for name in one.keys() & other.keys()}
        case Call("equal", (Field(name), Literal(value)) | (Literal(value), Field(name))):
            return {name: frozenset({value.as_py()})}
        case Call("is_in", (Field(name),), {"value_set": values}):
            return {name: frozenset(values)}
        case _:
            return {}


def unwanted_of(node: Node) -> Wanted:
    """Give the columns of which some values cannot pass, and these values."""
    match node:
        case Call("and_kleene", (left, right)):
            one, other = unwanted_of(left), unwanted_of(right)
            return {
                name: one.get(name, frozenset()) | other.get(name, frozenset())
                for name in one.keys() | other.keys()
            }
        case Call("or_kleene", (left, right)):
            one, other = unwanted_of(left), unwanted_of(right)
            return {name: one[name] & other[name] for name in one.keys() & other.keys()}
        case Call("not_equal", (Field(name), Literal(value)) | (Literal(value), Field(name))):
            return {name: frozenset({value.as_py()})}
        case Call("invert", (inner,)):
            return wanted_of(inner) if isinstance(inner, Call) and inner.name in _ONE_OF else {}
        case _:
            return {}


def mask_of(node: Node, batch: pa.RecordBatch | Mapping[str, pa.Array]) -> Any:
    """Say for each row whether it passes; null counts as no."""
    match node:
        case Field(name):
            return batch[name]
        case Literal(value):
            return value
        case Call("is_in", (argument,), {"value_set": values}):
            tested = mask_of(argument, batch)
            found = pc.is_in(tested, pa.array(values, tested.type))
            # Null is not known to be one of them; `NOT IN` must not let it pass.
            return pc.if_else(pc.is_valid(tested), found, pa.scalar(None, pa.bool_()))
        case Call(name, arguments):
            return pc.call_function(name, [mask_of(argument, batch) for argument in arguments])


def _written(expression: pc.Expression) -> pa.Buffer:
    # Expressions are pickled in the form of a record batch.
    [written] = expression.__reduce__()[1]
    return written


def _read(written: pa.Buffer) -> Node:
    batch = pa.ipc.open_file(written).get_batch(0)
    # As a dictionary the metadata would lose all but one of the pairs with the same key.
    told = batch.schema.to_string(show_schema_metadata=True, truncate_metadata=False)
    _, _, metadata = told.rpartition("-- schema metadata --\n")
    pairs = (_pair(line) for line in metadata.splitlines())
    return _node(next(pairs), pairs, batch)


def _pair(line: str) -> tuple[str, str]:
    found = _LINE.match(line)
    if found is None:
        raise ValueError(f"an expression is written in an unknown way: {line!r}")
    return found[1], found[2]


def _node(pair: tuple[str, str], pairs: Iterator[tuple[str, str]], batch: pa.RecordBatch) -> Node:
    key, value = pair
    match key:
        case "field_ref":
            return Field(value)
        case "literal":
            return Literal(batch.column(int(value))[0])
        case _:
            return _call(value, pairs, batch)


def _call(name: str, pairs: Iterator[tuple[str, str]], batch: pa.RecordBatch) -> Call:
    arguments: list[Node] = []
    options: dict[str, Any] | None = None
    for key, value in pairs:
        if key == "end":
            break
        if key == "options":
            options = batch.column(int(value))[0].as_py()
        else:
            arguments.append(_node((key, value), pairs, batch))
    return Call(name, tuple(arguments), options)
