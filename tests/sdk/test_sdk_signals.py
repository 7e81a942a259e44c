"""Awakeables, signals and promises: results that others give."""

from scripted_server import Server, service, workflow

from perdure.protocol.messages import (
    CompleteAwakeable,
    CompletePromise,
    Failure,
    Future,
    GetPromise,
    PeekPromise,
    SendSignal,
    Value,
)
from perdure.sdk.context import Context, WorkflowContext
from perdure.sdk.errors import TerminalError


async def test_awakeables_are_completed_from_outside():
    async def run(ctx: Context) -> list[object]:
        first_id, first = ctx.awakeable(type_hint=int)
        second_id, second = ctx.awakeable()
        try:
            await second
        except TerminalError as error:
            return [await first, error.message, first_id[:6], first_id == second_id]
        return []

    server = Server(service(run)).run()
    server.signal(17, Value(b"4"))
    assert not server.ended
    server.signal(18, Failure(500, "no"))
    assert server.outcome == b'[4,"no","sign_1",false]'


async def test_awakeables_of_others_are_completed_here():
    async def run(ctx: Context) -> None:
        ctx.resolve_awakeable("sign_1a", {"x": 1})
        ctx.reject_awakeable("sign_1b", "no", 403)

    server = Server(service(run)).run()
    assert server.said[:2] == [
        CompleteAwakeable("sign_1a", Value(b'{"x":1}')),
        CompleteAwakeable("sign_1b", Failure(403, "no")),
    ]


async def test_signals_of_a_name_come_in_order():
    async def run(ctx: Context) -> list[int]:
        first, second = ctx.signal("s", type_hint=int), ctx.signal("s", type_hint=int)
        return [await second, await first, await ctx.signal("s", type_hint=int)]

    server = Server(service(run)).run()
    assert server.announced == Future((), (1,), ("s",))
    for number in (1, 2, 3):
        server.signal("s", Value(str(number).encode()))
    assert server.outcome == b"[2,1,3]"


async def test_signals_are_sent():
    async def run(ctx: Context) -> None:
        ctx.resolve_signal("inv_1a", "s", 1)
        ctx.reject_signal("inv_1a", "s", "no")

    assert Server(service(run)).run().said[:2] == [
        SendSignal("inv_1a", "s", Value(b"1")),
        SendSignal("inv_1a", "s", Failure(500, "no")),
    ]


async def test_promises_of_a_workflow():
    async def run(ctx: WorkflowContext) -> list[object]:
        promise = ctx.promise("p", type_hint=str)
        before = await promise.peek()
        await promise.resolve("x")
        await ctx.promise("q").reject("no", 403)
        return [before, await promise]

    server = Server(workflow(run)).run()
    assert server.commands == [
        PeekPromise("p", 1),
        CompletePromise("p", Value(b'"x"'), 2),
        CompletePromise("q", Failure(403, "no"), 3),
        GetPromise("p", 4),
    ]
    server.complete(GetPromise, 0, Value(b'"y"'))
    assert server.outcome == b'[null,"y"]'
