"""Messages that are too long end the attempt, with what was wrong with them."""

from __future__ import annotations

import pytest
from attempt_values import OTHER, attempt, failed, progress

from perdure.core.attempt.attempt import ERROR_TEXT_MAX, JournalLimits
from perdure.core.attempt.checks import MESSAGE_BYTES_LIMIT
from perdure.core.model.targets import HandlerKind
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import (
    VOID,
    AttachInvocation,
    ClearState,
    CompleteAwakeable,
    Completion,
    CompletionKind,
    Error,
    ErrorBehavior,
    GetEagerState,
    GetEagerStateKeys,
    IdempotentRequestTarget,
    Message,
    OneWayCall,
    Output,
    ProposeRunCompletion,
    Run,
    SendSignal,
    SetState,
    Signal,
    Sleep,
    StateKeys,
    Value,
    WorkflowTarget,
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


@pytest.mark.parametrize(
    "command",
    [
        Run(1, name="n" * 60),
        Sleep(1, 1, "n" * 60),
        OneWayCall("Greeter", "greet", b"", 1, headers=(("h", "v" * 60),)),
        OneWayCall("Greeter", "greet", b"", 1, idempotency_key="k" * 60),
        SendSignal(invocation_text(OTHER), "s" * 60, VOID),
        AttachInvocation(WorkflowTarget("Signup", "k" * 60), 1),
        AttachInvocation(IdempotentRequestTarget("Greeter", "greet", "k" * 60), 1),
        GetEagerState(b"k", Value(bytes(60))),
        GetEagerStateKeys(StateKeys((bytes(30), bytes(30)))),
        ClearState(bytes(60)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_names_keys_and_headers_count_as_payloads_do(command: Message) -> None:
    limits = JournalLimits(bytes=100)
    opened = attempt(HandlerKind.EXCLUSIVE, replay=[command], limits=limits)
    assert failed(opened.receive([command])).behavior is ErrorBehavior.PAUSE
    once = attempt(HandlerKind.EXCLUSIVE, limits=limits)
    assert progress(once.receive([command])).ending is None


def test_texts_of_an_error_are_kept_as_far_as_somebody_may_read_them() -> None:
    long = "m" * (ERROR_TEXT_MAX + 1)
    problem = failed(attempt().receive([Error(500, long, long, 0, long)])).problem
    for text in (problem.message, problem.stacktrace, problem.related_command_name):
        assert text is not None
        assert text.startswith("mmm")
        assert text.endswith(f"... ({ERROR_TEXT_MAX + 1} characters)")
