"""Which commands a handler of which kind may use, and whom a call calls."""

from __future__ import annotations

import pytest
from attempt_values import NOW, OTHER, REGISTRY, attempt, call, failed, progress, send
from msgspec.structs import replace

from perdure.core.attempt.checks import RefusedError, check_command, resolve_callee
from perdure.core.model.deployments import DAY_MS, build_registry
from perdure.core.model.invocations import Retention
from perdure.core.model.targets import HandlerKind
from perdure.protocol.ids import (
    idempotent_id,
    invocation_text,
    keyed_partition_key,
    workflow_run_id,
)
from perdure.protocol.messages import (
    VOID,
    AttachInvocation,
    ClearAllState,
    ClearState,
    CompleteAwakeable,
    CompletePromise,
    GetEagerState,
    GetEagerStateKeys,
    GetInvocationOutput,
    GetLazyState,
    GetLazyStateKeys,
    GetPromise,
    IdempotentRequestTarget,
    InvocationTarget,
    PeekPromise,
    SendSignal,
    SetState,
    StateKeys,
    Value,
    WorkflowTarget,
)

SERVICE, EXCLUSIVE, SHARED, WORKFLOW, WORKFLOW_SHARED = HandlerKind

READS = [
    GetLazyState(b"k", 1),
    GetLazyStateKeys(1),
    GetEagerState(b"k", VOID),
    GetEagerStateKeys(StateKeys(())),
]
WRITES = [SetState(b"k", Value(b"v")), ClearState(b"k"), ClearAllState()]
PROMISES = [GetPromise("p", 1), PeekPromise("p", 1), CompletePromise("p", Value(b"v"), 1)]
ALLOWED = {
    SERVICE: [],
    EXCLUSIVE: [*READS, *WRITES],
    SHARED: READS,
    WORKFLOW: [*READS, *WRITES, *PROMISES],
    WORKFLOW_SHARED: [*READS, *PROMISES],
}


@pytest.mark.parametrize("kind", HandlerKind)
@pytest.mark.parametrize(
    "command", [*READS, *WRITES, *PROMISES], ids=lambda command: type(command).__name__
)
def test_state_and_promises_are_for_those_who_have_them(kind, command):
    if command in ALLOWED[kind]:
        check_command(kind, command)
        return
    with pytest.raises(RefusedError) as refusal:
        check_command(kind, command)
    assert refusal.value.problem.doc_code == "RT0017"
    assert type(command).__name__ in refusal.value.problem.message


@pytest.mark.parametrize(
    ("command", "doc_code"),
    [
        (SendSignal("inv_1short", 1, VOID), "RT0012"),
        (CompleteAwakeable("prom_1abc", Value(b"v")), "RT0012"),
        (AttachInvocation(InvocationTarget("inv_2x"), 1), "RT0017"),
        (GetInvocationOutput(InvocationTarget("dp_1x"), 1), "RT0017"),
        (AttachInvocation(WorkflowTarget("Signup", "w", "scope"), 1), "RT0024"),
        (
            GetInvocationOutput(IdempotentRequestTarget("Greeter", "greet", "i", None, "s"), 1),
            "RT0024",
        ),
    ],
)
def test_commands_that_name_nothing_are_refused(command, doc_code):
    with pytest.raises(RefusedError) as refusal:
        check_command(SERVICE, command)
    assert refusal.value.problem.doc_code == doc_code


@pytest.mark.parametrize(
    "command",
    [
        SendSignal(invocation_text(OTHER), "name", VOID),
        AttachInvocation(WorkflowTarget("Signup", "w"), 1),
        AttachInvocation(WorkflowTarget("Signup", "w", ""), 1),
        GetInvocationOutput(IdempotentRequestTarget("Greeter", "greet", "i"), 1),
    ],
)
def test_every_handler_may_reach_others(command):
    check_command(SERVICE, command)


# -- Calls


def resolve(command, chance: bytes = bytes(range(12))):
    return resolve_callee(REGISTRY, command, NOW, chance)


@pytest.mark.parametrize("write", [call, send])
def test_a_callee_whose_deployment_speaks_none_of_our_versions_is_refused(write):
    spoken = {"min_protocol_version": 1, "max_protocol_version": 4}
    deployments = [
        replace(each, manifest=replace(each.manifest, **spoken))
        for each in REGISTRY.deployments.values()
    ]
    registry = build_registry(deployments, REGISTRY.defaults)
    with pytest.raises(RefusedError, match="upgrade its SDK, and register it again") as refusal:
        resolve_callee(registry, write(), NOW, bytes(range(12)))
    assert refusal.value.problem.doc_code == "RT0020"


@pytest.mark.parametrize("write", [call, send])
def test_a_plain_call_gets_an_id_that_nobody_else_has(write):
    callee = resolve(write())
    assert callee.drawn
    assert callee.kind is SERVICE
    assert callee.retention == Retention(DAY_MS, DAY_MS)
    assert resolve(write(), bytes(12)).invocation_id != callee.invocation_id


def test_a_call_of_an_object_goes_to_the_partition_of_its_key():
    callee = resolve(call("Counter", "add", key="k"))
    assert callee.invocation_id[:8] == keyed_partition_key("k")
    assert callee.kind is EXCLUSIVE


def test_an_idempotency_key_names_the_callee_and_its_retention():
    callee = resolve(call("Greeter", "brief", idempotency_key="once"))
    assert callee.invocation_id == idempotent_id("Greeter", "brief", "once")
    assert not callee.drawn
    assert callee.retention == Retention(completion_ms=2_000, journal_ms=1_000)


def test_a_workflow_s_run_is_named_by_its_key_alone():
    callee = resolve(call("Signup", "run", key="w", idempotency_key="ignored"))
    assert callee.invocation_id == workflow_run_id("Signup", "w")
    assert not callee.drawn


@pytest.mark.parametrize("write", [call, send])
@pytest.mark.parametrize(
    ("options", "doc_code", "told"),
    [
        ({"service": "Nobody"}, "RT0018", "Nobody/greet"),
        ({"handler": "gone"}, "RT0018", "Greeter/gone"),
        ({"key": "k"}, "RT0017", "takes no key"),
        ({"idempotency_key": ""}, "RT0017", "idempotency key is empty"),
        ({"scope": "s"}, "RT0024", "leave them out"),
        ({"limit_key": "l"}, "RT0024", "leave them out"),
    ],
)
def test_a_call_that_cannot_be_made_is_refused(write, options, doc_code, told):
    problem = failed(attempt().receive([write(**options)])).problem
    assert (problem.code, problem.doc_code) == (500, doc_code)
    assert told in problem.message


def test_an_empty_scope_is_none():
    assert progress(attempt().receive([call(scope="", limit_key="")])).callees


def test_callees_stand_in_the_order_of_their_calls():
    first, second = call(idempotency_key="1"), send(idempotency_key="2")
    record = progress(attempt().receive([first, second]))
    ids = [callee.invocation_id for callee in record.callees]
    assert ids == [idempotent_id("Greeter", "greet", "1"), idempotent_id("Greeter", "greet", "2")]
