"""Services written with the official Python SDK, using every feature; unmodified peers of ours."""

from __future__ import annotations

from datetime import timedelta

import restate
from restate.serde import BytesSerde

tools = restate.Service("Tools")
counter = restate.VirtualObject("Counter")
signup = restate.Workflow("Signup")

_failures: dict[str, int] = {}


@tools.handler()
async def greet(_ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@tools.handler()
async def steps(ctx: restate.Context, count: int) -> int:
    total = 0
    for number in range(count):
        total += await ctx.run_typed(f"step {number}", lambda number=number: number)
    return total


@tools.handler()
async def nap(ctx: restate.Context, milliseconds: int) -> str:
    await ctx.sleep(timedelta(milliseconds=milliseconds))
    return "rested"


@tools.handler()
async def flaky(ctx: restate.Context, name: str) -> int:
    async def fail_twice() -> int:
        _failures[name] = _failures.get(name, 0) + 1
        if _failures[name] < 3:
            raise ValueError("not yet")
        return _failures[name]

    return await ctx.run_typed("fail twice", fail_twice)


@tools.handler()
async def refuse(_ctx: restate.Context, code: int) -> str:
    raise restate.TerminalError("no", status_code=code)


@tools.handler()
async def relay(ctx: restate.Context, name: str) -> list[str]:
    first = await ctx.service_call(greet, arg=name)
    both = await restate.gather(ctx.service_call(greet, arg="a"), ctx.service_call(greet, arg="b"))
    return [first, *[await each for each in both]]


@tools.handler()
async def send(ctx: restate.Context, key: str) -> str:
    ctx.object_send(add, key=key, arg=5)
    handle = ctx.object_send(add, key=key, arg=7, send_delay=timedelta(milliseconds=100))
    return await handle.invocation_id()


@tools.handler()
async def awaken(ctx: restate.Context, _nothing: str) -> str:
    name, promise = ctx.awakeable()
    ctx.service_send(resolve, arg=name)
    return await promise


@tools.handler()
async def resolve(ctx: restate.Context, name: str) -> None:
    ctx.resolve_awakeable(name, "woken")


@tools.handler()
async def race(ctx: restate.Context, _nothing: str) -> str:
    match await restate.select(
        slow=ctx.sleep(timedelta(seconds=60)), fast=ctx.sleep(timedelta(milliseconds=20))
    ):
        case [name, _]:
            return name
    raise restate.TerminalError("nothing won")


@tools.handler()
async def cancelled_child(ctx: restate.Context, _nothing: str) -> str:
    child = ctx.service_call(nap, arg=600_000)
    ctx.cancel_invocation(await child.invocation_id())
    try:
        return await child
    except restate.TerminalError as error:
        return f"{error.status_code}"


@tools.handler(
    accept="application/octet-stream",
    content_type="application/octet-stream",
    input_serde=BytesSerde(),
    output_serde=BytesSerde(),
)
async def echo(_ctx: restate.Context, data: bytes) -> bytes:
    return data


@counter.handler()
async def add(ctx: restate.ObjectContext, amount: int) -> int:
    total = (await ctx.get("total", type_hint=int) or 0) + amount
    ctx.set("total", total)
    return total


@counter.handler(kind="shared")
async def value(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("total", type_hint=int) or 0


@counter.handler()
async def clear(ctx: restate.ObjectContext) -> list[str]:
    keys = await ctx.state_keys()
    ctx.clear_all()
    return list(keys)


@signup.main()
async def run(ctx: restate.WorkflowContext, email: str) -> str:
    ctx.set("email", email)
    answer = await ctx.promise("answer", type_hint=str).value()
    return f"{email}: {answer}"


@signup.handler()
async def approve(ctx: restate.WorkflowSharedContext, answer: str) -> None:
    await ctx.promise("answer", type_hint=str).resolve(answer)


app = restate.app([tools, counter, signup])
