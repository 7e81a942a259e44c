"""The same services for either of two SDKs that share their names: ours and the official one.

What only one of them has is missing here: the official one knows no tasks of asyncio.
"""

from datetime import timedelta
from typing import Any

DAY = timedelta(days=1)
#: Written as ids of invocations and awakeables are; nobody resolves them.
OTHERS = "inv_1gdJBtdVEcM919dOBhoVBm3fUMlaIHnANr"
AWAKEABLE = "sign_1gdJBtdVEcM919dOBhoVBm3fUMlaIHnANr"


async def echo(text: str) -> str:
    """Stand for a side effect."""
    return text


async def refuse() -> str:
    raise ValueError("broken")


def application(lib: Any) -> Any:
    """Put the services together.

    Args:
        lib: ``perdure``, or what has its names.
    """
    work, things, flow = lib.Service("Work"), lib.VirtualObject("Thing"), lib.Workflow("Flow")
    greet = work.handler()(_greet(lib))
    for handler in [*_steps(lib), *_calls(lib, greet), *_waits(lib, greet)]:
        work.handler()(handler)
    for handler in (_state(lib), _play(lib, greet)):
        things.handler()(handler)
    flow.main()(_flow(lib))
    return lib.app([work, things, flow])


def _greet(lib: Any) -> Any:
    async def greet(ctx: lib.Context, name: str) -> str:
        return name

    return greet


def _steps(lib: Any) -> list[Any]:
    async def runs(ctx: lib.Context, name: str) -> str:
        first = await ctx.run_typed("first", echo, text=name)
        return first + await ctx.run_typed("second", echo, text="b")

    async def retried(ctx: lib.Context, name: str) -> str:
        options = lib.RunOptions(max_attempts=3, initial_retry_interval=timedelta(seconds=1))
        try:
            return await ctx.run_typed("refused", refuse, options)
        except lib.TerminalError as error:
            return f"{error.status_code} {error.message}"

    async def failed(ctx: lib.Context, name: str) -> str:
        await ctx.sleep(DAY, name="night")
        if name:
            raise lib.TerminalError("no", status_code=418)
        return ""

    async def broken(ctx: lib.Context, name: str) -> str:
        await ctx.run_typed("first", echo, text=name)
        raise ValueError("broken")

    async def request(ctx: lib.Context, name: str) -> str:
        asked = ctx.request()
        return f"{asked.id} {asked.headers} {asked.body!r} {ctx.random().random()} {ctx.uuid()}"

    return [runs, retried, failed, broken, request]


def _calls(lib: Any, greet: Any) -> list[Any]:
    async def calls(ctx: lib.Context, name: str) -> str:
        first = ctx.service_call(greet, "a", idempotency_key="i", headers={"h": "v"})
        later = ctx.service_send(greet, "b", send_delay=DAY)
        ctx.generic_send("X", "y", b"raw", key="k", headers={"a": "b"})
        await later.cancel_invocation()
        raw = await ctx.generic_call("X", "y", b"raw")
        called = await first.invocation_id()
        return await first + called + raw.decode()

    async def saga(ctx: lib.Context, name: str) -> str:
        reserved = await ctx.service_call(greet, "reserve")
        try:
            await ctx.sleep(DAY)
        except lib.TerminalError as error:
            undone = await ctx.service_call(greet, "undo")
            return f"{error.status_code} {undone}"
        return reserved

    async def others(ctx: lib.Context, name: str) -> str:
        ctx.resolve_signal(OTHERS, "s", "v")
        ctx.reject_signal(OTHERS, "s", "no", 409)
        ctx.resolve_awakeable(AWAKEABLE, "v")
        ctx.reject_awakeable(AWAKEABLE, "no", 410)
        ctx.cancel_invocation(OTHERS)
        return await ctx.attach_invocation(OTHERS, type_hint=str)

    return [calls, saga, others]


def _waits(lib: Any, greet: Any) -> list[Any]:
    async def race(ctx: lib.Context, name: str) -> str:
        match await lib.select(told=ctx.awakeable(type_hint=str)[1], late=ctx.sleep(DAY)):
            case ["told", value]:
                return value
        await ctx.sleep(timedelta(seconds=1))
        return await ctx.signal("s", type_hint=str)

    async def group(ctx: lib.Context, name: str) -> str:
        run = ctx.run_typed("step", echo, text="a")
        futures = [ctx.service_call(greet, "0"), ctx.sleep(DAY), run, ctx.awakeable()[1]]
        await lib.gather(*futures)
        return await futures[0] + await futures[2]

    async def one_by_one(ctx: lib.Context, name: str) -> str:
        futures = [ctx.sleep(DAY), ctx.sleep(DAY), ctx.awakeable()[1], ctx.sleep(DAY)]
        done, pending = await lib.wait_completed(*futures)
        places = [futures.index(each) for each in done]
        async for each in lib.as_completed(*pending):
            places.append(futures.index(each))
            ctx.service_send(greet, str(places))
        return str(places)

    async def cancelled(ctx: lib.Context, name: str) -> str:
        heard = ""
        for turn in range(3):
            try:
                await ctx.sleep(DAY)
                heard += await ctx.service_call(greet, str(turn))
            except lib.TerminalError as error:
                heard += await ctx.run_typed(f"undo {turn}", echo, text=str(error.status_code))
        return heard

    return [race, group, one_by_one, cancelled]


def _state(lib: Any) -> Any:
    async def state(ctx: lib.ObjectContext, name: str) -> str:
        seen = [await ctx.get("a", type_hint=str), await ctx.state_keys()]
        ctx.set("b", name)
        seen.append(await ctx.get("b", type_hint=str))
        await ctx.sleep(DAY)
        ctx.clear("a")
        seen += [await ctx.get("a", type_hint=str), await ctx.get("c", type_hint=str)]
        ctx.clear_all()
        seen += [await ctx.get("b", type_hint=str), await ctx.state_keys()]
        return f"{seen} {ctx.key()}"

    return state


async def _begin(ctx: Any, greet: Any, futures: list[Any], step: list[str]) -> Any:
    match step:
        case ["sleep", _]:
            futures.append(ctx.sleep(DAY))
        case ["call", text]:
            futures.append(ctx.service_call(greet, text))
        case ["call and id", text]:
            futures.append(ctx.service_call(greet, text))
            return await futures[-1].invocation_id()
        case ["send", text]:
            ctx.service_send(greet, text)
        case ["run", text]:
            return await ctx.run_typed(text, echo, text=text)
        case ["awakeable", _]:
            futures.append(ctx.awakeable(type_hint=str)[1])
        case ["set", text]:
            ctx.set("a", text)
        case ["get", _]:
            return await ctx.get("a", type_hint=str)
    return None


async def _wait(lib: Any, futures: list[Any], step: list[Any]) -> Any:
    match step:
        case ["await", future, *_]:
            return await future
        case ["select", *chosen]:
            return await lib.select(**{f"f{futures.index(each)}": each for each in chosen})
        case ["wait", *chosen]:
            return [len(each) for each in await lib.wait_completed(*chosen)]
        case ["gather", *chosen]:
            return len(await lib.gather(*chosen))
        case ["each", *chosen]:
            return [futures.index(each) async for each in lib.as_completed(*chosen)]
    return None


def _play(lib: Any, greet: Any) -> Any:
    async def play(ctx: lib.ObjectContext, program: list) -> str:
        """Do what the input says, step by step; what is awaited is told by its place."""
        futures: list[Any] = []
        seen: list[Any] = []
        for step, *args in program:
            try:
                if isinstance(args[0], str):
                    seen.append(await _begin(ctx, greet, futures, [step, *args]))
                elif futures:
                    chosen = dict.fromkeys(futures[place % len(futures)] for place in args)
                    seen.append(await _wait(lib, futures, [step, *chosen]))
            except lib.TerminalError as error:
                seen.append(error.status_code)
                ctx.set("heard", str(seen))
                futures.clear()  # The official SDK raises a cancellation again at the same future.
        return str(seen)

    return play


def _flow(lib: Any) -> Any:
    async def flow(ctx: lib.WorkflowContext, name: str) -> str:
        before = await ctx.promise("p", type_hint=str).peek()
        value = await ctx.promise("p", type_hint=str)
        await ctx.promise("q").resolve("Q")
        try:
            await ctx.promise("p").reject("no", 409)
        except lib.TerminalError as error:
            return f"{before} {value} {error.message}"
        return f"{before} {value}"

    return flow
