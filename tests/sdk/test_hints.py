"""What actions return, by their hints: also by hints that are text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from perdure.sdk.hints import ResultHints

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass
class Receipt:
    """Something to return."""

    number: int

    def again(self) -> Receipt:
        """Return something."""
        return self


def receipt() -> Receipt:
    return Receipt(1)


def price() -> Decimal:
    raise NotImplementedError


def test_text_is_looked_up_and_remembered():
    hints = ResultHints()
    assert hints.of(receipt) is Receipt
    assert hints.of(partial(partial(receipt))) is Receipt
    assert hints.of(Receipt(1).again) is Receipt


def test_what_cannot_be_looked_up_is_not_known():
    assert ResultHints().of(price) is None


def test_what_has_no_hint_has_none():
    hints = ResultHints()
    assert hints.of(lambda: 1) is None
    assert hints.of(len) is None
    assert hints.of(Receipt) is None


def test_hints_that_are_types_are_taken():
    def typed():
        pass

    typed.__annotations__["return"] = int
    assert ResultHints().of(typed) is int
