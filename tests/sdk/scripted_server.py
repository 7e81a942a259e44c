"""A server for one invocation, small enough to be right: it keeps a journal and answers commands.

Everything is a plain value and happens when the test says so. Commands that the server answers at
once (state, promises, invocation ids) are answered from within the sink, as a server in the same
process does; what takes time (sleeps, calls, awakeables) is answered by the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from perdure.protocol.manifest import Manifest
from perdure.protocol.messages import (
    VOID,
    AttachInvocation,
    AwaitingOn,
    Call,
    Command,
    CompletePromise,
    Completion,
    CompletionKind,
    End,
    Error,
    Future,
    GetInvocationOutput,
    GetLazyState,
    GetLazyStateKeys,
    GetPromise,
    Input,
    InvocationIdentity,
    JournalMessage,
    Message,
    OneWayCall,
    Output,
    PeekPromise,
    ProposeRunCompletion,
    ProposeRunCompletionAck,
    Result,
    Signal,
    Sleep,
    Start,
    StateKeys,
    Suspension,
    Value,
)
from perdure.sdk.attempt import Attempt
from perdure.sdk.context import Context
from perdure.sdk.definitions import ServiceDefinition
from perdure.sdk.host import Host
from perdure.sdk.services import Service, VirtualObject, Workflow

NOW_MS = 1_000_000
DAY = timedelta(days=1)
INVOCATION = bytes(range(24))
MANIFEST = Manifest(min_protocol_version=5, max_protocol_version=7, services=())
COMMANDS = Command.__args__

ANSWERED_BY = {
    Sleep: CompletionKind.SLEEP,
    Call: CompletionKind.CALL,
    AttachInvocation: CompletionKind.ATTACH_INVOCATION,
    GetInvocationOutput: CompletionKind.GET_INVOCATION_OUTPUT,
    GetPromise: CompletionKind.GET_PROMISE,
}


OTHER = Service("Other")


@OTHER.handler()
async def greet(ctx: Context, name: str) -> str:
    """Stand for a handler that others call; nothing here executes it."""
    return name


def host_of(*services: ServiceDefinition) -> Host:
    """Host services at a time that stands still."""
    return Host(services, MANIFEST, now_ms=lambda: NOW_MS)


def service(handler: Callable[..., Any]) -> Host:
    """Host one function as the handler ``S/run`` of a service."""
    definition = Service("S")
    definition.handler("run")(handler)
    return host_of(definition)


def virtual_object(handler: Callable[..., Any]) -> Host:
    """Host one function as the exclusive handler ``S/run`` of a virtual object."""
    definition = VirtualObject("S")
    definition.handler("run")(handler)
    return host_of(definition)


def workflow(handler: Callable[..., Any]) -> Host:
    """Host one function as the run handler ``S/run`` of a workflow."""
    definition = Workflow("S")
    definition.main("run")(handler)
    return host_of(definition)


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Give the real loop turns until something has happened.

    Raises:
        TimeoutError: it has not.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is of another loop
            await asyncio.sleep(0.0001)


class Server:
    """The server's side of one invocation, over all of its attempts."""

    def __init__(
        self,
        host: Host,
        argument: bytes = b"",
        *,
        version: int = 7,
        start: dict[str, Any] | None = None,
        journal: Sequence[JournalMessage] = (),
        acknowledges: bool = True,
    ) -> None:
        self.host = host
        self.version = version
        self.journal: list[JournalMessage] = [Input(Value(argument)), *journal]
        self.acknowledges = acknowledges
        self.start = start or {}
        self.state = dict(self.start.get("state_map", ()))
        self.attempt: Attempt | None = None
        #: What the newest attempt has said.
        self.said: list[Message] = []
        self.unacknowledged: list[ProposeRunCompletion] = []

    # ------------------------------------------------------------------ attempts

    def run(self, *, request_response: bool = False) -> Server:
        """Begin an attempt with the journal as it is."""
        self.begin()
        self.hand_over(self.journal)
        if request_response:
            self.attempt.close_input()
        return self

    def begin(self) -> None:
        """Open an attempt that has not got its journal yet."""
        self.said = []
        self.unacknowledged = []
        self.attempt = self.host.open("S", "run", self.version, self._hear)

    def hand_over(self, journal: Sequence[JournalMessage]) -> None:
        """Give an attempt its journal."""
        options = {"partial_state": False, "key": "k", "random_seed": 7, **self.start}
        start = Start(INVOCATION, "inv_1test", len(journal), **options)
        self.attempt.receive([start, *journal])

    def abandon(self) -> None:
        """Lose the attempt, as when a process dies."""
        self.attempt.abort()
        self.attempt = None

    def close_input(self) -> Server:
        """Ask the attempt to suspend."""
        self.attempt.close_input()
        return self

    # ------------------------------------------------------------------ what was said

    @property
    def outcome(self) -> Any:
        """The result in the journal: a value's bytes, or a failure."""
        results = [entry.result for entry in self.journal if isinstance(entry, Output)]
        if not results:
            return None
        return results[-1].content if isinstance(results[-1], Value) else results[-1]

    @property
    def ended(self) -> bool:
        """Whether the newest attempt has ended the invocation."""
        return bool(self.said) and isinstance(self.said[-1], End)

    @property
    def error(self) -> Error | None:
        """What the newest attempt has failed with."""
        last = self.said[-1] if self.said else None
        return last if isinstance(last, Error) else None

    @property
    def suspended_on(self) -> Future | None:
        """What the newest attempt waits for since it has suspended."""
        last = self.said[-1] if self.said else None
        return last.awaiting_on if isinstance(last, Suspension) else None

    @property
    def announced(self) -> Future | None:
        """What the newest attempt has last said to wait for."""
        said = [each for each in self.said if isinstance(each, AwaitingOn)]
        return said[-1].awaiting_on if said else None

    @property
    def commands(self) -> list[Command]:
        """The commands that the newest attempt has issued."""
        return [each for each in self.said if isinstance(each, COMMANDS)]

    def said_of(self, kind: type) -> list[Any]:
        """What the newest attempt has said, of one type."""
        return [each for each in self.said if isinstance(each, kind)]

    # ------------------------------------------------------------------ answers

    def notify(self, notification: Completion | Signal) -> None:
        """Put a notification into the journal and tell the attempt, if one is open."""
        self.journal.append(notification)
        if self.attempt is not None:
            self.attempt.receive([notification])

    def complete(self, command: type, nth: int, result: Result = VOID) -> None:
        """Answer the n-th command of a type, counted from 0 over the whole journal."""
        commands = [entry for entry in self.journal if isinstance(entry, command)]
        self.notify(Completion(ANSWERED_BY[command], commands[nth].result_completion_id, result))

    def signal(self, signal: int | str, result: Any = VOID) -> None:
        """Send a signal."""
        self.notify(Signal(signal, result))

    def acknowledge(self, nth: int = 0) -> None:
        """Store the n-th of the proposals that still wait for it."""
        proposal = self.unacknowledged.pop(nth)
        completion = Completion(CompletionKind.RUN, proposal.result_completion_id, proposal.result)
        if not proposal.ack:
            self.notify(completion)
            return
        self.journal.append(completion)
        self.attempt.receive([ProposeRunCompletionAck(proposal.result_completion_id)])

    def _hear(self, messages: Sequence[Message]) -> None:
        for message in messages:
            assert not (self.said and isinstance(self.said[-1], End | Error | Suspension))
            self.said.append(message)
            if isinstance(message, COMMANDS):
                self.journal.append(message)
                self._answer(message)
            elif isinstance(message, ProposeRunCompletion):
                self.unacknowledged.append(message)
                if self.acknowledges:
                    self.acknowledge()

    def _answer(self, command: Command) -> None:
        match command:
            case Call() | OneWayCall():
                handle = command.invocation_id_notification_idx
                child = InvocationIdentity(f"inv_1child{handle}")
                self.notify(Completion(CompletionKind.CALL_INVOCATION_ID, handle, child))
            case GetLazyState():
                found = self.state.get(command.key)
                result = VOID if found is None else Value(found)
                self._reply(CompletionKind.GET_LAZY_STATE, command, result)
            case GetLazyStateKeys():
                keys = StateKeys(tuple(sorted(self.state)))
                self._reply(CompletionKind.GET_LAZY_STATE_KEYS, command, keys)
            case PeekPromise():
                self._reply(CompletionKind.PEEK_PROMISE, command, VOID)
            case CompletePromise():
                self._reply(CompletionKind.COMPLETE_PROMISE, command, VOID)

    def _reply(self, kind: CompletionKind, command: Any, result: Result) -> None:
        self.notify(Completion(kind, command.result_completion_id, result))
