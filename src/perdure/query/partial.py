"""Decoders that read some fields of what is stored, and step over the others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec


@lru_cache(maxsize=128)
def decoder(kind: type[msgspec.Struct], fields: frozenset[str] | None) -> Callable[[bytes], Any]:
    """Give what decodes rows of a kind: to values that have some of its fields.

    Args:
        kind: what is stored, as an array.
        fields: names of the fields that are read; None for all of them.
    """
    if fields is None:
        return msgspec.msgpack.Decoder(kind).decode
    if not fields:
        return _nothing
    declared = msgspec.structs.fields(kind)
    last = max(place for place, field in enumerate(declared) if field.name in fields)
    # What stands behind the last field is not even looked at; what stands before is skipped.
    parts = [
        (field.name, field.type if field.name in fields else msgspec.Raw, field.default)
        for field in declared[: last + 1]
    ]
    partial = msgspec.defstruct(
        f"Partial{kind.__name__}",
        parts,
        # Whoever looks for nothing but these fields needs nothing around them.
        namespace={"row": property(_itself)},
        array_like=True,
        frozen=True,
        gc=False,
    )
    return msgspec.msgpack.Decoder(partial).decode


def _itself(partial: object) -> object:
    return partial


def _nothing(_stored: bytes) -> None:
    return None
