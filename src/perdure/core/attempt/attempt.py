"""One attempt, seen from the server: messages of the SDK to log records, and notifications back.

The attempt is open until a terminal message, a refused message or a lost connection ends it; what
comes after that is dropped. Nothing is acknowledged here: what the SDK said goes into one
:class:`~perdure.core.model.records.Progress` a batch, and what comes back is what the machine put
into the journal, once it is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_args

from msgspec import Struct
from msgspec.structs import replace

from perdure.core.attempt.checks import (
    CARRIED,
    NOTHING,
    Directory,
    RefusedError,
    check_command,
    checked_size,
    resolve_callee,
    stored_bytes,
)
from perdure.core.attempt.opening import EAGER_STATE_BYTES_MAX, open_runs
from perdure.core.model.awaiting import Settled, awaited, is_empty, needs, settle
from perdure.core.model.deployments import HandlerSchema
from perdure.core.model.identities import CHANCE_BYTES
from perdure.core.model.invocations import Pin, Problem
from perdure.core.model.records import Callee, Ended, Ending, Failed, Progress, Suspended
from perdure.core.model.shares import ALONE, Share
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import (
    AwaitingOn,
    Call,
    Command,
    Completion,
    CompletionKind,
    End,
    Error,
    ErrorBehavior,
    Future,
    Message,
    Notification,
    OneWayCall,
    Output,
    ProposeRunCompletion,
    ProposeRunCompletionAck,
    Run,
    Suspension,
)
from perdure.protocol.trees import LEVELS_MAX, depth
from perdure.protocol.versions import VERSION_FUTURE_TREES

#: Codes of errors that an SDK reports about the protocol rather than the handler. Codes of HTTP say
#: nothing about the protocol here: they are what the handler raised.
_DOC_CODES = {570: "RT0016", 571: "RT0012"}
#: What is kept of each text of an error, in characters.
ERROR_TEXT_MAX: Final = 64 * 1024
#: Code of a future that is nested too deep: tried again it would be as deep, so this pauses.
_TOO_DEEP: Final = "RT0025"
#: Members of an enum are slow to reach before Python 3.12: looked up once for all runs.
_RUN: Final = CompletionKind.RUN


class Chance(Struct, frozen=True):
    """Where an attempt gets the time and randomness for what it starts."""

    now_ms: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    number: Callable[[], float]
    #: What ids are drawn from that nothing names.
    share: Share = ALONE


class JournalLimits(Struct, frozen=True, kw_only=True):
    """How long a journal may be before it is more than an attempt should replay, and the like."""

    entries: int = 100_000
    #: Size of all payloads together.
    bytes: int = 256 * 1024 * 1024
    #: How deep the futures may nest that a handler waits for.
    future_levels: int = LEVELS_MAX
    #: State that is sent with an attempt, in bytes; the rest is read when it is asked for.
    eager_state_bytes: int = EAGER_STATE_BYTES_MAX


_LIMITS: Final = JournalLimits()


class Batch(Struct):
    """What one hand-over of messages comes to."""

    entries: list[Command | ProposeRunCompletion] = []
    callees: list[Callee] = []


class Attempt:
    """The server's half of one attempt."""

    __slots__ = (
        "_acked_runs",
        "_awaiting",
        "_bytes",
        "_chance",
        "_directory",
        "_entries",
        "_has_output",
        "_known",
        "_limits",
        "_open_runs",
        "_pin",
        "_replayed",
        "invocation_id",
        "number",
        "open",
        "schema",
    )

    def __init__(
        self,
        invocation_id: InvocationId,
        number: int,
        schema: HandlerSchema,
        pin: Pin,
        directory: Directory,
        chance: Chance,
        limits: JournalLimits = _LIMITS,
    ) -> None:
        self.invocation_id = invocation_id
        #: Which attempt of the invocation this is.
        self.number = number
        self.schema = schema
        self._pin = pin
        self._directory = directory
        self._chance = chance
        #: Journal entries that the SDK has, or that are on their way to it.
        self._known = 0
        #: Those that it had before the handler began.
        self._replayed = 0
        #: Journal entries that there are, and the size of their payloads, as far as is known here.
        self._entries = 0
        self._bytes = 0
        self._limits = limits
        self._has_output = False
        self._acked_runs: set[int] = set()
        #: Completions of runs that only this attempt, or a later one, can bring.
        self._open_runs: set[int] = set()
        #: What the handler waits for, if that is all it does.
        self._awaiting: Future | None = None
        self.open = True

    @property
    def idle(self) -> bool:
        """Whether the handler waits for nothing but what the server has not sent yet."""
        return self._awaiting is not None

    def opened(self, messages: Sequence[Message]) -> None:
        """Note what the replay holds."""
        self._known = self._replayed = self._entries = len(messages) - 1
        self._bytes = stored_bytes(messages)  # the start counts for nothing
        if self._known > 1:
            kinds = set(map(type, messages))
            self._has_output = Output in kinds
            if Run in kinds:
                self._open_runs = open_runs(messages)

    def notification(self, index: int, notification: Notification) -> Message | None:
        """Give what to forward for a new journal entry, or None if the replay held it."""
        if not self.open or index < self._known:
            return None
        self._known = self._entries = index + 1
        if self._awaiting is not None:
            self._awaiting = _without(self._awaiting, notification)
        if isinstance(notification, Completion) and notification.kind is _RUN:
            # The size of its result was counted when it was proposed.
            if notification.completion_id in self._acked_runs:
                self._acked_runs.discard(notification.completion_id)
                return ProposeRunCompletionAck(notification.completion_id)
        else:
            self._bytes += stored_bytes((notification,))
        return notification

    def receive(self, messages: Sequence[Message]) -> Progress | None:
        """Take what the SDK said and give the record to append, if there is anything to record."""
        if not self.open:
            return None
        batch = Batch()
        ending: Ending | None = None
        self._awaiting = None
        for message in messages:
            take, payload_of, label_of = _TAKEN.get(type(message), _REFUSED)
            try:
                if payload_of is not None:
                    self._bytes += checked_size(message, payload_of(message))
                if label_of is not None:
                    self._bytes += label_of(message)
                ending = take(self, message, batch)
            except RefusedError as refused:
                ending = self.failure(refused.problem)
            if ending is not None:
                break
        return self._progress(batch, ending)

    def lost(self, problem: Problem, retry_after_ms: int | None = None) -> Progress | None:
        """Give the record that says the attempt failed on its way, unless it is over."""
        return self.failed(problem, retry_after_ms) if self.open else None

    def failed(self, problem: Problem, retry_after_ms: int | None = None) -> Progress:
        """Give the record that says the attempt failed, in place of all it said last."""
        self.open = False
        failed = replace(self.failure(problem), next_retry_ms=retry_after_ms)
        return self._record(Batch(), failed)

    def failure(self, problem: Problem) -> Failed:
        """Describe a failure under this handler's retry policy."""
        deep = problem.doc_code == _TOO_DEEP
        behavior = ErrorBehavior.PAUSE if deep else ErrorBehavior.RETRY
        return Failed(problem, self.schema.retry_policy, self._chance.number(), behavior)

    def _progress(self, batch: Batch, ending: Ending | None) -> Progress | None:
        if batch.entries:
            self._entries += len(batch.entries)
            limits = self._limits
            if self._entries > limits.entries:
                return self._full(f"{limits.entries} entries", "journal-entries-limit")
            if self._bytes > limits.bytes:
                return self._full(f"{limits.bytes} bytes", "journal-size-limit")
        elif ending is None:
            return None
        if ending is not None:
            self.open = False
        return self._record(batch, ending)

    def _full(self, limit: str, setting: str) -> Progress:
        """Pause in place of what was said last: tried again it would come to the same."""
        self.open = False
        problem = Problem(
            500,
            f"the journal would grow beyond {limit}, all of which each attempt has to replay; let "
            "an invocation hand on what is left to another one and large data be kept elsewhere, "
            f"or raise worker.invoker.{setting} and resume",
            doc_code="RT0003",
        )
        failed = replace(self.failure(problem), behavior=ErrorBehavior.PAUSE)
        return self._record(Batch(), failed)

    def _record(self, batch: Batch, ending: Ending | None) -> Progress:
        return Progress(
            self.invocation_id,
            self.number,
            tuple(batch.entries),
            tuple(batch.callees),
            self._pin,
            ending,
        )

    def on_command(self, command: Command, batch: Batch) -> None:
        """Take a command that has no more to it than its check."""
        check_command(self.schema.kind, command)
        batch.entries.append(command)

    def on_run(self, run: Run, batch: Batch) -> None:
        """Take a run, whose result the SDK will tell."""
        self._open_runs.add(run.result_completion_id)
        batch.entries.append(run)

    def on_output(self, output: Output, batch: Batch) -> None:
        """Take the result."""
        self._has_output = True
        batch.entries.append(output)

    def on_proposal(self, proposal: ProposeRunCompletion, batch: Batch) -> None:
        """Take what a run came to."""
        if proposal.ack and self._pin.protocol_version >= VERSION_FUTURE_TREES:
            self._acked_runs.add(proposal.result_completion_id)
        self._open_runs.discard(proposal.result_completion_id)
        batch.entries.append(proposal)

    def on_call(self, command: Call | OneWayCall, batch: Batch) -> None:
        """Take a call, and settle whom it calls."""
        chance = self._chance
        callee = resolve_callee(
            self._directory,
            command,
            chance.now_ms(),
            chance.random_bytes(CHANCE_BYTES),
            chance.share,
        )
        batch.callees.append(callee)
        batch.entries.append(command)

    def on_awaiting(self, message: AwaitingOn, _batch: Batch) -> Ending | None:
        """Learn what the handler waits for, while its attempt stays open."""
        if not message.executing_side_effects:
            self._awaiting = message.awaiting_on
        return self._unawaitable(message.awaiting_on)

    def refuse(self, message: Message, _batch: Batch) -> Ending | None:
        """Refuse a message that only a server sends."""
        name = type(message).__name__
        raise RefusedError(571, "RT0012", f"an SDK cannot send {name}")

    def on_end(self, _message: End, _batch: Batch) -> Ending:
        """End, if there is a result."""
        if not self._has_output:
            raise RefusedError(571, "RT0012", "the handler ended without an output")
        return Ended()

    def on_suspension(self, suspension: Suspension, _batch: Batch) -> Ending:
        """Suspend, if there is something to wait for.

        What was sent after the replay may have crossed the suspension on its way: counted as seen
        it would never wake the handler, counted as unseen it costs an attempt at the most.
        """
        awaiting = suspension.awaiting_on
        if self._open_runs and needs(awaiting, self._open_runs):
            raise RefusedError(
                571,
                "RT0012",
                "the handler suspended to wait for a run of its own, which nobody else can "
                "complete; the run is tried again",
            )
        return self._unawaitable(awaiting) or Suspended(awaited(awaiting), seen=self._replayed)

    def on_error(self, error: Error, _batch: Batch) -> Ending:
        """Fail as the SDK says."""
        code = error.code if error.code <= 65535 else 500
        name = error.related_command_name
        problem = Problem(
            code,
            shortened(error.message),
            shortened(error.stacktrace),
            _DOC_CODES.get(code, "RT0007"),
            error.related_command_index,
            None if name is None else shortened(name),
            error.related_command_type,
        )
        return Failed(
            problem,
            self.schema.retry_policy,
            self._chance.number(),
            error.behavior,
            error.next_retry_delay,
        )

    def _unawaitable(self, awaiting: Future) -> Failed | None:
        """Refuse a future that nothing can ever complete, or that is too deep to be stored."""
        if is_empty(awaiting):
            raise RefusedError(
                571, "RT0012", "the handler waits for nothing: name what shall wake it"
            )
        levels_max = self._limits.future_levels
        if depth(awaiting) <= levels_max:
            return None
        problem = Problem(
            500,
            f"the awaited future is nested deeper than {levels_max} levels; flatten it, or raise "
            "worker.invoker.max-awaited-future-depth, then resume",
            doc_code=_TOO_DEEP,
        )
        return self.failure(problem)


def shortened(text: str) -> str:
    """Give the beginning of a text that says why an attempt failed."""
    if len(text) <= ERROR_TEXT_MAX:
        return text
    return f"{text[:ERROR_TEXT_MAX]}... ({len(text)} characters)"


def _without(awaiting: Future, notification: Notification) -> Future | None:
    """Take out of what a handler waits for what it is about to be told."""
    left = settle(awaiting, notification)
    return None if isinstance(left, Settled) else left


_Take = Callable[[Attempt, Any, Batch], Ending | None]
#: What an SDK may send, and who takes it.
_TAKE: Final[Mapping[type[Message], _Take]] = {
    **dict.fromkeys(get_args(Command), Attempt.on_command),
    Run: Attempt.on_run,
    Output: Attempt.on_output,
    Call: Attempt.on_call,
    OneWayCall: Attempt.on_call,
    ProposeRunCompletion: Attempt.on_proposal,
    AwaitingOn: Attempt.on_awaiting,
    Suspension: Attempt.on_suspension,
    Error: Attempt.on_error,
    End: Attempt.on_end,
}
#: The same with what a message carries, so that one look finds it all.
_TAKEN: Final = {kind: (take, *CARRIED.get(kind, NOTHING)) for kind, take in _TAKE.items()}
_REFUSED: Final = (Attempt.refuse, *NOTHING)
