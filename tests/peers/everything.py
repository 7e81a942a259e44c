"""Services that use every command and notification of the protocol."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import perdure

tour = perdure.Service("Tour")
box = perdure.VirtualObject("Box")
pact = perdure.Workflow("Pact")

SECOND = timedelta(seconds=1)


class Outside:
    """What happened outside: how often each effect was executed."""

    def __init__(self) -> None:
        self.effects: list[str] = []

    async def effect(self, name: str) -> str:
        self.effects.append(name)
        return name.upper()

    def failing_once(self, name: str) -> str:
        self.effects.append(name)
        if self.effects.count(name) == 1:
            raise ValueError("not yet")
        return name

    def refused(self) -> str:
        raise perdure.TerminalError("refused", 402)


outside = Outside()


@box.handler()
async def put(ctx: perdure.ObjectContext, text: str) -> list[str]:
    ctx.set("text", text)
    ctx.set("other", 1)
    keys = list(await ctx.state_keys() or [])
    ctx.clear("other")
    assert await ctx.get("other") is None
    return keys


@box.handler(kind="shared")
async def text(ctx: perdure.ObjectSharedContext) -> str | None:
    return await ctx.get("text", type_hint=str)


@box.handler()
async def wipe(ctx: perdure.ObjectContext) -> list[str]:
    ctx.clear_all()
    return list(await ctx.state_keys() or [])


@box.handler(enable_lazy_state=True)
async def lazily(ctx: perdure.ObjectContext) -> tuple[str | None, list[str]]:
    found = await ctx.get("text", type_hint=str)
    missing = await ctx.get("nothing")
    assert missing is None
    return found, list(await ctx.state_keys() or [])


@tour.handler()
async def steps(ctx: perdure.Context) -> list[str | int]:
    first = await ctx.run_typed("first", outside.effect, name="a")
    second = await ctx.run_typed("second", outside.failing_once, name="b")
    pair = await perdure.gather(
        ctx.run_typed("third", outside.effect, name="c"),
        ctx.run_typed("fourth", outside.effect, name="d"),
    )
    try:
        await ctx.run_typed("refused", outside.refused)
    except perdure.TerminalError as error:
        return [first, second, *[await each for each in pair], error.message, error.status_code]
    raise AssertionError("a refused step fails")


@tour.handler()
async def naps(ctx: perdure.Context) -> str:
    long, short = ctx.sleep(3 * SECOND), ctx.sleep(SECOND)
    match await perdure.select(long=long, short=short):
        case ["short", _]:
            await long
            return "short first"
        case other:
            return f"unexpected {other}"


@tour.handler()
async def plain_asyncio(ctx: perdure.Context) -> list[str]:
    seen: list[str] = []

    async def nap(name: str, seconds: int) -> None:
        await ctx.sleep(seconds * SECOND)
        seen.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(nap("three", 3))
        group.create_task(nap("one", 1))
        group.create_task(nap("two", 2))
    try:
        async with asyncio.timeout(1):
            await ctx.sleep(10 * SECOND)
    except TimeoutError:
        seen.append("timeout")
    return seen


@tour.handler()
async def calls(ctx: perdure.Context, key: str) -> list[object]:
    listed = await ctx.object_call(put, key=key, arg="hello")
    handle = ctx.object_send(put, key=key, arg="later", send_delay=SECOND)
    await ctx.attach_invocation(await handle.invocation_id(), type_hint=list[str])
    found = await ctx.object_call(text, key=key, arg=None)
    raw = await ctx.generic_call("Box", "lazily", b"", key=key)
    again = await ctx.service_call(echo, arg="once", idempotency_key="same", headers={"a": "b"})
    wiped = await ctx.object_call(wipe, key=key, arg=None)
    return [listed, found, raw.decode(), again, wiped]


@tour.handler()
async def echo(ctx: perdure.Context, word: str) -> str:
    return word + ctx.request().headers.get("a", "-")


@tour.handler()
async def awaits(ctx: perdure.Context) -> str:
    name, promise = ctx.awakeable(type_hint=str)
    ctx.service_send(resolver, arg=name)
    return await promise


@tour.handler()
async def resolver(ctx: perdure.Context, name: str) -> None:
    await ctx.sleep(SECOND)
    ctx.resolve_awakeable(name, "resolved")


@tour.handler()
async def rejected(ctx: perdure.Context) -> str:
    name, promise = ctx.awakeable(type_hint=str)
    ctx.reject_awakeable(name, "no", 418)
    try:
        return await promise
    except perdure.TerminalError as error:
        return f"{error.status_code} {error.message}"


@pact.main()
async def run(ctx: perdure.WorkflowContext, name: str) -> str:
    ctx.set("stage", "waiting")
    assert await ctx.promise("sealed", type_hint=str).peek() is None
    sealed = await ctx.promise("sealed", type_hint=str).value()
    return f"{name} {sealed}"


@pact.handler()
async def seal(ctx: perdure.WorkflowSharedContext, word: str) -> str | None:
    await ctx.promise("sealed", type_hint=str).resolve(word)
    return await ctx.get("stage", type_hint=str)


@tour.handler()
async def workflow(ctx: perdure.Context, key: str) -> list[str | None]:
    running = ctx.workflow_call(run, key=key, arg="pact")
    await ctx.sleep(SECOND)
    stage = await ctx.workflow_call(seal, key=key, arg="sealed")
    return [stage, await running]


@tour.handler()
async def sleeper(ctx: perdure.Context) -> str:
    try:
        await ctx.sleep(1000 * SECOND)
    except perdure.TerminalError as error:
        await ctx.run_typed("clean up", outside.effect, name="cleaned")
        return f"{error.status_code}"
    return "slept"


@tour.handler()
async def canceller(ctx: perdure.Context) -> str:
    handle = ctx.service_send(sleeper, arg=None)
    invocation_id = await handle.invocation_id()
    await ctx.sleep(SECOND)
    ctx.cancel_invocation(invocation_id)
    result = await ctx.attach_invocation(invocation_id, type_hint=str)
    return result or "nothing"


@tour.handler()
async def chance(ctx: perdure.Context) -> list[object]:
    drawn = [str(ctx.uuid()), ctx.random().random()]
    await ctx.sleep(SECOND)
    when = await ctx.time()
    return [*drawn, str(ctx.uuid()), when > 0]


@tour.handler()
async def hopeless(ctx: perdure.Context) -> None:
    raise perdure.TerminalError("hopeless", 409)


app = perdure.app([tour, box, pact])
