"""Messages that are too long end the attempt, with what was wrong with them."""

from __future__ import annotations

import pytest
from attempt_values import attempt, failed, progress

from perdure.core.attempt.checks import MESSAGE_BYTES_LIMIT
from perdure.protocol.messages import (
    CompleteAwakeable,
    Message,
    OneWayCall,
    Output,
    ProposeRunCompletion,
    Value,
)

LONG = bytes(MESSAGE_BYTES_LIMIT)
AWAKEABLE = "sign_1O5PAwz0fsZV9kXOo_vfmkwdnXrNnXx9_AAAAEQ"


@pytest.mark.parametrize(
    "message",
    [
        Output(Value(LONG)),
        OneWayCall("Greeter", "greet", LONG, 1),
        ProposeRunCompletion(1, Value(LONG)),
        CompleteAwakeable(AWAKEABLE, Value(LONG)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_of_the_limit_is_refused(message: Message) -> None:
    problem = failed(attempt().receive([message])).problem
    assert (problem.code, problem.doc_code) == (413, "RT0003")
    assert f"carries {MESSAGE_BYTES_LIMIT} bytes" in problem.message


def test_a_message_below_the_limit_is_taken() -> None:
    taken = progress(attempt().receive([Output(Value(LONG[1:]))]))
    assert taken.ending is None
