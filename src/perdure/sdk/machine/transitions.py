"""How the machine moves: what the server's messages do, and how commands meet the journal.

Every change of state goes through one function here, and so does every failure: it is told to the
server once, and after it nothing more is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar, get_args

from perdure.protocol.ids import INVOCATION_ID_SIZE
from perdure.protocol.messages import (
    Command,
    CommandAck,
    Completion,
    CompletionKind,
    Error,
    Input,
    InvocationIdentity,
    Message,
    Outcome,
    ProposeRunCompletionAck,
    Result,
    Signal,
    Start,
)
from perdure.sdk.errors import SdkInternalException, SuspendedException
from perdure.sdk.machine import replay
from perdure.sdk.machine.errors import MachineError, ProtocolViolationError
from perdure.sdk.machine.handles import Handle
from perdure.sdk.machine.states import LEGAL, Closed, Ending, Processing, Replaying, State, Waiting

C = TypeVar("C", bound=Command)

_COMMANDS: Final[frozenset[type]] = frozenset(get_args(Command))
#: Members of an enum are slow to reach before Python 3.12: looked up once for all runs.
_RUN: Final = CompletionKind.RUN
_NO_JOURNAL: Final = "the Start message announces no journal, not even the input"
_NO_ID: Final = "the Start message has no invocation's id, which is of 24 bytes"


class Transitions:
    """States, messages in and messages out; the syscalls build on it."""

    __slots__ = (
        "_children",
        "_commands",
        "_input",
        "_output",
        "_proposed",
        "_signals",
        "_start",
        "_state",
        "_unknown_children",
        "arrivals",
        "closed",
        "input_closed",
        "processing",
        "ready",
        "version",
    )

    def __init__(self, version: int) -> None:
        self.version = version
        self.input_closed = False
        #: Whether the whole known journal is there, so that user code may run.
        self.ready = False
        #: Whether what the handler issues is new.
        self.processing = False
        #: Whether the attempt is over.
        self.closed = False
        self._state: State = Waiting()
        self._start: Start | None = None
        self._input: Input | None = None
        self._output: list[Message] = []
        #: Notifications, and for those that came with the journal how many commands stand before.
        self.arrivals: deque[tuple[int, Completion | Signal]] = deque()
        #: Commands issued so far, in replay or anew; the next one gets this index.
        self._commands = 0
        #: Proposed run results that the server acknowledges by id alone (version 7).
        self._proposed: dict[int, Outcome] = {}
        #: Child calls, by the handle of their invocation id, in the order of the calls.
        self._children: dict[int, str | None] = {}
        #: Those whose id has not come yet; asked for after each of what may be very many results.
        self._unknown_children: dict[int, None] = {}
        #: How many signals of each name were handed over.
        self._signals: dict[str, int] = {}

    # ------------------------------------------------------------------ what the shell may ask

    @property
    def start(self) -> Start:
        """The Start message; there is one as soon as the machine is ready."""
        assert self._start is not None
        return self._start

    @property
    def ending(self) -> Ending | None:
        """How the attempt ended, or None while it lasts."""
        state = self._state
        return state.ending if type(state) is Closed else None

    @property
    def has_proposals(self) -> bool:
        """Whether a run's proposed result was not acknowledged yet."""
        return bool(self._proposed)

    def is_replaying(self) -> bool:
        """Tell whether the handler still repeats commands of its journal."""
        return type(self._state) is Replaying

    # ------------------------------------------------------------------ messages in

    def receive(self, messages: Sequence[Message]) -> None:
        """Take messages of the server, in order; what breaks the protocol fails the attempt."""
        arriving = iter(messages)
        try:
            if messages and type(self._state) is Waiting:
                self._take_journal(self._state, arriving)
            if not self.closed:  # Else they crossed our last words on the way.
                for message in arriving:
                    self._take_live(message)
        except MachineError as error:
            self.fail(error)

    def close_input(self) -> None:
        """Learn that nothing more will come."""
        self.input_closed = True
        if type(self._state) is Waiting:
            self.fail(
                ProtocolViolationError("the server closed its side before the journal was complete")
            )

    def deliver(self, *, ahead: bool = False) -> tuple[Handle, Result] | None:
        """Hand over the next notification in journal order, or None if there is none.

        Args:
            ahead: Whether it may come before commands that stand before it in the journal.
        """
        if not self.arrivals or type(self._state) is Closed:
            return None
        place, notification = self.arrivals[0]
        if place > self._commands and not ahead:
            return None
        self.arrivals.popleft()
        if type(notification) is Completion:
            handle, result = notification.completion_id, notification.result
            if type(result) is InvocationIdentity and handle in self._children:
                self._children[handle] = result.invocation_id
                self._unknown_children.pop(handle, None)
            return handle, result
        assert isinstance(notification, Signal)
        return self._signal_handle(notification.signal), notification.result

    def deliver_to(self, handle: Handle) -> Result | None:
        """Hand over the next notification in journal order if it is this completion."""
        if not self.arrivals:
            return None
        place, notification = self.arrivals[0]
        if place > self._commands or type(notification) is not Completion:
            return None
        if notification.completion_id != handle or type(notification.result) is InvocationIdentity:
            return None
        self.arrivals.popleft()
        return notification.result

    def _signal_handle(self, signal: int | str) -> Handle:
        if isinstance(signal, int):
            return -signal
        nth = self._signals.get(signal, 0)
        self._signals[signal] = nth + 1
        return signal, nth

    def _take_journal(self, waiting: Waiting, arriving: Iterator[Message]) -> None:
        """Take what arrives up to the end of the journal, and begin when that has come."""
        missing, commands = waiting.missing, waiting.commands
        if not missing:
            missing = self._take_start(next(arriving))
        for message in arriving:
            if type(message) in _COMMANDS:
                commands.append(message)  # type: ignore[arg-type]  # _COMMANDS is Command
            elif isinstance(message, (Completion, Signal)):
                self.arrivals.append((len(commands), message))
            else:
                raise ProtocolViolationError(f"the journal holds no {type(message).__name__}")
            missing -= 1
            if not missing:
                self._begin(commands)
                return
        waiting.missing = missing

    def _begin(self, commands: deque[Command]) -> None:
        """Let the handler run, now that the journal is there."""
        first = commands.popleft() if commands else None
        if type(first) is not Input:
            raise ProtocolViolationError("the journal does not begin with the input")
        self._input = first
        self._commands = 1
        self._become(Replaying(commands) if commands else Processing())

    def _take_start(self, message: Message) -> int:
        """Take the first message, and give how many entries of the journal follow it."""
        if not isinstance(message, Start):
            raise ProtocolViolationError(f"expected Start, got {type(message).__name__}")
        if message.known_entries < 1:
            raise MachineError(_NO_JOURNAL)
        if len(message.id) != INVOCATION_ID_SIZE:
            raise MachineError(_NO_ID)
        self._start = message
        return message.known_entries

    def _take_live(self, message: Message) -> None:
        if isinstance(message, ProposeRunCompletionAck):
            handle = message.completion_id
            result = self._proposed.pop(handle, None)
            if result is None:
                raise ProtocolViolationError(f"no proposal with completion id {handle} waits")
            self.arrivals.append((0, Completion(_RUN, handle, result)))
        elif isinstance(message, Completion):
            # A server need not take up the offer to acknowledge a proposal by its id alone.
            self._proposed.pop(message.completion_id, None)
            self.arrivals.append((0, message))
        elif isinstance(message, Signal):
            self.arrivals.append((0, message))
        elif not isinstance(message, CommandAck):
            raise ProtocolViolationError(
                f"{type(message).__name__} must not come once the journal is complete"
            )
        # Nobody asked for a CommandAck: commands are safe once a later answer comes.

    # ------------------------------------------------------------------ messages out

    def take_output(self) -> list[Message]:
        """Give what has to be sent, in order, and forget it."""
        output, self._output = self._output, []
        return output

    def fail(self, error: MachineError, next_retry_delay_ms: int | None = None) -> None:
        """End the attempt with an error that the server may retry."""
        self._fail(error, "", next_retry_delay_ms)

    def abort(self) -> None:
        """End the attempt and say nothing more."""
        self._output.clear()
        self._close(Ending.ABORTED)

    def _fail(
        self, error: MachineError, stacktrace: str, next_retry_delay_ms: int | None = None
    ) -> None:
        related = error.related
        message = Error(
            code=error.code,
            message=error.message,
            stacktrace=stacktrace,
            related_command_index=related.index if related else None,
            related_command_name=(related.name or None) if related else None,
            related_command_type=related.type if related else None,
            next_retry_delay=next_retry_delay_ms,
        )
        self._end_with(message, Ending.FAILED)

    def _end_with(self, terminal: Message, ending: Ending) -> None:
        if not self.closed:
            self._output.append(terminal)
            self._close(ending)

    def _close(self, ending: Ending) -> None:
        if not self.closed:
            self._become(Closed(ending))
            self.arrivals.clear()

    def _become(self, state: State) -> None:
        kind = type(state)
        assert kind in LEGAL[type(self._state)]
        self._state = state
        self.ready = True
        self.processing = kind is Processing
        self.closed = kind is Closed

    # ------------------------------------------------------------------ commands

    def _command(self, command: C) -> C:
        """Write a new command; in replay, meet the one in the journal and give that back."""
        state = self._state
        if type(state) is Processing:
            state.fresh = False
            self._commands += 1
            self._output.append(command)
            return command
        if type(state) is not Replaying:
            raise self.over()
        recorded = state.commands[0]
        try:
            replay.check(recorded, command, self._commands)
        except MachineError as error:
            self.fail(error)
            raise SdkInternalException from error
        state.commands.popleft()
        self._commands += 1
        if not state.commands:
            self._become(Processing())
        return recorded  # type: ignore[return-value]  # the check has compared the types

    def _recorded(self) -> Command | None:
        """Look at the command of the journal that comes next; None when what comes is new."""
        state = self._state
        return state.commands[0] if type(state) is Replaying else None

    def _refuse(self, error: MachineError) -> SdkInternalException:
        """End the attempt because of something the handler asked for; to be raised to it."""
        self.fail(error)
        internal = SdkInternalException()
        internal.__cause__ = error
        return internal

    def over(self) -> SdkInternalException | SuspendedException:
        """Give the exception that tells code of the handler that its attempt is over."""
        assert type(self._state) is Closed
        if self._state.ending is Ending.SUSPENDED:
            return SuspendedException()
        return SdkInternalException()
