"""The official SDK and ours side by side: the same code says the same about the same journal.

So invocations may change SDKs in the middle of their lives, and ours speaks the protocol as servers
know it. Attempts die wherever they like, and are asked again with what is known then.
"""

import json
import random
from typing import Any

import pytest
import twin_programs
from endpoint_support import Client, decoded, encoded
from scripted_server import ANSWERED_BY, COMMANDS

import perdure
from perdure.protocol.messages import (
    VOID,
    AwaitingOn,
    Call,
    ClearAllState,
    ClearState,
    CompletePromise,
    Completion,
    CompletionKind,
    End,
    Error,
    Failure,
    Future,
    GetLazyState,
    GetLazyStateKeys,
    Input,
    InvocationIdentity,
    JournalMessage,
    Message,
    OneWayCall,
    PeekPromise,
    ProposeRunCompletion,
    SetState,
    Signal,
    Sleep,
    Start,
    StateKeys,
    Suspension,
    Value,
)

restate = pytest.importorskip("restate")

OFFICIAL, OURS = twin_programs.application(restate), twin_programs.application(perdure)
INVOCATION = bytes(range(24))
PATHS = {
    "Work": "runs retried failed broken request calls saga others race group one_by_one cancelled",
    "Thing": "state",
    "Flow": "flow",
}
STATE = {b"a": b'"A"', b"z": b'""'}
BEGINNINGS = ["sleep", "call", "call and id", "send", "run", "awakeable", "set", "get"]
WAITS = ["await", "await", "await", "select", "select", "wait", "gather", "each"]


class World:
    """All that one invocation has to do with, and what happens to it by chance."""

    def __init__(self, version: int, chance: random.Random, argument: bytes = b'"in"') -> None:
        self.version = version
        self.chance = chance
        self.partial = chance.random() < 0.5
        self.journal: list[JournalMessage] = [Input(Value(argument), (("x-h", "v"),))]
        self.state = dict(STATE)
        self.open: list[Completion] = []
        self.signals = [Signal(17, Value(b'"told"')), Signal("s", Value(b'"said"'))]
        self.signals += [Signal(1, VOID)] * chance.choice([0, 0, 1, 2])

    async def attempt(self, app: Any, path: str, failures: int) -> list[Message]:
        """Ask an SDK what it says to the journal as it is."""
        start = Start(
            INVOCATION,
            "inv_1x",
            len(self.journal),
            state_map=tuple(STATE.items()),
            partial_state=self.partial,
            key="k",
            retry_count_since_last_stored_entry=failures,
            duration_since_last_stored_entry=100 * failures,
            random_seed=7,
        )
        client = Client.invoking(app, path, self.version)
        client.push(encoded([start, *self.journal], self.version))
        client.end()
        return decoded((await client.done()).body, self.version)

    def take(self, said: list[Message]) -> None:
        """Store what an attempt has said, or as much of it as came before it died."""
        kept = self.chance.randrange(len(said)) if self.chance.random() < 0.3 else len(said)
        for message in said[:kept]:
            if isinstance(message, COMMANDS):
                self.journal.append(message)
                self._change(message)
                self._answer(message)
            elif isinstance(message, ProposeRunCompletion):
                handle = message.result_completion_id
                self.journal.append(Completion(CompletionKind.RUN, handle, message.result))

    def go_on(self) -> None:
        """Let something happen outside."""
        for waiting in (self.open, self.signals):
            if waiting and self.chance.random() < 0.6:
                self.journal.append(waiting.pop(self.chance.randrange(len(waiting))))

    def _change(self, command: Any) -> None:
        match command:
            case SetState(key=key, value=value):
                self.state[key] = value.content
            case ClearState(key=key):
                self.state.pop(key, None)
            case ClearAllState():
                self.state.clear()

    def _answer(self, command: Any) -> None:
        match command:
            case Call() | OneWayCall():
                handle = command.invocation_id_notification_idx
                child = InvocationIdentity(twin_programs.OTHERS)
                self.journal.append(Completion(CompletionKind.CALL_INVOCATION_ID, handle, child))
            case GetLazyState(key=key):
                found = self.state.get(key)
                result = VOID if found is None else Value(found)
                self._reply(CompletionKind.GET_LAZY_STATE, command, result)
            case GetLazyStateKeys():
                keys = StateKeys(tuple(sorted(self.state)))
                self._reply(CompletionKind.GET_LAZY_STATE_KEYS, command, keys)
            case PeekPromise():
                self._reply(CompletionKind.PEEK_PROMISE, command, VOID)
            case CompletePromise(key="q"):
                self._reply(CompletionKind.COMPLETE_PROMISE, command, VOID)
            case CompletePromise():
                self._reply(CompletionKind.COMPLETE_PROMISE, command, Failure(409, "taken"))
        if type(command) in ANSWERED_BY:
            kind, handle = ANSWERED_BY[type(command)], command.result_completion_id
            result = VOID if isinstance(command, Sleep) else Value(b'"r%d"' % handle)
            self.open.append(Completion(kind, handle, result))

    def _reply(self, kind: CompletionKind, command: Any, result: Any) -> None:
        self.journal.append(Completion(kind, command.result_completion_id, result))


def leaves(future: Future) -> set[int | str]:
    """Give what a tree waits for; signals by the negated index."""
    found = {*future.completions, *(-index for index in future.signals), *future.named_signals}
    return found.union(*map(leaves, future.nested))


def gist(message: Message, *, cancelled: bool) -> Any:
    """Give what both must say alike: neither the time, nor the words of errors.

    A request to cancel that waits for the id of a called invocation is awaited with more or with
    less, which comes to the same: the id stands right behind the call.
    """
    match message:
        case Sleep():
            return "sleep", message.result_completion_id, message.name
        case OneWayCall():
            return repr(message).replace(f"invoke_time={message.invoke_time}", "")
        case AwaitingOn() | Suspension():
            return type(message), None if cancelled else leaves(message.awaiting_on)
        case Error():
            return message.code, message.related_command_index, message.next_retry_delay
        case ProposeRunCompletion(result=Failure(code=code)):
            return "failed run", message.result_completion_id, code, message.ack
    return message


async def check_alike(path: str, world: World) -> None:
    """Let an invocation live, and ask both SDKs in each of its attempts."""
    for _ in range(20):
        failures = world.chance.choice([0, 0, 1, 2])
        apps = (OFFICIAL, OURS)
        theirs, ours = [await world.attempt(app, f"/invoke/{path}", failures) for app in apps]
        cancelled = Signal(1, VOID) in world.journal
        assert [gist(each, cancelled=cancelled) for each in ours] == [
            gist(each, cancelled=cancelled) for each in theirs
        ], world.journal
        world.take(ours)
        if ours[-1] == End():
            break
        world.go_on()


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize(
    "path", [f"{service}/{name}" for service, names in PATHS.items() for name in names.split()]
)
async def test_both_say_the_same(path: str, version: int):
    for seed in range(4):
        await check_alike(path, World(version, random.Random(f"{path} {seed}")))


def program(chance: random.Random) -> bytes:
    """Make up what a handler shall do."""
    steps: list[list[Any]] = []
    for number in range(chance.randrange(3, 14)):
        step = chance.choice([*BEGINNINGS, *WAITS])
        places = [chance.randrange(8) for _ in range(chance.randrange(1, 4))]
        steps.append([step, str(number)] if step in BEGINNINGS else [step, *places])
    return json.dumps(steps).encode()


@pytest.mark.parametrize("version", [5, 6, 7])
async def test_both_say_the_same_whatever_a_handler_does(version: int):
    for seed in range(60):
        chance = random.Random(f"{version} {seed}")
        await check_alike("Thing/play", World(version, chance, program(chance)))
