"""State: what is answered from memory, and what is asked of the server."""

from scripted_server import DAY, Server, virtual_object

from perdure.protocol.messages import (
    VOID,
    ClearAllState,
    ClearState,
    GetEagerState,
    GetEagerStateKeys,
    GetLazyState,
    GetLazyStateKeys,
    SetState,
    Sleep,
    StateKeys,
    Value,
)
from perdure.sdk.context import ObjectContext


async def test_reads_are_answered_from_what_came_with_start():
    async def run(ctx: ObjectContext) -> list[object]:
        ctx.set("b", 2)
        ctx.clear("a")
        keys = await ctx.state_keys()
        return [await ctx.get("a"), await ctx.get("b", type_hint=int), keys, ctx.key()]

    server = Server(virtual_object(run), start={"state_map": ((b"a", b"1"),)}).run()
    assert server.said[:-2] == [
        SetState(b"b", Value(b"2")),
        ClearState(b"a"),
        GetEagerStateKeys(StateKeys((b"b",))),
        GetEagerState(b"a", VOID),
        GetEagerState(b"b", Value(b"2")),
    ]
    assert server.outcome == b'[null,2,["b"],"k"]'


async def test_unknown_keys_are_asked_of_the_server():
    async def run(ctx: ObjectContext) -> list[object]:
        values = [await ctx.get("a"), await ctx.get("c"), await ctx.state_keys()]
        ctx.clear_all()
        return [*values, await ctx.get("a")]

    start = {"state_map": ((b"b", b"2"),), "partial_state": True}
    server = Server(virtual_object(run), start=start)
    server.state[b"a"] = b"1"
    server.run()
    assert server.commands[:-1] == [
        GetLazyState(b"a", 1),
        GetLazyState(b"c", 2),
        GetLazyStateKeys(3),
        ClearAllState(),
        GetEagerState(b"a", VOID),
    ]
    assert server.outcome == b'[1,null,["a","b"],null]'


async def test_the_journal_decides_how_a_read_is_answered():
    async def run(ctx: ObjectContext) -> list[object]:
        first = await ctx.get("a")
        await ctx.sleep(DAY)
        return [first, await ctx.get("a")]

    start = {"state_map": ((b"a", b"1"),)}
    server = Server(virtual_object(run), start=start).run(request_response=True)
    server.attempt = None
    server.complete(Sleep, 0)
    server.start = {"state_map": (), "partial_state": True}
    server.state[b"a"] = b"2"
    server.run()
    assert server.outcome == b"[1,2]"
