"""Services for what a server and an SDK must do together, whichever they are."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from datetime import timedelta
from typing import Literal, NotRequired, TypedDict

import restate

errand = restate.VirtualObject("Errand")
post = restate.VirtualObject("Post")
failing = restate.VirtualObject("Failing")
fickle = restate.VirtualObject(
    "Fickle",
    invocation_retry_policy=restate.InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=10), max_attempts=2, on_max_attempts="kill"
    ),
)
notes = restate.VirtualObject("Notes")
tools = restate.Service("Tools")

#: How often something was tried in this process, by whom.
tries: Tally[str] = Tally()

Waiting = Literal["sleep", "awakeable", "call"]


class Failure(TypedDict):
    message: str
    metadata: NotRequired[dict[str, str]]


class Call(TypedDict):
    kind: Literal["call"]
    text: str


class Send(TypedDict):
    kind: Literal["send"]
    text: str
    milliseconds: NotRequired[int]


class Dictation(TypedDict):
    key: str
    steps: Iterable[Call | Send]


@errand.handler()
async def start(ctx: restate.ObjectContext, waiting: Waiting) -> None:
    try:
        await ctx.object_call(block, key=ctx.key(), arg=waiting)
    except restate.TerminalError as error:
        ctx.set("failure", error.status_code)
        raise


@errand.handler(kind="shared")
async def failure(ctx: restate.ObjectSharedContext) -> int | None:
    return await ctx.get("failure", type_hint=int)


@post.handler()
async def block(ctx: restate.ObjectContext, waiting: Waiting) -> None:
    """Wait for what never comes; a call of the object itself waits for the end of this one."""
    ctx.set("reached", value=True)
    match waiting:
        case "sleep":
            await ctx.sleep(timedelta(days=1000))
        case "awakeable":
            await ctx.awakeable()[1]
        case "call":
            await ctx.object_call(block, key=ctx.key(), arg=waiting)


@post.handler(kind="shared")
async def reached(ctx: restate.ObjectSharedContext) -> bool:
    return await ctx.get("reached", type_hint=bool) or False


@post.handler()
async def free(_ctx: restate.ObjectContext) -> str:
    return "free"


@tools.handler()
async def stop(ctx: restate.Context, invocation_id: str) -> None:
    ctx.cancel_invocation(invocation_id)


@failing.handler()
async def fail(ctx: restate.ObjectContext, failure: Failure) -> None:
    ctx.set("failed", value=True)
    raise restate.TerminalError(failure["message"], metadata=failure.get("metadata"))


@failing.handler()
async def call(ctx: restate.ObjectContext, failure: Failure) -> None:
    await ctx.object_call(fail, key=f"other than {ctx.key()}", arg=failure)


@failing.handler()
async def run(ctx: restate.ObjectContext, failure: Failure) -> None:
    def step() -> None:
        raise restate.TerminalError(failure["message"], metadata=failure.get("metadata"))

    ctx.set("failed", value=True)
    await ctx.run_typed("step", step)


@failing.handler()
async def wrap(ctx: restate.ObjectContext, failure: Failure) -> None:
    """Raise another error because of a terminal one."""
    ctx.set("failed", value=True)
    try:
        await ctx.object_call(fail, key=f"other than {ctx.key()}", arg=failure)
    except restate.TerminalError as error:
        raise ValueError("wrapped") from error


@failing.handler(kind="shared")
async def failed(ctx: restate.ObjectSharedContext) -> bool:
    return await ctx.get("failed", type_hint=bool) or False


def is_second_attempt(ctx: restate.ObjectContext) -> bool:
    tries[ctx.key()] += 1
    return tries[ctx.key()] > 1


async def go_on(ctx: restate.ObjectContext, *, is_second: bool) -> None:
    if not is_second:
        raise ValueError("not at once")
    ctx.object_send(append, key=ctx.key(), arg="went on")


@fickle.handler()
async def other_key(ctx: restate.ObjectContext) -> None:
    is_second = is_second_attempt(ctx)
    ctx.set("b" if is_second else "a", "value")
    await go_on(ctx, is_second=is_second)


@fickle.handler()
async def other_target(ctx: restate.ObjectContext) -> None:
    is_second = is_second_attempt(ctx)
    ctx.object_send(texts if is_second else nothing, key="fickle", arg=None)
    await go_on(ctx, is_second=is_second)


@fickle.handler()
async def other_call(ctx: restate.ObjectContext) -> None:
    is_second = is_second_attempt(ctx)
    await ctx.object_call(texts if is_second else nothing, key="fickle", arg=None)
    await go_on(ctx, is_second=is_second)


@fickle.handler()
async def other_command(ctx: restate.ObjectContext) -> None:
    is_second = is_second_attempt(ctx)
    if is_second:
        await ctx.sleep(timedelta(milliseconds=1))
    else:
        await ctx.object_call(nothing, key="fickle", arg=None)
    await go_on(ctx, is_second=is_second)


@notes.handler()
async def append(ctx: restate.ObjectContext, text: str) -> None:
    ctx.set("texts", [*(await ctx.get("texts", type_hint=list) or []), text])


@notes.handler()
async def texts(ctx: restate.ObjectContext) -> list[str]:
    return await ctx.get("texts", type_hint=list) or []


@notes.handler()
async def nothing(_ctx: restate.ObjectContext) -> None:
    """Do nothing."""


@tools.handler()
async def dictate(ctx: restate.Context, dictation: Dictation) -> None:
    """Let notes be taken, in the order of the calls."""
    calls = []
    for step in dictation["steps"]:
        if step["kind"] == "call":
            calls.append(ctx.object_call(append, key=dictation["key"], arg=step["text"]))
        else:
            delay = timedelta(milliseconds=step.get("milliseconds", 0))
            ctx.object_send(append, key=dictation["key"], arg=step["text"], send_delay=delay)
    await restate.gather(*calls)


@tools.handler()
async def first_good(ctx: restate.Context) -> str:
    """Wait for the first awakeable that is resolved, beside some that fail."""

    def fail() -> None:
        raise restate.TerminalError("a step")

    open_ids, promises = zip(*[ctx.awakeable(type_hint=str) for _ in range(3)], strict=True)
    ctx.service_send(settle, list(open_ids))
    async for done in restate.as_completed(ctx.run_typed("fail", fail), *promises):
        try:
            return await done
        except restate.TerminalError:
            continue
    return "none"


@tools.handler()
async def settle(ctx: restate.Context, awakeable_ids: list[str]) -> None:
    ctx.reject_awakeable(awakeable_ids[2], "no")
    ctx.resolve_awakeable(awakeable_ids[1], "good")


app = restate.app([errand, post, failing, fickle, notes, tools])
