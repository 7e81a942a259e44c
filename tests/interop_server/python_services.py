"""Services written with the official Python SDK, using every feature; unmodified peers of ours."""

from __future__ import annotations

import os
from collections import Counter as Tally
from datetime import timedelta

import restate
from restate.retry_policy import InvocationRetryPolicy
from restate.serde import BytesSerde

tools = restate.Service("Tools")
counter = restate.VirtualObject("Counter")
signup = restate.Workflow("Signup")

#: How often something was tried in this process, by what and for whom.
_tries: Tally[tuple[str, str]] = Tally()


def tried(what: str, name: str) -> int:
    _tries[what, name] += 1
    return _tries[what, name]


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
        number = tried("run", name)
        if number < 3:
            raise ValueError("not yet")
        return number

    return await ctx.run_typed("fail twice", fail_twice)


@tools.handler()
async def stumble(ctx: restate.Context, name: str) -> list[int]:
    executed = await ctx.run_typed("once", lambda: tried("execution", name))
    attempts = tried("attempt", name)
    if attempts < 3:
        raise ValueError("stumbled")
    return [executed, attempts]


@tools.handler(
    invocation_retry_policy=InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=10), max_attempts=2, on_max_attempts="pause"
    )
)
async def stubborn(_ctx: restate.Context, name: str) -> int:
    attempts = tried("stubborn", name)
    if attempts < 4:
        raise ValueError("not before the fourth time")
    return attempts


@tools.handler()
async def exhaust(ctx: restate.Context, name: str) -> str:
    async def fail() -> None:
        raise ValueError(f"never, said {tried('exhausting', name)} times")

    options = restate.RunOptions(max_attempts=3, initial_retry_interval=timedelta(milliseconds=10))
    try:
        await ctx.run_typed("never", fail, options)
    except restate.TerminalError as error:
        return error.message
    return "succeeded"


@tools.handler()
async def refuse(_ctx: restate.Context, code: int) -> str:
    raise restate.TerminalError("no", status_code=code)


@tools.handler()
async def observe(ctx: restate.Context, code: int) -> str:
    try:
        return await ctx.service_call(refuse, arg=code)
    except restate.TerminalError as error:
        return f"{error.status_code} {error.message}"


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
async def once(ctx: restate.Context, key: str) -> list[int]:
    return [await ctx.object_call(add, key=key, arg=1, idempotency_key=key) for _ in range(2)]


@tools.handler()
async def attach(ctx: restate.Context, name: str) -> str:
    handle = ctx.service_send(greet, arg=name, idempotency_key=name)
    return await ctx.attach_invocation(await handle.invocation_id(), type_hint=str)


@tools.handler()
async def awaken(ctx: restate.Context, _nothing: str) -> str:
    name, promise = ctx.awakeable()
    ctx.service_send(resolve, arg=name)
    return await promise


@tools.handler(ingress_private=True)
async def resolve(ctx: restate.Context, name: str) -> None:
    ctx.resolve_awakeable(name, "woken")


@tools.handler()
async def spurn(ctx: restate.Context, _nothing: str) -> str:
    name, promise = ctx.awakeable(type_hint=str)
    ctx.service_send(reject, arg=name)
    try:
        return await promise
    except restate.TerminalError as error:
        return f"rejected: {error.message}"


@tools.handler()
async def reject(ctx: restate.Context, name: str) -> None:
    ctx.reject_awakeable(name, "unwanted")


@tools.handler()
async def listen(ctx: restate.Context, _nothing: str) -> str:
    return await ctx.signal("whistle", type_hint=str)


@tools.handler()
async def whistle(ctx: restate.Context, invocation_id: str) -> None:
    ctx.resolve_signal(invocation_id, "whistle", "heard")


@tools.handler()
async def race(ctx: restate.Context, _nothing: str) -> str:
    match await restate.select(
        slow=ctx.sleep(timedelta(seconds=60)), fast=ctx.sleep(timedelta(milliseconds=20))
    ):
        case [name, _]:
            return name
    raise restate.TerminalError("nothing won")


@tools.handler()
async def abandon(ctx: restate.Context, _nothing: str) -> str:
    child = ctx.service_call(nap, arg=600_000)
    ctx.cancel_invocation(await child.invocation_id())
    try:
        return await child
    except restate.TerminalError as error:
        return f"{error.status_code}"


@tools.handler()
async def undo(ctx: restate.Context, key: str) -> None:
    await ctx.object_call(add, key=key, arg=3)
    try:
        await ctx.sleep(timedelta(minutes=10))
    except restate.TerminalError:
        await ctx.object_call(add, key=key, arg=-3)
        raise


@tools.handler()
async def dice(ctx: restate.Context, _nothing: str) -> bool:
    drawn = ctx.random().random()
    recorded = await ctx.run_typed("record", lambda: drawn)
    await ctx.sleep(timedelta(milliseconds=20))
    return drawn == recorded


@tools.handler()
async def header(ctx: restate.Context, name: str) -> str:
    return ctx.request().headers.get(name, "")


@tools.handler()
async def journey(ctx: restate.Context, key: str) -> int:
    walked = 0
    for stage in range(5):
        walked += await ctx.run_typed(f"stage {stage}", lambda: 1)
        await ctx.object_call(add, key=key, arg=1)
        await ctx.sleep(timedelta(milliseconds=100))
    return walked


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


@counter.handler(kind="shared", enable_lazy_state=True)
async def value(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("total", type_hint=int) or 0


@counter.handler()
async def clear(ctx: restate.ObjectContext) -> list[str]:
    keys = await ctx.state_keys()
    ctx.clear_all()
    return list(keys)


@counter.handler()
async def ask(ctx: restate.ObjectContext) -> str:
    name, answer = ctx.awakeable(type_hint=str)
    ctx.set("question", name)
    told = await answer
    ctx.clear("question")
    return f"{ctx.key()} was told {told}"


@counter.handler(kind="shared")
async def asked(ctx: restate.ObjectSharedContext) -> str:
    return await ctx.get("question", type_hint=str) or ""


@signup.main()
async def run(ctx: restate.WorkflowContext, email: str) -> str:
    ctx.set("email", email)
    answer = await ctx.promise("answer", type_hint=str).value()
    return f"{email}: {answer}"


@signup.handler()
async def approve(ctx: restate.WorkflowSharedContext, answer: str) -> None:
    await ctx.promise("answer", type_hint=str).resolve(answer)


@signup.handler()
async def decline(ctx: restate.WorkflowSharedContext, reason: str) -> None:
    await ctx.promise("answer", type_hint=str).reject(reason)


@signup.handler()
async def look(ctx: restate.WorkflowSharedContext) -> str:
    return await ctx.promise("answer", type_hint=str).peek() or ""


@signup.handler()
async def email(ctx: restate.WorkflowSharedContext) -> str:
    return await ctx.get("email", type_hint=str) or ""


identity_key = os.environ.get("INTEROP_IDENTITY_KEY")
app = restate.app([tools, counter, signup], identity_keys=[identity_key] if identity_key else None)
