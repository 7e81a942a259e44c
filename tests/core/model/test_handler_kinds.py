"""Kinds of handlers and their addresses."""

from __future__ import annotations

import pytest

from perdure.core.model.targets import HandlerKind, Target


@pytest.mark.parametrize(
    ("kind", "keyed", "writes_state", "has_promises"),
    [
        (HandlerKind.SERVICE, False, False, False),
        (HandlerKind.EXCLUSIVE, True, True, False),
        (HandlerKind.SHARED, True, False, False),
        (HandlerKind.WORKFLOW, True, True, True),
        (HandlerKind.WORKFLOW_SHARED, True, False, True),
    ],
)
def test_a_kind_says_what_its_handlers_may_do(kind, keyed, writes_state, has_promises):
    assert kind.keyed is keyed
    assert kind.writes_state is writes_state
    assert kind.has_promises is has_promises


def test_a_target_is_written_with_its_key():
    assert str(Target("Counter", "add", HandlerKind.EXCLUSIVE, "k")) == "Counter/k/add"
    assert str(Target("Counter", "add", HandlerKind.EXCLUSIVE, "")) == "Counter//add"
    assert str(Target("Greeter", "greet", HandlerKind.SERVICE)) == "Greeter/greet"
