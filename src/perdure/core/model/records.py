"""Log records: everything a partition can be told.

A record is a body in an envelope. The envelope brings what the fold may not ask for: the time, and
the epoch of the leader that wrote it. Bodies are facts or requests; what becomes of them is decided
when they are applied.
"""

from __future__ import annotations

from msgspec import Struct

from perdure.core.model.awaiting import Awaited
from perdure.core.model.invocations import Caller, Origin, Pin, Problem, Retention
from perdure.core.model.retries import RetryPolicy
from perdure.core.model.targets import HandlerKind, Target
from perdure.core.model.timers import Timer
from perdure.protocol.ids import DeploymentId, InvocationId
from perdure.protocol.messages import (
    Command,
    ErrorBehavior,
    Failure,
    Input,
    ProposeRunCompletion,
    Value,
    Void,
)


class Body(Struct, frozen=True, array_like=True, gc=False, tag=-1):
    """What a record says."""


class AnnounceLeader(Body, frozen=True, tag=0):
    """A new leader begins; records of older epochs are void from here on."""

    epoch: int


class Invoke(Body, frozen=True, tag=1):
    """Run a handler, once: the id tells a repetition."""

    invocation_id: InvocationId
    target: Target
    input: Input
    retention: Retention
    idempotency_key: str | None = None
    #: Not before this time, in milliseconds since 1970.
    execution_time: int | None = None
    #: The invocation that waits for the result, if one called.
    caller: Caller | None = None
    origin: Origin = Origin()
    #: The id was drawn for this request alone: nothing can be known under it.
    drawn: bool = False


class Callee(Struct, frozen=True, array_like=True, gc=False):
    """Whom a call command calls, as resolved when the command arrived."""

    invocation_id: InvocationId
    kind: HandlerKind
    retention: Retention
    #: The id was drawn for this call alone.
    drawn: bool = False


class Ended(Struct, frozen=True, array_like=True, gc=False, tag=0):
    """The handler is done; its last output is the result."""


class Suspended(Struct, frozen=True, array_like=True, gc=False, tag=1):
    """The handler waits for what it has not got.

    ``seen`` counts the journal entries that it certainly knew: it waits in spite of what they
    hold. A cancel signal that the handler dealt with long ago must not wake it again.
    """

    awaiting: Awaited
    seen: int = 0


class Failed(Struct, frozen=True, array_like=True, gc=False, tag=2):
    """The attempt failed.

    ``next_retry_ms`` overrides the policy's delay and does not count as an attempt;
    ``chance`` (0 to 1) places the jitter.
    """

    problem: Problem
    policy: RetryPolicy
    chance: float
    behavior: ErrorBehavior = ErrorBehavior.RETRY
    next_retry_ms: int | None = None


Ending = Ended | Suspended | Failed


class Progress(Body, frozen=True, tag=2):
    """What an attempt did since its last word, and how it ended if it did.

    ``callees`` belong to the call commands among the entries, in order.
    """

    invocation_id: InvocationId
    attempt: int
    entries: tuple[Command | ProposeRunCompletion, ...]
    callees: tuple[Callee, ...] = ()
    pin: Pin | None = None
    ending: Ending | None = None


class TimerFired(Body, frozen=True, tag=3):
    """A timer is due, as logs of format 4 and before say it."""

    timer: Timer


class SignalReceived(Body, frozen=True, tag=4):
    """A signal from outside, such as a completed awakeable."""

    invocation_id: InvocationId
    signal: int | str
    result: Void | Value | Failure


class Cancel(Body, frozen=True, tag=5):
    """Ask an invocation to cancel itself."""

    invocation_id: InvocationId


class Kill(Body, frozen=True, tag=6):
    """End an invocation and all it called, at once."""

    invocation_id: InvocationId


class Pause(Body, frozen=True, tag=7):
    """Stop an invocation until it is resumed."""

    invocation_id: InvocationId


class Resume(Body, frozen=True, tag=8):
    """Go on with a paused, suspended or backing-off invocation, perhaps elsewhere."""

    invocation_id: InvocationId
    #: None keeps the deployment.
    pin: Pin | None = None


class Purge(Body, frozen=True, tag=9):
    """Forget an ended invocation: result, journal, and a workflow's state and promises."""

    invocation_id: InvocationId


class PurgeJournal(Body, frozen=True, tag=10):
    """Forget the journal of an ended invocation and keep its result."""

    invocation_id: InvocationId


class RestartAsNew(Body, frozen=True, tag=11):
    """Run an ended invocation again under a new id, after the first entries of its journal."""

    invocation_id: InvocationId
    new_id: InvocationId
    #: Raw index of the last journal entry that is kept; 0 keeps only the input.
    upto_index: int = 0
    #: Whether to keep the pinned deployment.
    keep_deployment: bool = False
    deployment_id: DeploymentId | None = None


class Expire(Body, frozen=True, tag=12):
    """Apply retentions that have passed, up to a number of invocations."""

    limit: int


class Respond(Body, frozen=True, tag=13):
    """A result for an invocation that waits for it."""

    caller: Caller
    result: Void | Value | Failure


class Attach(Body, frozen=True, tag=14):
    """An invocation wants the result of another one, now or when it ends."""

    invocation_id: InvocationId
    caller: Caller


class ReadOutput(Body, frozen=True, tag=15):
    """An invocation wants the result of another one if there is one by now."""

    invocation_id: InvocationId
    caller: Caller


class MutateState(Body, frozen=True, tag=16):
    """Replace the whole state of an object or workflow, in its turn for the key."""

    mutation_id: InvocationId
    service: str
    key: str
    #: Keys and values.
    state: tuple[tuple[bytes, bytes], ...]
    #: Version of the state that may be replaced; None replaces any.
    version: str | None = None


#: What one invocation sends another, which may live in another partition.
Message = Invoke | Respond | Attach | ReadOutput | SignalReceived | Cancel | Kill


class Delivered(Body, frozen=True, tag=17):
    """Messages of another partition, numbered one after the other; what was taken before is not."""

    #: The partition that sent them.
    source: int
    #: Number of the first one.
    first: int
    messages: tuple[Message, ...]


class Shipped(Body, frozen=True, tag=18):
    """Another partition has durably taken the messages for it, up to a number."""

    destination: int
    upto: int


class TimersFired(Body, frozen=True, tag=19):
    """Timers are due, in this order: many at once cost one record, and not one each."""

    timers: tuple[Timer, ...]


RecordBody = (
    AnnounceLeader
    | Invoke
    | Progress
    | TimerFired
    | SignalReceived
    | Cancel
    | Kill
    | Pause
    | Resume
    | Purge
    | PurgeJournal
    | RestartAsNew
    | Expire
    | Respond
    | Attach
    | ReadOutput
    | MutateState
    | Delivered
    | Shipped
    | TimersFired
)


class Record(Struct, frozen=True, array_like=True, gc=False):
    """A body, with the time it was made and the leader that made it."""

    epoch: int
    #: Milliseconds since 1970.
    now: int
    body: RecordBody
