"""Values that tests of an attempt's server half are written with."""

from __future__ import annotations

from perdure.core.attempt.attempt import Attempt, Chance
from perdure.core.model.deployments import (
    Defaults,
    HandlerSchema,
    Registry,
    build_registry,
    with_deployment,
)
from perdure.core.model.invocations import Pin
from perdure.core.model.records import Failed, Progress
from perdure.core.model.targets import HandlerKind
from perdure.protocol.ids import InvocationId, deployment_text, invocation_text
from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    Manifest,
    ServiceManifest,
    ServiceType,
)
from perdure.protocol.messages import (
    VOID,
    Call,
    Completion,
    CompletionKind,
    Failure,
    Future,
    Input,
    OneWayCall,
    Output,
    ProposeRunCompletion,
    Run,
    Signal,
    Start,
    Value,
)

NOW = 1_700_000_000_000
ME = InvocationId(b"me".rjust(24, b"."))
OTHER = InvocationId(b"other".rjust(24, b"."))
DEPLOYMENT = deployment_text(bytes(16))
#: What a clock's chance gives in these tests.
CHANCE = 0.25

MANIFEST = Manifest(
    min_protocol_version=5,
    max_protocol_version=7,
    services=(
        ServiceManifest(
            name="Greeter",
            ty=ServiceType.SERVICE,
            handlers=(
                HandlerManifest(name="greet"),
                HandlerManifest(name="brief", journal_retention=1_000, idempotency_retention=2_000),
            ),
        ),
        ServiceManifest(
            name="Counter",
            ty=ServiceType.VIRTUAL_OBJECT,
            handlers=(
                HandlerManifest(name="add"),
                HandlerManifest(name="look", ty=HandlerType.SHARED),
            ),
        ),
        ServiceManifest(
            name="Signup",
            ty=ServiceType.WORKFLOW,
            handlers=(
                HandlerManifest(name="run", ty=HandlerType.WORKFLOW),
                HandlerManifest(name="verify"),
            ),
        ),
    ),
)
REGISTRY: Registry = with_deployment(
    build_registry([], Defaults()), DEPLOYMENT, "inprocess://test", MANIFEST, NOW
)

#: One handler of each kind.
HANDLERS = {
    HandlerKind.SERVICE: ("Greeter", "greet"),
    HandlerKind.EXCLUSIVE: ("Counter", "add"),
    HandlerKind.SHARED: ("Counter", "look"),
    HandlerKind.WORKFLOW: ("Signup", "run"),
    HandlerKind.WORKFLOW_SHARED: ("Signup", "verify"),
}


def schema_of(kind: HandlerKind) -> HandlerSchema:
    schema = REGISTRY.handler(*HANDLERS[kind])
    assert schema is not None
    return schema


def attempt(
    kind: HandlerKind = HandlerKind.EXCLUSIVE, *, version: int = 7, replay=(), **options
) -> Attempt:
    """Open an attempt whose journal holds the input and what ``replay`` adds."""
    chance = Chance(lambda: NOW, lambda count: bytes(range(count)), lambda: CHANCE)
    pin = Pin(DEPLOYMENT, version)
    opened = Attempt(ME, 3, schema_of(kind), pin=pin, directory=REGISTRY, chance=chance, **options)
    opened.opened([start(1 + len(replay)), Input(Value(b"in")), *replay])
    return opened


def start(known_entries: int) -> Start:
    return Start(ME, invocation_text(ME), known_entries)


def progress(given: Progress | None) -> Progress:
    """Tell that there is something to record."""
    assert given is not None
    return given


def failed(given: Progress | None) -> Failed:
    """Tell that an attempt ended by a failure, and give it."""
    ending = progress(given).ending
    assert isinstance(ending, Failed)
    return ending


def output(value: bytes = b"out") -> Output:
    return Output(Value(value))


def ran(number: int, *, ack: bool = False) -> ProposeRunCompletion:
    return ProposeRunCompletion(number, Value(b"ran"), ack)


def has_run(number: int) -> Completion:
    return Completion(CompletionKind.RUN, number, Value(b"ran"))


def slept(number: int) -> Completion:
    return Completion(CompletionKind.SLEEP, number, VOID)


def call_failed(number: int) -> Completion:
    return Completion(CompletionKind.CALL, number, Failure(409, "no"))


def signal(name: int | str) -> Signal:
    return Signal(name, VOID)


def run(number: int) -> Run:
    return Run(number)


def call(service: str = "Greeter", handler: str = "greet", **options) -> Call:
    return Call(service, handler, b"in", 1, 2, **options)


def send(service: str = "Greeter", handler: str = "greet", **options) -> OneWayCall:
    return OneWayCall(service, handler, b"in", 1, **options)


def on(*completions: int, signals=(), names=(), nested=()) -> Future:
    return Future(tuple(completions), tuple(signals), tuple(names), tuple(nested))


def tower(levels: int) -> Future:
    """Nest a future so many levels deep."""
    future = on(1)
    for _ in range(levels - 1):
        future = Future(nested=(future,))
    return future
