"""Values that tests of the machine are written with: targets, commands, and what awaits them."""

from __future__ import annotations

from typing import NamedTuple

from perdure.core.model.invocations import Problem, Retention
from perdure.core.model.records import Callee, Ended, Failed, Suspended
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.core.model.targets import HandlerKind, Target
from perdure.protocol.ids import InvocationId, invocation_text
from perdure.protocol.messages import (
    SIGNAL_CANCEL,
    VOID,
    Call,
    Combinator,
    Completion,
    CompletionKind,
    ErrorBehavior,
    Failure,
    Future,
    InvocationIdentity,
    OneWayCall,
    Output,
    ProposeRunCompletion,
    Result,
    Run,
    SendSignal,
    Sleep,
    Value,
)

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

KEPT = Retention(completion_ms=DAY, journal_ms=DAY)
NOT_KEPT = Retention(completion_ms=0, journal_ms=0)
RESULT_ONLY = Retention(completion_ms=DAY, journal_ms=0)
JOURNAL_SHORTER = Retention(completion_ms=DAY, journal_ms=HOUR)

GREET = Target("Greeter", "greet", HandlerKind.SERVICE)

CANCELED = Failure(409, "canceled")
KILLED = Failure(409, "killed")
NOT_FOUND = Failure(404, "not found")


def ident(name: str) -> InvocationId:
    """Give an id that can be read in a failing test."""
    return InvocationId(name.encode().rjust(24, b"."))


A, B, C, D = (ident(name) for name in "ABCD")
#: An id that no test ever invokes.
NOBODY = ident("nobody")


def add(key: str = "k") -> Target:
    """Give an exclusive handler of an object."""
    return Target("Counter", "add", HandlerKind.EXCLUSIVE, key)


def look(key: str = "k") -> Target:
    """Give a shared handler of the same object."""
    return Target("Counter", "look", HandlerKind.SHARED, key)


def signup(key: str = "w") -> Target:
    """Give the run of a workflow."""
    return Target("Signup", "run", HandlerKind.WORKFLOW, key)


def verify(key: str = "w") -> Target:
    """Give a shared handler of the same workflow."""
    return Target("Signup", "verify", HandlerKind.WORKFLOW_SHARED, key)


# What handlers do.


class CallTo(NamedTuple):
    """A call command together with its callee, as an attempt hands them over."""

    command: Call | OneWayCall
    callee: Callee


def call(callee: InvocationId, target: Target = GREET, *, number: int, retention: Retention = KEPT):
    """Call; the callee's id completes ``number``, its result ``number + 1``."""
    command = Call(
        target.service,
        target.handler,
        b"in",
        invocation_id_notification_idx=number,
        result_completion_id=number + 1,
        key=target.key,
    )
    return CallTo(command, Callee(callee, target.kind, retention))


def send(
    callee: InvocationId,
    target: Target = GREET,
    *,
    number: int,
    at: int = 0,
    retention: Retention = KEPT,
):
    """Call one way; the callee's id completes ``number``."""
    command = OneWayCall(
        target.service,
        target.handler,
        b"in",
        invocation_id_notification_idx=number,
        invoke_time=at,
        key=target.key,
    )
    return CallTo(command, Callee(callee, target.kind, retention))


def sleep(until: int, *, number: int) -> Sleep:
    """Sleep."""
    return Sleep(until, result_completion_id=number)


def run(number: int) -> Run:
    """Issue a run."""
    return Run(result_completion_id=number)


def ran(number: int, value: bytes = b"ran") -> ProposeRunCompletion:
    """Propose what a run came to."""
    return ProposeRunCompletion(number, Value(value))


def output(value: bytes = b"out") -> Output:
    """Give a result."""
    return Output(Value(value))


def cancel_of(target: InvocationId) -> SendSignal:
    """Cancel another invocation from a handler."""
    return SendSignal(invocation_text(target), SIGNAL_CANCEL, VOID)


# How attempts end.

ENDED = Ended()


def waits(*completions: int, signals=(), names=(), seen: int = 0) -> Suspended:
    """Suspend until any of these comes."""
    return Suspended(Future(tuple(completions), tuple(signals), tuple(names)), seen)


def waits_for(future: Future, seen: int = 0) -> Suspended:
    """Suspend until a tree is decided."""
    return Suspended(future, seen)


def tree(combinator: Combinator, *completions: int, signals=(), names=(), nested=()) -> Future:
    """Write an awaited tree."""
    return Future(tuple(completions), tuple(signals), tuple(names), tuple(nested), combinator)


#: 1 s, 2 s, 4 s, then no more.
FEW_RETRIES = RetryPolicy(
    initial_interval_ms=SECOND,
    exponentiation_factor=2.0,
    max_interval_ms=MINUTE,
    max_attempts=4,
)
FEW_RETRIES_THEN_KILL = RetryPolicy(
    initial_interval_ms=SECOND,
    exponentiation_factor=2.0,
    max_interval_ms=MINUTE,
    max_attempts=4,
    on_exhausted=OnExhausted.KILL,
)
#: Largest part of jitter left out: what a chance of 0 adds is 3 ms.
JITTER = 3

BROKEN = Problem(500, "broken")


def failed(
    policy: RetryPolicy = FEW_RETRIES,
    *,
    problem: Problem = BROKEN,
    chance: float = 0.0,
    behavior: ErrorBehavior = ErrorBehavior.RETRY,
    next_retry_ms: int | None = None,
) -> Failed:
    """Fail."""
    return Failed(problem, policy, chance, behavior, next_retry_ms)


# What journals hold.


def completion(kind: CompletionKind, number: int, result: Result = VOID) -> Completion:
    """Write the answer to a command."""
    return Completion(kind, number, result)


def slept(number: int) -> Completion:
    """Write the end of a sleep."""
    return Completion(CompletionKind.SLEEP, number, VOID)


def has_run(number: int, value: bytes = b"ran") -> Completion:
    """Write the stored result of a run."""
    return Completion(CompletionKind.RUN, number, Value(value))


def called(number: int, callee: InvocationId) -> Completion:
    """Write the id that a call brought."""
    result = InvocationIdentity(invocation_text(callee))
    return Completion(CompletionKind.CALL_INVOCATION_ID, number, result)


def returned(number: int, result: Value | Failure) -> Completion:
    """Write the result of a call."""
    return Completion(CompletionKind.CALL, number, result)
