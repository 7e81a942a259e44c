"""What an SDK says, and what becomes of it."""

from __future__ import annotations

import pytest
from attempt_values import (
    CHANCE,
    DEPLOYMENT,
    ME,
    OTHER,
    attempt,
    call,
    call_failed,
    failed,
    has_run,
    on,
    output,
    progress,
    ran,
    run,
    schema_of,
    send,
    signal,
    slept,
    start,
    tower,
)

from perdure.core.attempt.attempt import JournalLimits
from perdure.core.model.awaiting import awaited
from perdure.core.model.invocations import Pin, Problem
from perdure.core.model.records import Ended, Failed, Suspended
from perdure.core.model.targets import HandlerKind
from perdure.protocol.ids import awakeable_text, invocation_text
from perdure.protocol.messages import (
    SIGNAL_CANCEL,
    VOID,
    AttachInvocation,
    AwaitingOn,
    ClearAllState,
    ClearState,
    Combinator,
    CommandAck,
    CompleteAwakeable,
    CompletePromise,
    End,
    Error,
    ErrorBehavior,
    Future,
    GetEagerState,
    GetEagerStateKeys,
    GetInvocationOutput,
    GetLazyState,
    GetLazyStateKeys,
    GetPromise,
    Input,
    InvocationTarget,
    PeekPromise,
    ProposeRunCompletionAck,
    SendSignal,
    SetState,
    Sleep,
    StateKeys,
    Suspension,
    Value,
    WorkflowTarget,
)
from perdure.protocol.trees import LEVELS_MAX

VERSIONS = (5, 6, 7)
EVERY_COMMAND = [
    Input(Value(b"more")),
    output(),
    GetLazyState(b"k", 1),
    SetState(b"k", Value(b"v")),
    ClearState(b"k"),
    ClearAllState(),
    GetLazyStateKeys(1),
    GetEagerState(b"k", VOID),
    GetEagerStateKeys(StateKeys((b"k",))),
    GetPromise("p", 1),
    PeekPromise("p", 1),
    CompletePromise("p", Value(b"v"), 1),
    Sleep(1, 1),
    call(),
    send(),
    SendSignal(invocation_text(OTHER), SIGNAL_CANCEL, VOID),
    run(1),
    AttachInvocation(InvocationTarget(invocation_text(OTHER)), 1),
    GetInvocationOutput(WorkflowTarget("Signup", "w"), 1),
    CompleteAwakeable(awakeable_text(OTHER, 17), Value(b"v")),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda command: type(command).__name__)
def test_every_command_is_recorded_as_it_was_said(command, version):
    record = progress(attempt(HandlerKind.WORKFLOW, version=version).receive([command]))
    assert record.entries == (command,)
    assert record.ending is None
    assert (record.invocation_id, record.attempt) == (ME, 3)
    assert record.pin == Pin(DEPLOYMENT, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_all_that_is_said_at_once_is_one_record(version):
    said = [run(1), ran(1), output(), End()]
    record = progress(attempt(version=version).receive(said))
    assert record.entries == (run(1), ran(1), output())
    assert record.ending == Ended()


@pytest.mark.parametrize("version", VERSIONS)
def test_waiting_is_nothing_to_record(version):
    opened = attempt(version=version)
    assert opened.receive([AwaitingOn(on(1))]) is None
    assert opened.receive([]) is None
    assert opened.open


# -- Notifications and acknowledgements


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_completion_is_acknowledged_where_that_was_asked_and_is_known(version):
    opened = attempt(version=version)
    opened.receive([run(1), ran(1, ack=True)])
    expected = ProposeRunCompletionAck(1) if version == 7 else has_run(1)
    assert opened.notification(2, has_run(1)) == expected


def test_a_run_completion_comes_whole_where_no_acknowledgement_was_asked():
    opened = attempt()
    opened.receive([run(1), ran(1), run(2), ran(2, ack=True)])
    assert opened.notification(2, has_run(1)) == has_run(1)
    assert opened.notification(4, has_run(2)) == ProposeRunCompletionAck(2)


def test_a_second_completion_of_an_acknowledged_run_comes_whole():
    opened = attempt()
    opened.receive([run(1), ran(1, ack=True)])
    opened.notification(2, has_run(1))
    assert opened.notification(3, has_run(1)) == has_run(1)


def test_other_completions_with_the_number_of_a_run_come_whole():
    opened = attempt()
    opened.receive([run(1), ran(1, ack=True)])
    assert opened.notification(2, slept(1)) == slept(1)


def test_what_the_replay_held_is_not_sent_again():
    opened = attempt(replay=[Sleep(1, 1), slept(1)])
    assert opened.notification(2, slept(1)) is None
    assert opened.notification(3, signal("s")) == signal("s")
    assert opened.notification(3, signal("s")) is None


def test_an_attempt_that_is_over_hears_and_says_nothing():
    opened = attempt()
    opened.receive([output(), End()])
    assert not opened.open
    assert opened.notification(2, slept(1)) is None
    assert opened.receive([output(), End()]) is None
    assert opened.lost(Problem(500, "late")) is None


# -- Ends


@pytest.mark.parametrize("version", VERSIONS)
def test_a_suspension_tells_what_the_handler_knew_for_certain(version):
    opened = attempt(version=version, replay=[Sleep(1, 1), signal(SIGNAL_CANCEL)])
    record = progress(opened.receive([Suspension(on(1, signals=(1,)))]))
    assert record.ending == Suspended(on(1, signals=(1,)), seen=3)
    assert not opened.open


def test_what_may_have_crossed_a_suspension_does_not_count_as_seen():
    """It would never wake the handler."""
    opened = attempt(replay=[Sleep(1, 1)])
    opened.notification(2, slept(1))
    record = progress(opened.receive([Suspension(on(1))]))
    assert record.ending == Suspended(on(1), seen=2)


@pytest.mark.parametrize("awaited", [Future(), Future(nested=(Future(), Future()))])
@pytest.mark.parametrize("message", [Suspension, AwaitingOn])
def test_waiting_for_nothing_is_refused(message, awaited):
    problem = failed(attempt().receive([message(awaited)])).problem
    assert (problem.code, problem.doc_code) == (571, "RT0012")


@pytest.mark.parametrize(
    "awaited",
    [
        on(7),
        on(7, signals=(SIGNAL_CANCEL,)),
        on(nested=(on(7),)),
        on(signals=(SIGNAL_CANCEL,), nested=(Future((7, 8), combinator=Combinator.ALL_COMPLETED),)),
    ],
)
@pytest.mark.parametrize(("replay", "said"), [([run(7)], []), ([], [run(7)])])
def test_a_suspension_that_only_an_own_run_could_end_is_refused(replay, said, awaited):
    record = progress(attempt(replay=replay).receive([*said, Suspension(awaited)]))
    assert list(record.entries) == said
    assert (failed(record).problem.doc_code, failed(record).behavior) == (
        "RT0012",
        ErrorBehavior.RETRY,
    )


@pytest.mark.parametrize(
    ("replay", "said", "awaited"),
    [
        ([run(7), has_run(7)], [], on(7)),
        ([run(7)], [ran(7)], on(7)),
        ([], [run(7), ran(7)], on(7)),
        ([run(7), Sleep(1, 8)], [], on(7, 8)),
        ([run(7)], [], on(7, signals=(17,))),
        ([run(7)], [], on(signals=(SIGNAL_CANCEL,))),
        ([run(7)], [], on(7, nested=(on(names=("s",)),))),
    ],
)
def test_a_suspension_that_something_else_may_end_is_none_of_that(replay, said, awaited):
    record = progress(attempt(replay=replay).receive([*said, Suspension(awaited)]))
    assert isinstance(record.ending, Suspended)


def test_a_future_that_was_too_deep_to_be_read_pauses_too():
    record = attempt().lost(Problem(500, "too deep", doc_code="RT0025"))
    assert failed(record).behavior is ErrorBehavior.PAUSE


@pytest.mark.parametrize("message", [Suspension, AwaitingOn])
def test_a_future_as_deep_as_can_be_stored_is_taken_and_a_deeper_one_pauses(message):
    record = attempt().receive([message(tower(LEVELS_MAX))])
    assert record is None or record.ending == Suspended(awaited(tower(LEVELS_MAX)), seen=1)
    ending = failed(attempt().receive([message(tower(LEVELS_MAX + 1))]))
    assert ending.problem.doc_code == "RT0025"
    assert ending.behavior is ErrorBehavior.PAUSE


def test_how_deep_a_future_may_be_is_a_setting():
    limits = JournalLimits(future_levels=3)
    assert progress(attempt(limits=limits).receive([Suspension(tower(3))])).ending
    problem = failed(attempt(limits=limits).receive([Suspension(tower(4))])).problem
    assert problem.doc_code == "RT0025"
    assert "worker.invoker.max-awaited-future-depth" in problem.message


def test_a_journal_that_would_grow_beyond_its_limit_pauses():
    opened = attempt(replay=[run(1)], limits=JournalLimits(entries=4))
    assert progress(opened.receive([run(2), run(3)])).ending is None
    ending = failed(opened.receive([output(), End()]))
    assert ending.behavior is ErrorBehavior.PAUSE
    assert "4 entries" in ending.problem.message
    assert "worker.invoker.journal-entries-limit" in ending.problem.message
    assert opened.receive([run(4)]) is None


def test_what_others_write_into_a_journal_counts():
    opened = attempt(limits=JournalLimits(entries=4))
    opened.notification(3, has_run(1))
    assert failed(opened.receive([run(1)])).behavior is ErrorBehavior.PAUSE


def test_a_full_journal_lets_its_handler_wait_and_end():
    opened = attempt(replay=[output()], limits=JournalLimits(entries=2))
    assert progress(opened.receive([End()])).ending == Ended()


def test_an_end_without_an_output_is_refused():
    problem = failed(attempt().receive([run(1), End()])).problem
    assert (problem.code, problem.doc_code) == (571, "RT0012")


def test_an_output_of_an_earlier_attempt_is_enough_for_an_end():
    record = progress(attempt(replay=[output()]).receive([End()]))
    assert record.entries == ()
    assert record.ending == Ended()


def test_an_output_of_an_earlier_message_is_enough_for_an_end():
    opened = attempt()
    opened.receive([output()])
    assert progress(opened.receive([End()])).ending == Ended()


def test_what_follows_an_end_is_dropped():
    record = progress(attempt().receive([output(), End(), run(1), Error(500, "late")]))
    assert record.entries == (output(),)
    assert record.ending == Ended()


# -- Failures


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_is_recorded_with_all_it_says(version):
    error = Error(
        503,
        "out of order",
        "trace",
        related_command_index=4,
        related_command_name="charge",
        related_command_type=0x0411,
        next_retry_delay=750,
        behavior=ErrorBehavior.FAIL,
    )
    record = progress(attempt(version=version).receive([run(1), error]))
    assert record.entries == (run(1),)
    assert record.ending == Failed(
        Problem(503, "out of order", "trace", "RT0007", 4, "charge", 0x0411),
        schema_of(HandlerKind.EXCLUSIVE).retry_policy,
        CHANCE,
        ErrorBehavior.FAIL,
        750,
    )


@pytest.mark.parametrize(
    ("code", "doc_code"),
    [(570, "RT0016"), (571, "RT0012"), (415, "RT0007"), (413, "RT0007"), (500, "RT0007")],
)
def test_an_error_is_filed_under_its_documented_code(code, doc_code):
    problem = failed(attempt().receive([Error(code, "no")])).problem
    assert (problem.code, problem.doc_code) == (code, doc_code)


def test_a_code_that_is_none_becomes_500():
    assert failed(attempt().receive([Error(65_535, "no")])).problem.code == 65_535
    assert failed(attempt().receive([Error(65_536, "no")])).problem.code == 500


@pytest.mark.parametrize(
    "message",
    [start(1), CommandAck(1), ProposeRunCompletionAck(1), slept(1), signal("s")],
    ids=lambda message: type(message).__name__,
)
def test_what_only_a_server_sends_is_refused(message):
    problem = failed(attempt().receive([message])).problem
    assert (problem.code, problem.doc_code) == (571, "RT0012")
    assert type(message).__name__ in problem.message


def test_entries_before_a_refused_one_stay_and_those_after_it_do_not():
    opened = attempt(HandlerKind.SHARED)
    said = [run(1), call(), SetState(b"k", Value(b"v")), output(), End()]
    record = progress(opened.receive(said))
    assert record.entries == (run(1), call())
    assert len(record.callees) == 1
    assert failed(record).problem.doc_code == "RT0017"
    assert not opened.open


def test_a_refused_call_leaves_no_callee():
    record = progress(attempt().receive([call(), call("Nobody")]))
    assert record.entries == (call(),)
    assert len(record.callees) == 1
    assert failed(record).problem.doc_code == "RT0018"


def test_an_attempt_that_is_lost_fails_under_its_handler_s_policy():
    opened = attempt()
    problem = Problem(500, "the stream broke", doc_code="RT0010")
    record = progress(opened.lost(problem))
    assert record.entries == ()
    assert record.ending == Failed(problem, opened.schema.retry_policy, CHANCE)
    assert not opened.open
    assert opened.lost(problem) is None


def test_a_lost_attempt_may_say_when_to_come_back():
    ending = failed(attempt().lost(Problem(500, "busy", doc_code="RT0023"), retry_after_ms=1_000))
    assert ending.next_retry_ms == 1_000
    assert ending.behavior is ErrorBehavior.RETRY


# -- Idleness


def test_a_handler_is_idle_once_it_says_what_it_waits_for():
    opened = attempt()
    assert not opened.idle
    opened.receive([Sleep(1, 1), AwaitingOn(on(1))])
    assert opened.idle


def test_a_handler_that_waits_for_its_own_side_effects_is_not_idle():
    opened = attempt()
    opened.receive([AwaitingOn(on(1), executing_side_effects=True)])
    assert not opened.idle


def test_a_handler_that_goes_on_is_not_idle():
    opened = attempt()
    opened.receive([AwaitingOn(on(1))])
    opened.receive([run(2)])
    assert not opened.idle


def test_news_that_change_nothing_leave_a_handler_idle():
    """An SDK says only once what it waits for."""
    opened = attempt()
    opened.receive([Sleep(1, 1), AwaitingOn(on(1, signals=(SIGNAL_CANCEL,)))])
    opened.notification(2, signal("unheard"))
    assert opened.idle
    opened.notification(3, slept(1))
    assert not opened.idle


def test_a_part_of_what_is_waited_for_leaves_a_handler_idle():
    opened = attempt()
    both = Future(completions=(1, 2), combinator=Combinator.ALL_COMPLETED)
    opened.receive([Sleep(1, 1), Sleep(1, 2), AwaitingOn(both)])
    opened.notification(3, slept(2))
    assert opened.idle
    opened.notification(4, slept(1))
    assert not opened.idle


def test_a_failure_that_decides_ends_idleness():
    opened = attempt()
    both = Future(completions=(1, 2), combinator=Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED)
    opened.receive([AwaitingOn(both)])
    opened.notification(1, call_failed(1))
    assert not opened.idle
