"""The rule book: how many invocations may run at the same time, by patterns of scope and limit key.

The value is immutable; a change is a new value. Versions never come again: a rule that is removed
and made anew is told from the one it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

RULES_MAX: Final = 10_000
DESCRIPTION_LENGTH_MAX: Final = 512
#: The largest limit, and how it is counted: as an unsigned number of 32 bits.
CONCURRENCY_MAX: Final = 2**32 - 1

_COMPONENTS_MAX: Final = 3
_COMPONENT_LENGTH_MAX: Final = 36
_ANY: Final = "*"
_COMPONENT: Final = re.compile(r"[a-zA-Z0-9_.-]+", re.ASCII)


class RuleError(Exception):
    """Rules cannot be changed as asked; nothing was changed."""


class PatternError(RuleError):
    """A text is no pattern; the message says what is wrong with it."""


class RuleConflictError(RuleError):
    """A rule is not as it was expected to be."""


class RuleBookFullError(RuleError):
    """There would be more rules than are kept."""


class Rule(Struct, frozen=True, kw_only=True):
    """A limit for the scopes and limit keys that a pattern matches."""

    pattern: str
    #: How many may run at the same time; None sets no limit.
    concurrency: int | None = None
    description: str | None = None
    #: Kept, but out of force.
    disabled: bool = False
    #: Changes with what the rule does, not with its description.
    version: int
    #: Milliseconds since 1970; of the version.
    modified_at: int


class Anything(Struct, frozen=True, tag_field="type", tag="none"):
    """Expects nothing of the rule that is changed."""


class Matches(Struct, frozen=True, tag_field="type", tag="matches"):
    """Expects a rule of this version."""

    version: int


class DoesNotExist(Struct, frozen=True, tag_field="type", tag="does_not_exist"):
    """Expects that there is no rule."""


Precondition = Anything | Matches | DoesNotExist


class RuleOrder(NamedTuple):
    """A rule as it is to be."""

    #: As :func:`parse_pattern` gives it.
    pattern: str
    concurrency: int | None = None
    description: str | None = None
    disabled: bool = False
    precondition: Precondition = Anything()


class RuleRemoval(NamedTuple):
    """A rule that is to go; if it need not have this version, it need not be there either."""

    pattern: str
    expected_version: int | None = None


class RuleBook(Struct, frozen=True):
    """All rules, by pattern."""

    #: Grows with each change, and is no less than that of any rule: new rules begin with it.
    version: int = 0
    rules: Mapping[str, Rule] = {}


def parse_pattern(text: str) -> str:
    """Give a pattern without the blanks around it.

    It is a scope, or a scope and one or two levels of a limit key, as ``tenant/*/orders``; a star
    stands for each of a level.

    Raises:
        PatternError: the text is none.
    """
    pattern = text.strip()
    if not pattern:
        raise PatternError("pattern cannot be empty")
    components = pattern.split("/")
    if len(components) > _COMPONENTS_MAX:
        raise PatternError(f"too many path components (max {_COMPONENTS_MAX})")
    for component in components:
        _check_component(component)
    return pattern


def with_rules(book: RuleBook, orders: Iterable[RuleOrder], now_ms: int) -> RuleBook:
    """Set rules, in order: all of them, or none.

    What changes nothing leaves version and time as they are, so that a repetition is harmless.

    Raises:
        RuleConflictError: a rule is not as expected.
        RuleBookFullError: there would be too many.
    """
    version, rules = book.version + 1, dict(book.rules)
    for order in orders:
        current = rules.get(order.pattern)
        _check_precondition(order.pattern, order.precondition, current)
        rules[order.pattern] = _revised(order, current, version, now_ms)
    if len(rules) > RULES_MAX:
        raise RuleBookFullError(f"rule book is full ({RULES_MAX} rules)")
    if rules == book.rules:
        return book
    # A rule that is named twice may have come further than the book.
    return RuleBook(max(version, *(rule.version for rule in rules.values())), rules)


def without_rules(book: RuleBook, removals: Iterable[RuleRemoval]) -> tuple[RuleBook, list[str]]:
    """Remove rules, all of them or none; give the patterns of those that were there, too.

    Raises:
        RuleConflictError: a rule has not the version that is expected.
    """
    rules, removed = dict(book.rules), []
    for pattern, expected_version in removals:
        current = rules.pop(pattern, None)
        if expected_version is not None:
            _check_precondition(pattern, Matches(expected_version), current)
        if current is not None:
            removed.append(pattern)
    return (RuleBook(book.version + 1, rules) if removed else book), removed


def _check_component(component: str) -> None:
    if component == _ANY:
        return
    if not component:
        raise PatternError("invalid component: value cannot be empty")
    if not _COMPONENT.fullmatch(component):
        raise PatternError(
            "invalid component: value contains characters outside the allowed set [a-zA-Z0-9_.-]"
        )
    if len(component) > _COMPONENT_LENGTH_MAX:
        raise PatternError(
            f"invalid component: value too long: {len(component)} bytes "
            f"(max {_COMPONENT_LENGTH_MAX})"
        )


def _check_precondition(pattern: str, expected: Precondition, current: Rule | None) -> None:
    match expected:
        case Anything():
            return
        case Matches(version):
            met, told = current is not None and current.version == version, f"Matches(v{version})"
        case DoesNotExist():
            met, told = current is None, "DoesNotExist"
    if not met:
        actual = "None" if current is None else f"Some(v{current.version})"
        raise RuleConflictError(
            f"rule precondition {told} for pattern {pattern} failed (actual version: {actual})"
        )


def _revised(order: RuleOrder, current: Rule | None, version: int, now_ms: int) -> Rule:
    """Give the rule that is ordered; what limits as before keeps its version."""
    if current is None:
        return Rule(
            pattern=order.pattern,
            concurrency=order.concurrency,
            description=order.description,
            disabled=order.disabled,
            version=version,
            modified_at=now_ms,
        )
    described = replace(current, description=order.description)
    if (order.concurrency, order.disabled) == (current.concurrency, current.disabled):
        return described
    return replace(
        described,
        concurrency=order.concurrency,
        disabled=order.disabled,
        version=current.version + 1,
        modified_at=now_ms,
    )
