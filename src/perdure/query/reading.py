"""Reading tables from a view: ranges of keys that hold what is wanted, and rows by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from perdure.core.tables.changes import after_prefix
from perdure.core.tables.keys import object_group
from perdure.engine.ports import StoreView
from perdure.protocol.ids import (
    IdentifierError,
    InvocationId,
    keyed_partition_key,
    parse_invocation_id,
)
from perdure.query.columns import QueryError, Wanted

#: A key, with its table's tag, and the value under it.
Stored = tuple[bytes, bytes]

#: Partition keys are numbers of so many bytes.
_PARTITION_KEY_SIZE = 8


def pages(
    view: StoreView, tag: bytes, prefixes: Iterable[bytes] = (b"",), *, values: bool = True
) -> Iterator[list[Stored]]:
    """Give what a table stores under the keys that begin with one of the prefixes."""
    return chain.from_iterable(
        view.pages(start, after_prefix(start), values=values)
        for start in (tag + prefix for prefix in prefixes)
    )


def scan(view: StoreView, tag: bytes, prefixes: Iterable[bytes] = (b"",)) -> Iterator[Stored]:
    """Give the same, row by row."""
    return chain.from_iterable(pages(view, tag, prefixes))


def wanted_ids(wanted: Wanted, column: str = "id") -> list[InvocationId] | None:
    """Give the invocations that can pass, in the order of their keys; None if all can.

    Raises:
        QueryError: a text that is compared with the column is not an invocation's id.
    """
    texts = wanted.get(column)
    if texts is None:
        return None
    return sorted(_parse(text) for text in texts)


def wanted_partitions(wanted: Wanted, key_column: str) -> list[bytes]:
    """Give prefixes of the partition keys that can pass; the empty one, if all can."""
    numbers = wanted.get("partition_key")
    if numbers is not None:
        return sorted(number.to_bytes(_PARTITION_KEY_SIZE, "big") for number in numbers)
    keys = wanted.get(key_column)
    if keys is not None:
        return sorted({keyed_partition_key(key) for key in keys})
    return [b""]


def wanted_objects(wanted: Wanted) -> list[bytes]:
    """Give prefixes of the objects' keys that can pass."""
    services, keys = wanted.get("service_name"), wanted.get("service_key")
    if services is None or keys is None:
        return wanted_partitions(wanted, "service_key")
    return sorted(object_group(service, key) for service in services for key in keys)


def text(raw: bytes) -> str | None:
    """Read bytes as text; None if they are none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _parse(value: Any) -> InvocationId:
    try:
        return parse_invocation_id(value)
    except IdentifierError as error:
        raise QueryError(
            f"non valid invocation id {value!r} ({error}); ids look like inv_1… and are complete"
        ) from error
