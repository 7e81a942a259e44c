"""Messages of the service protocol, as values.

One class a message; the tag is the message's type on the wire (service protocol, section 4). The
same values are handed over between server and SDK in one process, stored in journals, and encoded
as protobuf frames on the network. Fields carry the protocol's names.

Three kinds: control messages steer an attempt, commands are what a handler did, notifications are
what the server answers. Commands and notifications make up the journal.
"""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

# The values inside messages are part of their vocabulary.
from perdure.protocol.values import VOID as VOID
from perdure.protocol.values import AttachTarget as AttachTarget
from perdure.protocol.values import Combinator as Combinator
from perdure.protocol.values import Failure as Failure
from perdure.protocol.values import Future as Future
from perdure.protocol.values import Headers as Headers
from perdure.protocol.values import IdempotentRequestTarget as IdempotentRequestTarget
from perdure.protocol.values import InvocationIdentity as InvocationIdentity
from perdure.protocol.values import InvocationTarget as InvocationTarget
from perdure.protocol.values import Outcome as Outcome
from perdure.protocol.values import Result as Result
from perdure.protocol.values import StateKeys as StateKeys
from perdure.protocol.values import Value as Value
from perdure.protocol.values import Void as Void
from perdure.protocol.values import WorkflowTarget as WorkflowTarget


class Message(Struct, frozen=True, array_like=True, gc=False, tag=-1):
    """Anything that travels between server and SDK."""


# ---------------------------------------------------------------------------------------------
# Control messages


class Start(Message, frozen=True, tag=0x0000):
    """First message of an attempt, from the server."""

    id: bytes
    debug_id: str
    known_entries: int
    state_map: tuple[tuple[bytes, bytes], ...] = ()
    partial_state: bool = True
    key: str = ""
    retry_count_since_last_stored_entry: int = 0
    duration_since_last_stored_entry: int = 0
    #: Seed of the handler's random numbers; None is the one that follows from the id.
    random_seed: int | None = None
    scope: str | None = None
    limit_key: str | None = None
    idempotency_key: str | None = None


class Suspension(Message, frozen=True, tag=0x0001):
    """Last message of an attempt that waits for something it has not got."""

    awaiting_on: Future


class ErrorBehavior(IntEnum):
    """What the server shall do about an error (service protocol 4.1, field 9)."""

    RETRY = 0
    PAUSE = 1
    FAIL = 2


class Error(Message, frozen=True, tag=0x0002):
    """Last message of an attempt that failed and may be retried."""

    code: int
    message: str
    stacktrace: str = ""
    related_command_index: int | None = None
    related_command_name: str | None = None
    related_command_type: int | None = None
    next_retry_delay: int | None = None
    behavior: ErrorBehavior = ErrorBehavior.RETRY


class End(Message, frozen=True, tag=0x0003):
    """Last message of an invocation; an Output came before it."""


class CommandAck(Message, frozen=True, tag=0x0004):
    """The command at this index (commands only, Input = 0) is durable."""

    command_index: int


class ProposeRunCompletion(Message, frozen=True, tag=0x0005):
    """What a run came to, proposed to the server, which stores and acknowledges it.

    ``ack`` is the header's flag 0x8000 (version 7): answer with an acknowledgement instead of
    the whole notification.
    """

    result_completion_id: int
    result: Outcome
    ack: bool = False


class AwaitingOn(Message, frozen=True, tag=0x0006):
    """What the handler waits for while its attempt stays open (version 7)."""

    awaiting_on: Future
    executing_side_effects: bool = False


class ProposeRunCompletionAck(Message, frozen=True, tag=0x0007):
    """The proposed run completion with this id is durable (version 7)."""

    completion_id: int


# ---------------------------------------------------------------------------------------------
# Commands


class Input(Message, frozen=True, tag=0x0400):
    """Journal entry 0: the request."""

    value: Value
    headers: Headers = ()
    name: str = ""


class Output(Message, frozen=True, tag=0x0401):
    """The handler's result."""

    result: Outcome
    name: str = ""


class GetLazyState(Message, frozen=True, tag=0x0402):
    """Read a state key that did not come with the Start message."""

    key: bytes
    result_completion_id: int
    name: str = ""


class SetState(Message, frozen=True, tag=0x0403):
    """Write a state key."""

    key: bytes
    value: Value
    name: str = ""


class ClearState(Message, frozen=True, tag=0x0404):
    """Remove a state key."""

    key: bytes
    name: str = ""


class ClearAllState(Message, frozen=True, tag=0x0405):
    """Remove all state keys of this object."""

    name: str = ""


class GetLazyStateKeys(Message, frozen=True, tag=0x0406):
    """List the state keys of this object, known to the server only."""

    result_completion_id: int
    name: str = ""


class GetEagerState(Message, frozen=True, tag=0x0407):
    """A state read answered from the Start message; the answer stands in the journal."""

    key: bytes
    result: Void | Value
    name: str = ""


class GetEagerStateKeys(Message, frozen=True, tag=0x0408):
    """A listing of state keys answered from the Start message."""

    keys: StateKeys
    name: str = ""


class GetPromise(Message, frozen=True, tag=0x0409):
    """Wait for a durable promise of this workflow."""

    key: str
    result_completion_id: int
    name: str = ""


class PeekPromise(Message, frozen=True, tag=0x040A):
    """Read a durable promise of this workflow without waiting."""

    key: str
    result_completion_id: int
    name: str = ""


class CompletePromise(Message, frozen=True, tag=0x040B):
    """Complete a durable promise of this workflow."""

    key: str
    completion: Outcome
    result_completion_id: int
    name: str = ""


class Sleep(Message, frozen=True, tag=0x040C):
    """Wait until a point in time, in milliseconds since 1970."""

    wake_up_time: int
    result_completion_id: int
    name: str = ""


class Call(Message, frozen=True, tag=0x040D):
    """Call a handler and wait for its result."""

    service_name: str
    handler_name: str
    parameter: bytes
    invocation_id_notification_idx: int
    result_completion_id: int
    headers: Headers = ()
    key: str = ""
    idempotency_key: str | None = None
    scope: str | None = None
    limit_key: str | None = None
    name: str = ""


class OneWayCall(Message, frozen=True, tag=0x040E):
    """Call a handler without waiting; ``invoke_time`` in milliseconds since 1970, 0 for now."""

    service_name: str
    handler_name: str
    parameter: bytes
    invocation_id_notification_idx: int
    invoke_time: int = 0
    headers: Headers = ()
    key: str = ""
    idempotency_key: str | None = None
    scope: str | None = None
    limit_key: str | None = None
    name: str = ""


class SendSignal(Message, frozen=True, tag=0x0410):
    """Send a signal, by index or by name, to another invocation."""

    target_invocation_id: str
    signal: int | str
    result: Void | Value | Failure
    name: str = ""


class Run(Message, frozen=True, tag=0x0411):
    """A side effect, executed by the SDK; its result is proposed with this completion id."""

    result_completion_id: int
    name: str = ""


class AttachInvocation(Message, frozen=True, tag=0x0412):
    """Wait for the result of another invocation."""

    target: AttachTarget
    result_completion_id: int
    name: str = ""


class GetInvocationOutput(Message, frozen=True, tag=0x0413):
    """Read the result of another invocation, if it has ended."""

    target: AttachTarget
    result_completion_id: int
    name: str = ""


class CompleteAwakeable(Message, frozen=True, tag=0x0414):
    """Complete an awakeable by its id."""

    awakeable_id: str
    result: Outcome
    name: str = ""


# ---------------------------------------------------------------------------------------------
# Notifications


class CompletionKind(IntEnum):
    """What a completion answers: its message type on the wire (service protocol 4.3)."""

    GET_LAZY_STATE = 0x8002
    GET_LAZY_STATE_KEYS = 0x8006
    GET_PROMISE = 0x8009
    PEEK_PROMISE = 0x800A
    COMPLETE_PROMISE = 0x800B
    SLEEP = 0x800C
    CALL = 0x800D
    CALL_INVOCATION_ID = 0x800E
    RUN = 0x8011
    ATTACH_INVOCATION = 0x8012
    GET_INVOCATION_OUTPUT = 0x8013


class Completion(Message, frozen=True, tag=0x8000):
    """The answer to a command, by the completion id that the command named."""

    kind: CompletionKind
    completion_id: int
    result: Result


class Signal(Message, frozen=True, tag=0xFBFF):
    """Something sent to this invocation from outside, by index or by name."""

    signal: int | str
    result: Void | Value | Failure


Command = (
    Input
    | Output
    | GetLazyState
    | SetState
    | ClearState
    | ClearAllState
    | GetLazyStateKeys
    | GetEagerState
    | GetEagerStateKeys
    | GetPromise
    | PeekPromise
    | CompletePromise
    | Sleep
    | Call
    | OneWayCall
    | SendSignal
    | Run
    | AttachInvocation
    | GetInvocationOutput
    | CompleteAwakeable
)
Notification = Completion | Signal
JournalMessage = Command | Notification

#: Built-in signal: the invocation shall cancel itself (service protocol 4.5).
SIGNAL_CANCEL = 1
#: Awakeables take signal indexes from here, in the order of their creation.
SIGNAL_AWAKEABLE_FIRST = 17
