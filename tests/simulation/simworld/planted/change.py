"""Changes of the code: what a defect is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.core.machine import (
    apply,
)

Change = tuple[Any, str, Any]


def instead(owner: Any, name: str, make: Callable[[Any], Any]) -> list[Change]:
    """Replace a function by one that is made of it."""
    return [(owner, name, make(getattr(owner, name)))]


def handler(name: str, make: Callable[[Any], Any]) -> list[Change]:
    """Replace the function that takes a kind of record by one that is made of it."""
    found = next(kind for kind in apply.HANDLERS if kind.__name__ == name)
    return [(apply.HANDLERS, found, make(apply.HANDLERS[found]))]
