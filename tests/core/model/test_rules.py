"""The rule book as a value: patterns, versions, preconditions, all or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.model.rules import (
    RULES_MAX,
    DoesNotExist,
    Matches,
    PatternError,
    RuleBook,
    RuleBookFullError,
    RuleConflictError,
    RuleOrder,
    RuleRemoval,
    parse_pattern,
    with_rules,
    without_rules,
)

EMPTY = RuleBook()


def written(book=EMPTY, *orders, now=1):
    return with_rules(book, orders, now)


def versions(book):
    return {pattern: rule.version for pattern, rule in book.rules.items()}


@pytest.mark.parametrize(
    "text", ["*", "scope", "scope/*", "*/x", "*/*/*", "a/*/c", "A.b_c-d/0/9", "x" * 36]
)
def test_patterns_have_up_to_three_components(text):
    assert parse_pattern(text) == text
    assert parse_pattern(f" {text}\t") == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cannot be empty"),
        ("  ", "cannot be empty"),
        ("a b", "outside the allowed set"),
        ("a*", "outside the allowed set"),
        ("é", "outside the allowed set"),
        ("a\n", None),
        ("a/b\n/c", "outside the allowed set"),
        ("a/b/c/d", r"too many path components \(max 3\)"),
        ("/a", "value cannot be empty"),
        ("a//b", "value cannot be empty"),
        ("a/", "value cannot be empty"),
        ("x" * 37, r"value too long: 37 bytes \(max 36\)"),
    ],
)
def test_what_is_no_pattern_is_told(text, reason):
    if reason is None:
        assert parse_pattern(text) == text.strip()
        return
    with pytest.raises(PatternError, match=reason):
        parse_pattern(text)


def test_a_new_rule_continues_the_count_of_the_book():
    book = written(EMPTY, RuleOrder("a", 1), RuleOrder("b", 2))
    assert versions(book) == {"a": 1, "b": 1}
    book = written(book, RuleOrder("a", 5))
    book = written(book, RuleOrder("c"))
    assert versions(book) == {"a": 2, "b": 1, "c": 3}


def test_the_same_again_changes_nothing():
    book = written(EMPTY, RuleOrder("a", 1, "why"))
    assert written(book, RuleOrder("a", 1, "why"), now=2) is book
    assert written(book) is book


@pytest.mark.parametrize(
    "order", [RuleOrder("a", 2), RuleOrder("a"), RuleOrder("a", 1, None, True)]
)
def test_what_limits_otherwise_is_of_another_version(order):
    book = written(EMPTY, RuleOrder("a", 1), now=1)
    rule = written(book, order, now=2).rules["a"]
    assert (rule.version, rule.modified_at) == (2, 2)
    assert (rule.concurrency, rule.disabled) == (order.concurrency, order.disabled)


def test_another_description_is_of_the_same_version():
    book = written(EMPTY, RuleOrder("a", 1, "why"), now=1)
    described = written(book, RuleOrder("a", 1, "because"), now=2)
    rule = described.rules["a"]
    assert (rule.description, rule.version, rule.modified_at) == ("because", 1, 1)
    assert described.version > book.version


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (
            RuleOrder("a", precondition=DoesNotExist()),
            "rule precondition DoesNotExist for pattern a failed (actual version: Some(v1))",
        ),
        (
            RuleOrder("a", precondition=Matches(77)),
            "rule precondition Matches(v77) for pattern a failed (actual version: Some(v1))",
        ),
        (
            RuleOrder("q", precondition=Matches(1)),
            "rule precondition Matches(v1) for pattern q failed (actual version: None)",
        ),
    ],
)
def test_a_rule_that_is_not_as_expected_refuses_them_all(order, message):
    book = written(EMPTY, RuleOrder("a"))
    with pytest.raises(RuleConflictError) as refused:
        written(book, RuleOrder("b"), order)
    assert str(refused.value) == message
    assert versions(book) == {"a": 1}


def test_a_rule_that_is_as_expected_is_changed():
    book = written(EMPTY, RuleOrder("a", precondition=DoesNotExist()))
    assert versions(written(book, RuleOrder("a", 1, precondition=Matches(1)))) == {"a": 2}


def test_a_batch_is_applied_in_order():
    book = written(EMPTY, RuleOrder("a", 1), RuleOrder("a", 2, precondition=Matches(1)))
    assert book.rules["a"].concurrency == 2


def test_removed_are_those_that_are_there():
    book = written(EMPTY, RuleOrder("a"), RuleOrder("b"))
    left, removed = without_rules(book, [RuleRemoval("a", 1), RuleRemoval("z"), RuleRemoval("a")])
    assert (versions(left), removed) == ({"b": 1}, ["a"])
    assert without_rules(book, [RuleRemoval("z")]) == (book, [])


@pytest.mark.parametrize(
    ("removal", "actual"), [(RuleRemoval("a", 9), "Some(v1)"), (RuleRemoval("z", 9), "None")]
)
def test_a_removal_may_expect_a_version(removal, actual):
    book = written(EMPTY, RuleOrder("a"), RuleOrder("b"))
    with pytest.raises(RuleConflictError) as refused:
        without_rules(book, [RuleRemoval("b"), removal])
    assert str(refused.value).endswith(f"(actual version: {actual})")


def test_the_book_has_an_end():
    full = written(EMPTY, *(RuleOrder(f"r{number}") for number in range(RULES_MAX)))
    with pytest.raises(RuleBookFullError, match=f"{RULES_MAX} rules"):
        written(full, RuleOrder("more"))
    assert written(full, RuleOrder("r0", 1)).rules["r0"].concurrency == 1


PATTERNS = st.sampled_from(["a", "b", "*"])
LIMITS = st.sampled_from([None, 1, 2])
ORDERS = st.tuples(PATTERNS, LIMITS, st.none(), st.booleans()).map(
    lambda fields: RuleOrder(*fields)
)
CHANGES = st.one_of(st.lists(ORDERS), st.lists(PATTERNS.map(RuleRemoval)))


@given(st.lists(CHANGES))
def test_a_version_stands_for_one_thing_for_ever(batches):
    book, meant = EMPTY, {}
    for now, batch in enumerate(batches):
        removing = bool(batch) and isinstance(batch[0], RuleRemoval)
        book = without_rules(book, batch)[0] if removing else with_rules(book, batch, now)
        for pattern, rule in book.rules.items():
            assert rule.version <= book.version
            assert meant.setdefault((pattern, rule.version), rule) == rule
