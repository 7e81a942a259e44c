"""Services that use every feature, served to a server of another make.

The environment variable ``INTEROP_PREFIX`` begins the names of all services, so that several
deployments can be registered with one server; ``INTEROP_INACTIVITY_MS`` is their timeout.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import fastapi

import perdure

PREFIX = os.environ.get("INTEROP_PREFIX", "")
INACTIVITY = timedelta(milliseconds=int(os.environ.get("INTEROP_INACTIVITY_MS", "60000")))
SHORT = timedelta(milliseconds=20)

#: How often something was executed in this process, by a name that the test chose.
executed: Counter[str] = Counter()

work = perdure.Service(f"{PREFIX}Work", inactivity_timeout=INACTIVITY)
counter = perdure.VirtualObject(f"{PREFIX}Counter", inactivity_timeout=INACTIVITY)
lazy = perdure.VirtualObject(f"{PREFIX}Lazy", inactivity_timeout=INACTIVITY, enable_lazy_state=True)
signup = perdure.Workflow(f"{PREFIX}Signup", inactivity_timeout=INACTIVITY)


class NotYetError(Exception):
    """Fails an attempt."""


def once(ctx: perdure.Context, what: str) -> bool:
    """Tell whether this is the first time in this invocation: the next attempt differs."""
    name = f"{ctx.request().id}/{what}"
    executed[name] += 1
    return executed[name] == 1


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    executed["lifespan"] += 1
    yield
    executed["lifespan"] -= 1


@work.handler()
async def in_lifespan(ctx: perdure.Context) -> int:
    return executed["lifespan"]


@work.handler()
async def nothing(ctx: perdure.Context) -> None:
    """Do nothing."""


@work.handler()
async def echo(ctx: perdure.Context, value: Any) -> Any:
    return value


@work.handler()
async def raw(ctx: perdure.Context, content: bytes) -> bytes:
    return content[::-1]


@work.handler()
async def headers(ctx: perdure.Context, name: str) -> list[str | None]:
    request = ctx.request()
    return [request.headers.get(name), request.attempt_headers.get("x-restate-invocation-id")]


@work.handler()
async def runs(ctx: perdure.Context, count: int) -> list[int]:
    async def number(value: int) -> int:
        return value

    def in_thread() -> int:
        return -1

    found = [await ctx.run_typed(f"n{n}", number, value=n) for n in range(count)]
    side_by_side = await perdure.gather(
        *(ctx.run_typed(f"p{n}", number, value=n) for n in range(count))
    )
    return [*found, *[await each for each in side_by_side], await ctx.run_typed("t", in_thread)]


@work.handler()
async def executed_once(ctx: perdure.Context) -> list[int]:
    """Fail between two runs; tell how often each was executed."""

    async def count(name: str) -> int:
        executed[name] += 1
        return executed[name]

    me = ctx.request().id
    before = await ctx.run_typed("before", count, name=f"{me}/a")
    if once(ctx, "failure"):
        raise NotYetError
    after = await ctx.run_typed("after", count, name=f"{me}/b")
    return [before, after]


@work.handler()
async def stubborn_run(ctx: perdure.Context, failures: int) -> int:
    """Run what fails so many times."""
    me = ctx.request().id

    async def attempt() -> int:
        executed[me] += 1
        if executed[me] <= failures:
            raise NotYetError
        return executed[me]

    options = perdure.RunOptions[int](
        max_attempts=3, initial_retry_interval=timedelta(milliseconds=10)
    )
    return await ctx.run_typed("stubborn", attempt, options)


@work.handler()
async def terminal_run(ctx: perdure.Context) -> list[Any]:
    def fail() -> None:
        raise perdure.TerminalError("no way", 409, {"why": "because"})

    try:
        await ctx.run_typed("fail", fail)
    except perdure.TerminalError as error:
        return [error.message, error.status_code, error.metadata]
    return []


@work.handler()
async def fail(ctx: perdure.Context, metadata: dict[str, str] | None) -> None:
    raise perdure.TerminalError("I'm a teapot", 418, metadata)


@work.handler()
async def observe_failure(ctx: perdure.Context) -> list[Any]:
    try:
        await ctx.service_call(fail, {"kind": "pot"})
    except perdure.TerminalError as error:
        return [error.message, error.status_code, error.metadata]
    return []


@work.handler()
async def unprintable(ctx: perdure.Context) -> str:
    """Fail with what is no valid Unicode; then succeed."""
    if once(ctx, "failure"):
        raise NotYetError("\ud800")
    return "printed"


@work.handler()
async def chance(ctx: perdure.Context) -> list[Any]:
    """Draw before and after a failure: the same is drawn."""
    drawn = [ctx.random().random(), str(ctx.uuid()), await ctx.time()]
    kept = await ctx.run_typed("keep", lambda: drawn)
    if once(ctx, "failure"):
        raise NotYetError
    return [drawn == kept, *drawn]


@work.handler()
async def naps(ctx: perdure.Context) -> str:
    await ctx.sleep(SHORT, name="nap")
    await asyncio.sleep(0.02)
    try:
        async with asyncio.timeout(0.02):
            await ctx.awakeable()[1]
    except TimeoutError:
        return "late"
    return "never"


@work.handler()
async def races(ctx: perdure.Context) -> list[Any]:
    """Let several things race; fail, and let the journal repeat them."""
    slow, quick = ctx.sleep(timedelta(hours=1)), ctx.sleep(SHORT)
    won = await perdure.select(slow=slow, quick=quick)
    answer = ctx.service_call(echo, "called")
    done, pending = await perdure.wait_completed(answer, slow)
    order = [await each async for each in perdure.as_completed(ctx.sleep(SHORT), answer)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(double(ctx, n)) for n in range(3)]
    if once(ctx, "failure"):
        raise NotYetError
    return [won[0], len(done), len(pending), order, [task.result() for task in tasks]]


async def double(ctx: perdure.Context, n: int) -> int:
    await ctx.sleep(SHORT)
    return await ctx.service_call(echo, n * 2)


@work.handler()
async def calls(ctx: perdure.Context, key: str) -> list[Any]:
    called = [
        await ctx.service_call(echo, {"a": [1]}, headers={"x-a": "b"}),
        await ctx.object_call(add, key, 5),
        await ctx.object_call(add, key, 1, idempotency_key=f"once-{key}"),
        await ctx.object_call(add, key, 1, idempotency_key=f"once-{key}"),
        (await ctx.generic_call(f"{PREFIX}Work", "raw", b"abc")).decode(),
        await ctx.service_call(headers, "x-a", headers={"x-a": "b"}),
    ]
    together = await perdure.gather(*(ctx.service_call(echo, n) for n in range(3)))
    return [*called, [await each for each in together]]


@work.handler()
async def sends(ctx: perdure.Context, key: str) -> list[Any]:
    now = ctx.object_send(add, key, 1)
    later = ctx.object_send(add, key, 10, send_delay=SHORT)
    ctx.generic_send(f"{PREFIX}Counter", "add", b"100", key=key)
    ids = [await now.invocation_id(), await later.invocation_id()]
    attached = [await ctx.attach_invocation(each, type_hint=int) for each in ids]
    output = await ctx.get_invocation_output(ids[1], type_hint=int)
    return [attached[0] in (1, 101), attached[1] - attached[0] in (10, 110), output]


@work.handler()
async def unfinished(ctx: perdure.Context) -> list[Any]:
    """Look at an invocation that has not ended, cancel it, and see what came of it."""
    handle = ctx.service_send(wait_forever, None)
    invocation_id = await handle.invocation_id()
    output = await ctx.get_invocation_output(invocation_id)
    await ctx.sleep(SHORT)
    ctx.cancel_invocation(invocation_id)
    return [output, await ctx.attach_invocation(invocation_id)]


@work.handler()
async def wait_forever(ctx: perdure.Context) -> str:
    try:
        await ctx.awakeable()[1]
    except perdure.TerminalError as error:
        await ctx.run_typed("compensate", lambda: None)
        return f"{error.status_code} {error.message}"
    return "woken"


@work.handler()
async def parent(ctx: perdure.Context) -> str:
    """Wait for a child; a cancellation reaches it first."""
    try:
        return await ctx.service_call(wait_forever, None)
    except perdure.TerminalError as error:
        return f"parent {error.status_code}"


@work.handler()
async def awakeables(ctx: perdure.Context) -> list[Any]:
    """Let another handler complete two awakeables."""
    good_id, good = ctx.awakeable(type_hint=str)
    bad_id, bad = ctx.awakeable()
    ctx.service_send(complete, [good_id, bad_id])
    try:
        await bad
    except perdure.TerminalError as error:
        return [await good, error.message, error.status_code]
    return []


@work.handler()
async def complete(ctx: perdure.Context, ids: list[str]) -> None:
    ctx.resolve_awakeable(ids[0], "good")
    ctx.reject_awakeable(ids[1], "bad", 417)


@counter.handler()
async def ask(ctx: perdure.ObjectContext) -> Any:
    """Publish the id of an awakeable in the state, and wait for the outside."""
    awakeable_id, answer = ctx.awakeable()
    ctx.set("awakeable", awakeable_id)
    return await answer


@counter.handler(kind="shared")
async def asked(ctx: perdure.ObjectSharedContext) -> str | None:
    return await ctx.get("awakeable", type_hint=str)


@work.handler()
async def signals(ctx: perdure.Context) -> list[Any]:
    """Let another invocation send signals to this one."""
    ctx.service_send(send_signals, ctx.request().id)
    first, second = ctx.signal("go", type_hint=int), ctx.signal("go", type_hint=int)
    found = [await first, await second]
    try:
        await ctx.signal("stop")
    except perdure.TerminalError as error:
        found.append(error.message)
    return found


@work.handler()
async def send_signals(ctx: perdure.Context, invocation_id: str) -> None:
    ctx.resolve_signal(invocation_id, "go", 1)
    ctx.resolve_signal(invocation_id, "go", 2)
    ctx.reject_signal(invocation_id, "stop", "stopped", 400)


@work.handler()
async def changed(ctx: perdure.Context) -> str:
    """Do something else in the second attempt, and the first thing again in the third."""
    executed[ctx.request().id] += 1
    attempt = executed[ctx.request().id]
    await ctx.run_typed("second" if attempt == 2 else "first", lambda: None)
    if attempt == 1:
        raise NotYetError
    return f"attempt {attempt}"


@counter.handler()
async def add(ctx: perdure.ObjectContext, amount: int) -> int:
    value = (await ctx.get("value", type_hint=int) or 0) + amount
    ctx.set("value", value)
    return value


@counter.handler(kind="shared")
async def value(ctx: perdure.ObjectSharedContext) -> int | None:
    return await ctx.get("value", type_hint=int)


async def use_state(ctx: perdure.ObjectContext) -> list[Any]:
    """Use all there is for state, around failures."""
    seen: list[Any] = [await ctx.get("nothing"), await ctx.state_keys()]
    ctx.set("b", {"x": 1})
    ctx.set("a", [])
    seen += [await ctx.get("b"), await ctx.state_keys()]
    if once(ctx, "first"):
        raise NotYetError
    ctx.clear("b")
    seen += [await ctx.get("b"), await ctx.state_keys()]
    await ctx.sleep(SHORT)
    if once(ctx, "second"):
        raise NotYetError
    seen.append(await ctx.get("a"))
    ctx.clear_all()
    seen += [await ctx.get("a"), await ctx.state_keys()]
    return seen


counter.handler("use_state")(use_state)
lazy.handler("use_state")(use_state)


@signup.main()
async def run(ctx: perdure.WorkflowContext, name: str) -> str:
    ctx.set("state", "waiting")
    confirmation = await ctx.promise("confirmed", type_hint=str)
    ctx.set("state", "done")
    return f"{name} {ctx.key()} {confirmation}"


@signup.handler()
async def confirm(ctx: perdure.WorkflowSharedContext, code: str) -> list[Any]:
    promise = ctx.promise("confirmed", type_hint=str)
    before = await promise.peek()
    await promise.resolve(code)
    try:
        await promise.reject("too late")
    except perdure.TerminalError as error:
        return [before, await promise.peek(), await promise, error.status_code]
    return []


@signup.handler()
async def state(ctx: perdure.WorkflowSharedContext) -> str | None:
    return await ctx.get("state", type_hint=str)


@signup.handler()
async def reject(ctx: perdure.WorkflowSharedContext) -> None:
    await ctx.promise("confirmed").reject("refused", 403)


@work.handler()
async def stuck(ctx: perdure.Context) -> None:
    """Run something that ends only when it is cancelled."""

    async def action() -> None:
        executed["stuck"] += 1
        try:
            await asyncio.Event().wait()
        finally:
            executed["stuck"] -= 1

    await ctx.run_typed("action", action)


@work.handler()
async def number_of_stuck(ctx: perdure.Context) -> int:
    return executed["stuck"]


identity_key = os.environ.get("INTEROP_IDENTITY_KEY")
app = perdure.app(
    [work, counter, lazy, signup],
    lifespan=lifespan,
    identity_keys=[identity_key] if identity_key else [],
)


@asynccontextmanager
async def running(_api: fastapi.FastAPI) -> AsyncIterator[None]:
    async with app.running():
        yield


mounted = fastapi.FastAPI(lifespan=running)
mounted.mount("/restate", app)
