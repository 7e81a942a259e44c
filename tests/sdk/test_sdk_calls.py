"""Calls and sends, and what can be done with the invocations they began."""

from datetime import timedelta

import pytest
from scripted_server import NOW_MS, Server, greet, service

from perdure.protocol.messages import (
    VOID,
    AttachInvocation,
    Call,
    Failure,
    GetInvocationOutput,
    InvocationTarget,
    OneWayCall,
    SendSignal,
    Value,
)
from perdure.sdk.context import Context
from perdure.sdk.errors import TerminalError


async def test_a_call_and_its_invocation():
    async def run(ctx: Context) -> list[str]:
        call = ctx.service_call(greet, "Ada", idempotency_key="i", headers={"h": "v"})
        return [await call.invocation_id(), await call]

    server = Server(service(run)).run()
    assert server.said[0] == Call(
        "Other", "greet", b'"Ada"', 1, 2, (("h", "v"),), idempotency_key="i"
    )
    server.complete(Call, 0, Value(b'"Hi"'))
    assert server.outcome == b'["inv_1child1","Hi"]'


async def test_a_failed_call_raises_its_failure():
    async def run(ctx: Context) -> str:
        try:
            return await ctx.generic_call("X", "y", b"", key="k")
        except TerminalError as error:
            return f"{error.status_code} {error.message} {error.metadata}"

    server = Server(service(run)).run()
    assert server.said[0] == Call("X", "y", b"", 1, 2, key="k")
    server.complete(Call, 0, Failure(404, "gone", (("a", "b"),)))
    assert server.outcome == b"\"404 gone {'a': 'b'}\""


async def test_sends_are_not_waited_for():
    async def run(ctx: Context) -> str:
        ctx.service_send(greet, "Ada", send_delay=timedelta(seconds=5))
        handle = ctx.generic_send("X", "y", b"z")
        await handle.cancel_invocation()
        return await handle.invocation_id()

    server = Server(service(run)).run()
    assert server.commands[:3] == [
        OneWayCall("Other", "greet", b'"Ada"', 1, NOW_MS + 5000),
        OneWayCall("X", "y", b"z", 2),
        SendSignal("inv_1child2", 1, VOID),
    ]
    assert server.outcome == b'"inv_1child2"'


async def test_other_invocations_can_be_attached_and_read_and_cancelled():
    async def run(ctx: Context) -> list[object]:
        ctx.cancel_invocation("inv_1a")
        attached = ctx.attach_invocation("inv_1b", type_hint=int)
        output = ctx.get_invocation_output("inv_1c", type_hint=int)
        return [await attached, await output]

    server = Server(service(run)).run()
    assert server.said[:3] == [
        SendSignal("inv_1a", 1, VOID),
        AttachInvocation(InvocationTarget("inv_1b"), 1),
        GetInvocationOutput(InvocationTarget("inv_1c"), 2),
    ]
    server.complete(AttachInvocation, 0, Value(b"5"))
    server.complete(GetInvocationOutput, 0, VOID)
    assert server.outcome == b"[5,null]"


async def test_scopes_need_version_7():
    async def run(ctx: Context) -> str:
        return await ctx.scope("s").service_call(greet, "Ada", limit_key="l")

    assert Server(service(run), version=6).run().error.code == 573
    call = Server(service(run)).run().said[0]
    assert (call.scope, call.limit_key) == ("s", "l")


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda ctx: ctx.service_call(greet, "", idempotency_key=""), "leave it out"),
        (lambda ctx: ctx.service_call(print, ""), "not a handler"),
        (lambda ctx: ctx.cancel_invocation(None), "invocation_id()"),
    ],
)
async def test_calls_that_make_no_sense_are_told(call, advice: str):
    async def run(ctx: Context) -> None:
        call(ctx)

    assert advice in Server(service(run)).run().error.message
