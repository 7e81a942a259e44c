"""The pure machine: messages in, syscalls, messages out; plain values only."""

import pytest

from perdure.protocol.messages import (
    VOID,
    AwaitingOn,
    Combinator,
    CommandAck,
    Completion,
    CompletionKind,
    End,
    Error,
    Failure,
    Future,
    Input,
    InvocationIdentity,
    Output,
    ProposeRunCompletion,
    ProposeRunCompletionAck,
    Run,
    SendSignal,
    SetState,
    Signal,
    Sleep,
    Start,
    Suspension,
    Value,
)
from perdure.sdk.errors import SdkInternalException, SuspendedException
from perdure.sdk.machine import Machine
from perdure.sdk.machine.handles import CANCEL, awaited, flat
from perdure.sdk.machine.requests import Request
from perdure.sdk.machine.retries import RunFailure, RunRetries
from perdure.sdk.machine.states import LEGAL, Closed, Ending, Processing, Replaying, Waiting

REQUEST = Request("S", "h", b"")


def machine(*journal: object, version: int = 7, **start: object) -> Machine:
    """Make a machine that has got its journal, and read its input."""
    made = Machine(version)
    made.receive(
        [Start(bytes(24), "inv_1", 1 + len(journal), **start), Input(Value(b"")), *journal]
    )
    made.input()
    return made


def error_of(made: Machine) -> Error:
    """Give the error that a machine has ended with."""
    assert made.ending is Ending.FAILED
    (error,) = (each for each in made.take_output() if isinstance(each, Error))
    return error


def sleep_completion(handle: int) -> Completion:
    return Completion(CompletionKind.SLEEP, handle, VOID)


class TestBeginning:
    def test_user_code_waits_for_the_whole_journal(self):
        made = Machine(7)
        made.receive([Start(bytes(24), "inv_1", 3), Input(Value(b"x"))])
        assert not made.ready
        made.receive([Sleep(5, 1)])
        assert not made.ready
        made.receive([sleep_completion(1)])
        assert made.ready
        assert made.is_replaying()
        assert made.input().value == Value(b"x")
        assert made.is_replaying()
        made.sleep(7)
        assert made.processing
        assert made.take_output() == []

    def test_live_notifications_may_come_with_the_journal(self):
        made = Machine(7)
        made.receive([Start(bytes(24), "inv_1", 1), Input(Value(b"")), Signal(17, VOID)])
        assert made.deliver() == (-17, VOID)
        assert made.deliver() is None

    @pytest.mark.parametrize(
        ("messages", "code"),
        [
            ([Input(Value(b""))], 571),
            ([Start(bytes(24), "inv_1", 0)], 500),
            ([Start(b"", "inv_1", 1)], 500),
            ([Start(bytes(23), "inv_1", 1), Input(Value(b""))], 500),
            ([Start(bytes(24), "inv_1", 1), Sleep(1, 1)], 571),
            ([Start(bytes(24), "inv_1", 1), sleep_completion(1)], 571),
            ([Start(bytes(24), "inv_1", 2), Input(Value(b"")), End()], 571),
            ([Start(bytes(24), "inv_1", 1), Input(Value(b"")), Sleep(1, 1)], 571),
            ([Start(bytes(24), "inv_1", 1), Input(Value(b"")), ProposeRunCompletionAck(1)], 571),
        ],
    )
    def test_what_breaks_the_protocol_fails_the_attempt(self, messages, code: int):
        made = Machine(7)
        made.receive(messages)
        assert error_of(made).code == code

    def test_an_input_that_closes_early_fails_the_attempt(self):
        made = Machine(7)
        made.receive([Start(bytes(24), "inv_1", 2), Input(Value(b""))])
        made.close_input()
        assert error_of(made).code == 571

    def test_acknowledged_commands_are_no_news(self):
        made = machine()
        made.receive([CommandAck(1)])
        assert made.deliver() is None
        assert not made.closed


class TestEnding:
    def test_an_output_comes_before_the_end(self):
        made = machine()
        made.finish(Value(b"x"))
        assert made.take_output() == [Output(Value(b"x")), End()]
        assert made.ending is Ending.ENDED

    def test_an_output_in_the_journal_is_not_said_again(self):
        made = machine(Output(Failure(500, "no")))
        made.finish(Failure(500, "no"))
        assert made.take_output() == [End()]

    def test_one_terminal_message_is_the_last(self):
        made = machine()
        made.suspend(awaited([1]))
        made.fail_with(500, "late", "")
        made.propose(1, Value(b""))
        assert made.take_output() == [Suspension(Future((1,), (1,)))]
        with pytest.raises(SuspendedException):
            made.sleep(1)

    def test_an_aborted_attempt_says_nothing(self):
        made = machine()
        made.sleep(1)
        made.abort()
        assert made.take_output() == []
        for syscall in (made.awakeable, lambda: made.signal("s"), lambda: made.sleep(1)):
            with pytest.raises(SdkInternalException):
                syscall()

    def test_messages_to_a_closed_machine_are_ignored(self):
        made = machine()
        made.finish(Value(b""))
        made.receive([Signal(1, VOID), End()])
        assert made.deliver() is None

    def test_the_legal_transitions_lead_to_the_end_only(self):
        assert LEGAL[Waiting] == {Replaying, Processing, Closed}
        assert LEGAL[Replaying] == {Processing, Closed}
        assert LEGAL[Processing] == {Closed}
        assert LEGAL[Closed] == frozenset()


class TestCompletionIds:
    def test_every_answer_has_its_own(self):
        made = machine(partial_state=False)
        made.set_state(b"a", b"1")
        assert made.get_state(b"a") == (1, Value(b"1"))
        assert made.get_state_keys()[0] == 2
        assert made.call(REQUEST) == (3, 4)
        assert made.send(REQUEST) == 5
        assert made.run("r") == 6
        made.cancel("inv_1")
        assert made.awakeable()[1] == -17
        assert made.signal("s") == ("s", 0)
        assert made.complete_promise("p", Value(b"")) == 7
        assert made.sleep(1) == 8

    def test_a_sleep_in_the_journal_keeps_its_own(self):
        made = machine(Sleep(5, 9, "n"))
        assert made.sleep(77, "n") == 9


class TestRuns:
    @pytest.mark.parametrize(("version", "ack"), [(5, False), (6, False), (7, True)])
    def test_proposals_ask_for_acknowledgement_from_version_7(self, version: int, ack: bool):
        made = machine(version=version)
        made.run("r")
        made.propose(1, Value(b"x"))
        assert made.take_output() == [Run(1, "r"), ProposeRunCompletion(1, Value(b"x"), ack)]

    def test_the_acknowledgement_stands_for_the_result_in_order(self):
        made = machine()
        made.run("r")
        made.propose(1, Value(b"x"))
        assert made.has_proposals
        made.receive([Signal(17, VOID), ProposeRunCompletionAck(1), Signal(18, VOID)])
        assert not made.has_proposals
        assert [made.deliver() for _ in range(3)] == [(-17, VOID), (1, Value(b"x")), (-18, VOID)]

    def test_a_server_may_answer_with_the_whole_notification(self):
        made = machine()
        made.run("r")
        made.propose(1, Value(b"x"))
        made.receive([Completion(CompletionKind.RUN, 1, Value(b"x"))])
        assert not made.has_proposals
        assert made.deliver() == (1, Value(b"x"))

    def test_what_was_not_proposed_cannot_be_acknowledged(self):
        made = machine()
        made.receive([ProposeRunCompletionAck(1)])
        assert error_of(made).code == 571

    def test_a_failure_is_for_the_invocations_policy(self):
        made = machine()
        made.run("r")
        made.fail_run(1, RunFailure(500, "no", "trace", 5), None)
        error = error_of(made)
        assert (error.related_command_index, error.related_command_name) == (1, "r")
        assert (error.related_command_type, error.next_retry_delay) == (0x0411, None)
        assert (error.message, error.stacktrace) == ("no", "trace")

    def test_earlier_failures_count_for_the_last_replayed_run_only(self):
        policy = RunRetries(max_attempts=2)
        earlier = {"retry_count_since_last_stored_entry": 1}
        made = machine(Run(1, "r"), **earlier)
        made.run("r")
        made.fail_run(1, RunFailure(500, "no", "", 5), policy)
        assert made.take_output() == [ProposeRunCompletion(1, Failure(500, "no"), ack=True)]
        made = machine(**earlier)
        made.run("r")
        made.fail_run(1, RunFailure(500, "no", "", 5), policy)
        assert error_of(made).next_retry_delay == 50

    def test_time_counts_as_well(self):
        start = {
            "retry_count_since_last_stored_entry": 3,
            "duration_since_last_stored_entry": 900,
        }
        policy = RunRetries(max_duration_ms=1000)
        for elapsed_ms, given_up in ((99, False), (100, True)):
            made = machine(Run(1, "r"), **start)
            made.run("r")
            made.fail_run(1, RunFailure(500, "no", "", elapsed_ms), policy)
            assert made.closed is not given_up

    def test_delays_grow_up_to_a_bound(self):
        policy = RunRetries(initial_interval_ms=100, factor=3, max_interval_ms=1000)
        assert [policy.delay_ms(failures) for failures in (1, 2, 3, 4)] == [100, 300, 900, 1000]
        assert policy.delay_ms(10_000) == 1000

    @pytest.mark.parametrize("factor", [2, 1.0, 65_536.0, 1e300, 10**300])
    @pytest.mark.parametrize("initial_ms", [0, 50])
    def test_no_factor_is_too_large_and_no_retry_too_late(self, factor: float, initial_ms: int):
        policy = RunRetries(initial_interval_ms=initial_ms, factor=factor)
        most_ms = initial_ms if factor == 1 else min(10_000, initial_ms * 10_000)
        assert policy.delay_ms(2**32 - 1) == most_ms


class TestNotifications:
    def test_named_signals_are_numbered_as_they_arrive(self):
        made = machine()
        made.receive([Signal("s", VOID), Signal("t", VOID), Signal("s", VOID)])
        assert [made.deliver()[0] for _ in range(3)] == [("s", 0), ("t", 0), ("s", 1)]

    def test_children_are_cancelled_once(self):
        made = machine()
        made.call(REQUEST)
        made.send(REQUEST)
        assert list(made.unknown_children()) == [1]
        child = InvocationIdentity("inv_1child")
        made.receive([Completion(CompletionKind.CALL_INVOCATION_ID, 1, child)])
        made.deliver()
        assert not made.unknown_children()
        made.take_output()
        made.cancel_children()
        made.cancel_children()
        assert made.take_output() == [SendSignal("inv_1child", 1, VOID)]

    def test_what_is_awaited_is_told_from_version_7(self):
        for version, said in ((6, []), (7, [AwaitingOn(Future((1,), (1,)))])):
            made = machine(version=version)
            made.announce(awaited([1]))
            assert made.take_output() == said

    def test_it_is_not_told_twice_in_a_row(self):
        made = machine()
        made.announce(awaited([1]))
        made.take_output()
        made.announce(awaited([1]))
        assert made.take_output() == []

    def test_trees_are_flat_before_version_7(self):
        tree = awaited([1, -17, ("s", 0)], [[2, 3], [3, ("s", 1)]])
        group = Future((2, 3), combinator=Combinator.ALL_COMPLETED)
        assert tree.nested[0] == group
        assert flat(tree) == Future((1, 2, 3), (17, 1), ("s",))
        made = machine(version=6)
        made.suspend(tree)
        assert made.take_output() == [Suspension(flat(tree))]

    def test_the_request_to_cancel_is_always_awaited(self):
        assert awaited([]).signals == (-CANCEL,)


class TestSeeds:
    def test_it_comes_with_start_from_version_6(self):
        assert machine(random_seed=9).seed() == 9
        assert machine(version=6, random_seed=9).seed() == 9

    def test_before_it_is_derived_from_the_id_as_the_official_sdk_does(self):
        made = Machine(5)
        made.receive([Start(bytes(range(24)), "inv_1", 1), Input(Value(b""))])
        assert made.seed() == 2118008845014434663


class TestReplay:
    def mismatch(self, recorded: object, issue) -> Error:
        made = machine(recorded, Sleep(1, 50))
        with pytest.raises(SdkInternalException):
            issue(made)
        with pytest.raises(SdkInternalException):
            made.sleep(1)
        error = error_of(made)
        assert error.code == 570
        assert error.related_command_index == 1
        assert "ctx.run" in error.message
        return error

    def test_another_command(self):
        error = self.mismatch(Run(1, "charge"), lambda made: made.sleep(5, "night"))
        assert "command 1 of the journal is Run 'charge'" in error.message
        assert "the handler issues Sleep 'night'" in error.message
        assert error.related_command_type == 0x0411
        assert error.related_command_name == "charge"

    def test_a_failure_instead_says_why(self):
        failure = Failure(400, "The input of S/h cannot be read" + "." * 1000)
        error = self.mismatch(Run(1, "charge"), lambda made: made.finish(failure))
        assert "issues Output where the journal has another, because it fails" in error.message
        assert "The input of S/h cannot be read" in error.message
        assert len(error.message) < 1500

    def test_another_name(self):
        error = self.mismatch(Run(1, "charge"), lambda made: made.run("refund"))
        assert "the field 'name' was 'charge' and now is 'refund'" in error.message

    def test_another_key_of_state(self):
        recorded = SetState("schlüssel".encode(), Value(b""))
        error = self.mismatch(recorded, lambda made: made.set_state(b"b", b""))
        assert "is SetState key='schlüssel', and" in error.message
        assert "the field 'key' was 'schlüssel' and now is 'b'" in error.message

    def test_another_value_is_not_shown(self):
        recorded = SetState(b"k", Value(b"secret-1"))
        error = self.mismatch(recorded, lambda made: made.set_state(b"k", b"secret-22"))
        assert "8 bytes in the journal, 9 bytes now" in error.message
        assert "secret" not in error.message

    def test_another_kind_of_outcome(self):
        recorded = SendSignal("inv_1", "s", Failure(500, "secret"))
        error = self.mismatch(recorded, lambda made: made.send_signal("inv_1", "s", Value(b"")))
        assert "was a failure with code 500 and now is a Value" in error.message

    def test_a_handler_that_ends_early(self):
        made = machine(Output(Value(b"")), Sleep(1, 1, "night"))
        with pytest.raises(SdkInternalException):
            made.finish(Value(b""))
        error = error_of(made)
        assert error.code == 570
        assert "Sleep 'night', and the handler ends without issuing it" in error.message

    def test_a_handler_that_waits_too_early(self):
        made = machine(Sleep(1, 1, "night"))
        made.get_stuck()
        error = error_of(made)
        assert (error.code, error.related_command_index) == (570, 1)

    def test_the_times_of_sleeps_and_delayed_calls_may_differ(self):
        made = machine(Sleep(5, 1))
        made.sleep(1_000_000)
        first = machine()
        first.send(REQUEST, invoke_time=5)
        again = machine(*first.take_output())
        again.send(REQUEST, invoke_time=6)
        assert not again.closed
        assert again.take_output() == []
