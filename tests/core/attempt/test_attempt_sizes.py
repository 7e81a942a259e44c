"""Messages that are too long end the attempt, with what was wrong with them."""

from __future__ import annotations

import pytest
from attempt_values import attempt, failed, progress

from perdure.core.attempt.attempt import JournalLimits
from perdure.core.attempt.checks import MESSAGE_BYTES_LIMIT
from perdure.protocol.messages import (
    CompleteAwakeable,
    Completion,
    CompletionKind,
    ErrorBehavior,
    Message,
    OneWayCall,
    Output,
    ProposeRunCompletion,
    Run,
    SetState,
    Signal,
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


def test_a_journal_whose_payloads_are_too_long_together_pauses() -> None:
    replay = [SetState(b"k", Value(bytes(40)))]
    opened = attempt(replay=replay, limits=JournalLimits(bytes=100))
    assert progress(opened.receive([SetState(b"k", Value(bytes(50)))])).ending is None
    ending = failed(opened.receive([SetState(b"k", Value(bytes(10)))]))
    assert ending.behavior is ErrorBehavior.PAUSE
    assert "100 bytes" in ending.problem.message
    assert "worker.invoker.journal-size-limit" in ending.problem.message


def test_results_from_elsewhere_count_and_those_of_runs_only_once() -> None:
    opened = attempt(limits=JournalLimits(bytes=100))
    opened.receive([Run(1), ProposeRunCompletion(1, Value(bytes(60)))])
    opened.notification(3, Completion(CompletionKind.RUN, 1, Value(bytes(60))))
    assert progress(opened.receive([Run(2)])).ending is None
    opened.notification(5, Signal(17, Value(bytes(60))))
    assert failed(opened.receive([Run(3)])).behavior is ErrorBehavior.PAUSE
