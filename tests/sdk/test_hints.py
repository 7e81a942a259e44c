"""What actions return, by their hints: also by hints that are text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

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


class Till:
    """Something to call."""

    def __call__(self) -> Receipt:
        """Return something."""
        return Receipt(1)


class Opener:
    """Something to call that does not say what it returns."""

    def __call__(self):
        """Return something."""
        return 1


#: As of a module that knows nothing of the types in the functions that it decorates.
DECORATING = """
import functools

def decorated(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args)

    return call
"""


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
    assert hints.of(Opener()) is None


def test_hints_that_are_types_are_taken():
    def typed():
        pass

    typed.__annotations__["return"] = int
    assert ResultHints().of(typed) is int


def test_each_decorated_function_has_its_own():
    names: dict[str, Any] = {}
    exec(DECORATING, names)  # noqa: S102 - text of this module
    decorated, hints = names["decorated"], ResultHints()

    def number() -> int:
        return 1

    assert hints.of(decorated(receipt)) is Receipt
    assert hints.of(decorated(number)) is int
    assert hints.of(lru_cache(decorated(receipt))) is Receipt


def test_what_can_be_called_tells_as_well():
    hints = ResultHints()
    assert hints.of(Till()) is Receipt
    assert hints.of(partial(Till())) is Receipt
    assert hints.of(Receipt) is Receipt
