"""Everything a handler can do: one method a command, as the protocol numbers and orders them.

Completion ids are given out in the order of the calls: one for each answer that a command can get,
also for state reads that are answered here, because a journal must replay with either kind of read
(service protocol 5.3). Methods return handles; what they stand for is delivered later.

All of them raise ``SdkInternalBaseException`` when the attempt is over, be it that the call itself
ended it: by not matching the journal, or by using what the protocol version does not have.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from typing import Final

from perdure.protocol.ids import InvocationId, awakeable_text, random_seed
from perdure.protocol.messages import (
    SIGNAL_AWAKEABLE_FIRST,
    SIGNAL_CANCEL,
    VOID,
    AttachInvocation,
    AttachTarget,
    AwaitingOn,
    Call,
    ClearAllState,
    ClearState,
    CompleteAwakeable,
    CompletePromise,
    End,
    Failure,
    Future,
    GetEagerState,
    GetEagerStateKeys,
    GetInvocationOutput,
    GetLazyState,
    GetLazyStateKeys,
    GetPromise,
    Input,
    OneWayCall,
    Outcome,
    Output,
    PeekPromise,
    ProposeRunCompletion,
    Run,
    SendSignal,
    SetState,
    Sleep,
    StateKeys,
    Suspension,
    Value,
    Void,
)
from perdure.protocol.versions import VERSION_FAILURE_METADATA, VERSION_FUTURE_TREES
from perdure.sdk.machine import replay
from perdure.sdk.machine.errors import CommandReference, MachineError, UnsupportedFeatureError
from perdure.sdk.machine.handles import Handle, flat
from perdure.sdk.machine.requests import Request
from perdure.sdk.machine.retries import RunFailure, RunRetries
from perdure.sdk.machine.state_view import StateView
from perdure.sdk.machine.states import Ending, Processing
from perdure.sdk.machine.transitions import Transitions

#: First version whose Start message carries a random seed.
VERSION_RANDOM_SEED: Final = VERSION_FAILURE_METADATA

_END: Final = End()
#: Members of an enum are slow to reach before Python 3.12: looked up once for all attempts.
_ENDED: Final = Ending.ENDED


class Machine(Transitions):
    """The SDK's half of one attempt.

    Args:
        version: The service protocol's version that this invocation runs with.
    """

    __slots__ = (
        "_announced",
        "_last_completion",
        "_next_awakeable",
        "_requested",
        "_runs",
        "_state_view",
    )

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self._last_completion = 0
        self._next_awakeable = SIGNAL_AWAKEABLE_FIRST
        self._requested: dict[str, int] = {}
        #: Place and name of the runs issued so far, for the errors of their actions.
        self._runs: dict[int, tuple[int, str]] = {}
        self._state_view: StateView | None = None
        self._announced: Future | None = None

    # ------------------------------------------------------------------ beginning and end

    def input(self) -> Input:
        """Read the request, with which each journal begins."""
        if self.closed:
            raise self.over()
        assert self._input is not None
        return self._input

    def seed(self) -> int:
        """Give the seed of the handler's random numbers."""
        if self.version >= VERSION_RANDOM_SEED:
            seed = self.start.random_seed
            return random_seed(self.start.id) if seed is None else seed
        # Servers of version 5 send none; this is what the official SDK derives (8.7).
        return int.from_bytes(sha256(self.start.id).digest()[:8], "big")

    def finish(self, outcome: Outcome) -> None:
        """Write the handler's result and end the invocation."""
        if type(outcome) is Failure:
            self._check_metadata(outcome)
        self._command(Output(outcome))
        if not self.processing:
            left = self._recorded()
            assert left is not None
            raise self._refuse(replay.unfinished(left, self._commands))
        self._end_with(_END, _ENDED)

    def fail_with(
        self, code: int, message: str, stacktrace: str, retry_after_ms: int | None = None
    ) -> None:
        """End the attempt because the handler failed; the server retries it."""
        error = MachineError(message)
        error.code = code
        self._fail(error, stacktrace, retry_after_ms)

    def suspend(self, future: Future) -> None:
        """End the attempt until something of what it waits for has happened."""
        if self.version < VERSION_FUTURE_TREES:
            future = flat(future)
        self._end_with(Suspension(future), Ending.SUSPENDED)

    def announce(self, future: Future) -> None:
        """Tell what the handler waits for while its attempt stays open (version 7)."""
        repeated = not self._output and future == self._announced
        if self.version >= VERSION_FUTURE_TREES and not repeated:
            self._announced = future
            self._output.append(AwaitingOn(future))

    def get_stuck(self) -> None:
        """End an attempt that waits in replay, where an honest one would have gone on."""
        recorded = self._recorded()
        assert recorded is not None
        self.fail(replay.stuck(recorded, self._commands))

    # ------------------------------------------------------------------ state

    def get_state(self, key: bytes, name: str = "") -> tuple[Handle, Void | Value | None]:
        """Read a state key; the value is given at once if it is known here."""
        handle = self._completion()
        recorded, known = self._recorded(), self._view().get(key)
        # In replay the journal decides who answers: what an earlier attempt had to ask the server
        # for may have come with this attempt's Start message, and the other way round.
        if isinstance(recorded, GetEagerState):
            known = recorded.result
        elif isinstance(recorded, GetLazyState):
            known = None
        if known is None:
            self._command(GetLazyState(key, handle, name))
            return handle, None
        return handle, self._command(GetEagerState(key, known, name)).result

    def get_state_keys(self, name: str = "") -> tuple[Handle, StateKeys | None]:
        """List the state's keys; they are given at once if they are known here."""
        handle = self._completion()
        recorded, known = self._recorded(), self._view().keys()
        if isinstance(recorded, GetEagerStateKeys):
            known = recorded.keys
        elif isinstance(recorded, GetLazyStateKeys):
            known = None
        if known is None:
            self._command(GetLazyStateKeys(handle, name))
            return handle, None
        return handle, self._command(GetEagerStateKeys(known, name)).keys

    def set_state(self, key: bytes, content: bytes, name: str = "") -> None:
        """Write a state key."""
        self._command(SetState(key, Value(content), name))
        self._view().set(key, content)

    def clear_state(self, key: bytes, name: str = "") -> None:
        """Remove a state key."""
        self._command(ClearState(key, name))
        self._view().clear(key)

    def clear_all_state(self, name: str = "") -> None:
        """Remove all state keys."""
        self._command(ClearAllState(name))
        self._view().clear_all()

    # ------------------------------------------------------------------ sleeps and runs

    def sleep(self, wake_up_time: int, name: str = "") -> Handle:
        """Wait until a point in time, in milliseconds since 1970."""
        return self._command(Sleep(wake_up_time, self._completion(), name)).result_completion_id

    def run(self, name: str = "") -> int:
        """Announce a side effect; its result is proposed with the handle."""
        command = self._command(Run(self._completion(), name))
        handle = command.result_completion_id
        self._runs[handle] = self._commands - 1, name
        return handle

    def propose(self, handle: int, outcome: Outcome) -> None:
        """Propose the result of a run; the server's answer delivers it.

        The attempt fails if the protocol's version cannot carry the result.
        """
        if self.closed:
            return  # The attempt ended while the action was under way.
        if type(outcome) is Failure and self._exceeds_version(outcome):
            self.fail(self._no_metadata())
            return
        ack = self.version >= VERSION_FUTURE_TREES
        if ack:
            self._proposed[handle] = outcome
        self._output.append(ProposeRunCompletion(handle, outcome, ack))

    def fail_run(self, handle: int, failure: RunFailure, retries: RunRetries | None) -> None:
        """Take a retryable failure of a run: end the attempt, or give up and propose it."""
        if self.closed:
            return
        state = self._state
        assert type(state) is Processing
        earlier = self.start.retry_count_since_last_stored_entry if state.fresh else 0
        elapsed_ms = failure.elapsed_ms
        if earlier:
            elapsed_ms += self.start.duration_since_last_stored_entry
        if retries is not None and retries.exhausted(earlier + 1, elapsed_ms):
            self.propose(handle, Failure(failure.code, failure.message))
            return
        delay_ms = failure.retry_after_ms
        if delay_ms is None and retries is not None:
            delay_ms = retries.delay_ms(earlier + 1)
        index, name = self._runs[handle]
        error = MachineError(failure.message, CommandReference.of(index, Run(handle, name)))
        error.code = failure.code
        self._fail(error, failure.stacktrace, delay_ms)

    # ------------------------------------------------------------------ calls

    def call(self, request: Request, name: str = "") -> tuple[Handle, Handle]:
        """Call a handler; give the handles of its invocation id and of its result."""
        self._check_scope(request)
        id_handle, result_handle = self._completion(), self._completion()
        command = Call(
            service_name=request.service,
            handler_name=request.handler,
            parameter=request.parameter,
            invocation_id_notification_idx=id_handle,
            result_completion_id=result_handle,
            headers=request.headers,
            key=request.key,
            idempotency_key=request.idempotency_key,
            scope=request.scope,
            limit_key=request.limit_key,
            name=name,
        )
        self._command(command)
        self._children[id_handle] = self._unknown_children[id_handle] = None
        return id_handle, result_handle

    def send(self, request: Request, invoke_time: int = 0, name: str = "") -> Handle:
        """Call a handler and don't wait; give the handle of its invocation id.

        Args:
            request: What to call.
            invoke_time: When, in milliseconds since 1970; 0 is now.
            name: Name of the journal entry.
        """
        self._check_scope(request)
        handle = self._completion()
        command = OneWayCall(
            service_name=request.service,
            handler_name=request.handler,
            parameter=request.parameter,
            invocation_id_notification_idx=handle,
            invoke_time=invoke_time,
            headers=request.headers,
            key=request.key,
            idempotency_key=request.idempotency_key,
            scope=request.scope,
            limit_key=request.limit_key,
            name=name,
        )
        self._command(command)
        return handle

    def attach(self, target: AttachTarget) -> Handle:
        """Wait for the result of another invocation."""
        handle = self._completion()
        self._command(AttachInvocation(target, handle))
        return handle

    def get_output(self, target: AttachTarget) -> Handle:
        """Read the result of another invocation, if it has ended."""
        handle = self._completion()
        self._command(GetInvocationOutput(target, handle))
        return handle

    # ------------------------------------------------------------------ cancellation

    def unknown_children(self) -> Collection[Handle]:
        """Give the handles of child invocation ids that a cancellation has still to wait for."""
        return self._unknown_children.keys()

    def cancel_children(self) -> None:
        """Pass a cancellation on to all calls made so far; later ones are not meant."""
        children, self._children = self._children, {}
        for child in children.values():
            assert child is not None
            self.cancel(child)

    def cancel(self, invocation_id: str) -> None:
        """Ask another invocation to cancel itself."""
        self._command(SendSignal(invocation_id, SIGNAL_CANCEL, VOID))

    # ------------------------------------------------------------------ signals and promises

    def awakeable(self) -> tuple[str, Handle]:
        """Create an awakeable: its id for the outside, and its handle."""
        if self.closed:
            raise self.over()
        index = self._next_awakeable
        self._next_awakeable += 1
        return awakeable_text(InvocationId(self.start.id), index), -index

    def complete_awakeable(self, awakeable_id: str, outcome: Outcome) -> None:
        """Complete an awakeable of any invocation."""
        self._check_metadata(outcome)
        self._command(CompleteAwakeable(awakeable_id, outcome))

    def signal(self, name: str) -> Handle:
        """Wait for the next signal of a name."""
        if self.closed:
            raise self.over()
        nth = self._requested.get(name, 0)
        self._requested[name] = nth + 1
        return name, nth

    def send_signal(self, invocation_id: str, signal: str, outcome: Outcome) -> None:
        """Send a named signal to another invocation."""
        self._check_metadata(outcome)
        self._command(SendSignal(invocation_id, signal, outcome))

    def get_promise(self, key: str) -> Handle:
        """Wait for a durable promise."""
        handle = self._completion()
        self._command(GetPromise(key, handle))
        return handle

    def peek_promise(self, key: str) -> Handle:
        """Read a durable promise without waiting for it."""
        handle = self._completion()
        self._command(PeekPromise(key, handle))
        return handle

    def complete_promise(self, key: str, outcome: Outcome) -> Handle:
        """Complete a durable promise; the answer says whether it was the first to do so."""
        self._check_metadata(outcome)
        handle = self._completion()
        self._command(CompletePromise(key, outcome, handle))
        return handle

    # ------------------------------------------------------------------ helpers

    def _completion(self) -> int:
        self._last_completion += 1
        return self._last_completion

    def _view(self) -> StateView:
        if self._state_view is None:
            self._state_view = StateView(self.start)
        return self._state_view

    def _check_metadata(self, outcome: Outcome) -> None:
        if type(outcome) is Failure and self._exceeds_version(outcome):
            raise self._refuse(self._no_metadata())

    def _exceeds_version(self, failure: Failure) -> bool:
        return bool(failure.metadata) and self.version < VERSION_FAILURE_METADATA

    def _no_metadata(self) -> UnsupportedFeatureError:
        feature = "metadata of a TerminalError"
        return UnsupportedFeatureError(feature, VERSION_FAILURE_METADATA, self.version)

    def _check_scope(self, request: Request) -> None:
        if self.version >= VERSION_FUTURE_TREES:
            return
        if request.scope is not None or request.limit_key is not None:
            feature = "a scope or limit key"
            raise self._refuse(UnsupportedFeatureError(feature, VERSION_FUTURE_TREES, self.version))
