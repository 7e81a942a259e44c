"""Handlers whose books can be checked: every effect is counted where it cannot be counted twice."""

from __future__ import annotations

import uuid
from datetime import timedelta

import perdure

counter = perdure.VirtualObject("Counter")
ledger = perdure.VirtualObject("Ledger")
work = perdure.Service("Work")
signup = perdure.Workflow("Signup")


@counter.handler()
async def add(ctx: perdure.ObjectContext, amount: int) -> int:
    total = (await ctx.get("total", type_hint=int) or 0) + amount
    ctx.set("total", total)
    return total


@counter.handler(kind="shared")
async def total(ctx: perdure.ObjectSharedContext) -> int:
    return await ctx.get("total", type_hint=int) or 0


@counter.handler()
async def receipt(ctx: perdure.ObjectContext, awakeable: str) -> None:
    """Count one more, and tell whoever waits for it so far away."""
    total = (await ctx.get("total", type_hint=int) or 0) + 1
    ctx.set("total", total)
    ctx.resolve_awakeable(awakeable, total)


@ledger.handler()
async def append(ctx: perdure.ObjectContext, line: str) -> None:
    lines = await ctx.get("lines", type_hint=list[str]) or []
    ctx.set("lines", [*lines, line])


@ledger.handler(kind="shared")
async def lines(ctx: perdure.ObjectSharedContext) -> list[str]:
    return await ctx.get("lines", type_hint=list[str]) or []


@work.handler()
async def steps(ctx: perdure.Context, name: str) -> list[str]:
    """Three steps, each noted in a ledger: what is returned is what was noted, once."""
    tokens: list[str] = []
    for step in range(3):
        token = await ctx.run_typed(f"step {step}", lambda: uuid.uuid4().hex)
        await ctx.object_call(append, key=name, arg=token)
        tokens.append(token)
    return tokens


@work.handler()
async def naps(ctx: perdure.Context, name: str) -> int:
    """Sleeps, two at once, then a call."""
    first = ctx.sleep(timedelta(milliseconds=150))
    await ctx.sleep(timedelta(milliseconds=60))
    await first
    return await ctx.object_call(add, key=name, arg=1)


@work.handler()
async def letters(ctx: perdure.Context, name: str) -> int:
    """Messages to one object, which must arrive in this order; one of them late."""
    for number in range(5):
        ctx.object_send(append, key=name, arg=str(number))
    ctx.object_send(append, key=name, arg="late", send_delay=timedelta(milliseconds=200))
    return 5


@work.handler()
async def fan_out(ctx: perdure.Context, name: str) -> int:
    """Calls side by side, each to another counter."""
    calls = [ctx.object_call(add, key=f"{name}-{n}", arg=n) for n in range(4)]
    return sum([await call for call in await perdure.gather(*calls)])


@work.handler()
async def exchange(ctx: perdure.Context, name: str) -> list[int]:
    """Ask one object for a receipt, another to count, and attach to that."""
    awakeable, received = ctx.awakeable(type_hint=int)
    ctx.object_send(receipt, key=name, arg=awakeable)
    adding = ctx.object_send(add, key=f"{name}-too", arg=3)
    added = ctx.attach_invocation(await adding.invocation_id(), type_hint=int)
    return [await received, await added]


@signup.main()
async def run(ctx: perdure.WorkflowContext, email: str) -> str:
    """Wait for a promise that another request completes."""
    code = await ctx.run_typed("code", lambda: uuid.uuid4().hex)
    ctx.set("code", code)
    answer = await ctx.promise("answer", type_hint=str).value()
    return f"{email} {answer}"


@signup.handler()
async def answer(ctx: perdure.WorkflowSharedContext, text: str) -> bool:
    """Complete the promise; the second time it was completed before."""
    done = await ctx.promise("answer", type_hint=str).peek()
    if done is None:
        await ctx.promise("answer", type_hint=str).resolve(text)
    return True


app = perdure.app([counter, ledger, work, signup])
