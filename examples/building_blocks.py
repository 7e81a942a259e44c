"""Building blocks: a tour of what a handler can do, one block a handler.

Every handler here runs; call them in any order and read along.

    curl localhost:8080/Tour/steps -X POST
    curl localhost:8080/Tour/chance -X POST
    curl localhost:8080/Tour/failures -X POST
    curl localhost:8080/Tour/timers -X POST
    curl localhost:8080/Tour/calls --json '"ada"'
    curl localhost:8080/Tour/messages --json '"ada"'
    curl localhost:8080/Tour/invocations --json '"ada"'
    curl localhost:8080/Tour/together -X POST
    curl localhost:8080/Tour/races -X POST
    curl localhost:8080/Tour/plain_asyncio -X POST
    curl localhost:8080/Tour/awakeables -X POST
    curl localhost:8080/Tour/signals -X POST
    curl localhost:8080/Tour/request_parts -H 'x-colour: blue' -X POST
    curl localhost:8080/Notes/ada/state --json '"buy thread"'
    curl localhost:8080/Lock/door-1/run/send -X POST
    curl localhost:8080/Lock/door-1/open --json '"1234"'
    curl localhost:8080/restate/workflow/Lock/door-1/attach
"""

import asyncio
import json
from datetime import timedelta
from typing import Any

import perdure
from examples.outside import OutageError, reach

tour = perdure.Service("Tour", description="What a handler can do.")
notes = perdure.VirtualObject("Notes", description="Lines that somebody wrote down.")
lock = perdure.Workflow("Lock", description="Opens once the right code is brought.")

#: Short enough to watch; months cost no more.
MOMENT = timedelta(milliseconds=50)


# -- Steps: effects and everything else that may differ the next time


@tour.handler()
async def steps(ctx: perdure.Context) -> list[str]:
    """Record what a function came to; it runs again only if it failed."""
    # A plain function goes to a thread, an async one to the event loop; arguments follow the name.
    plain = await ctx.run_typed("plain", greeting, name="plain")
    patient = await ctx.run_typed("patient", greeting_later, name="patient")
    # Retries of this step alone: when they are used up, it raises TerminalError.
    options = perdure.RunOptions[str](max_attempts=20, initial_retry_interval=MOMENT)
    stubborn = await ctx.run_typed("stubborn", greeting, options, name="stubborn")
    return [plain, patient, stubborn]


@tour.handler()
async def chance(ctx: perdure.Context) -> dict[str, Any]:
    """Draw ids and numbers that are the same in every attempt, and ask for the time."""
    return {
        "id": str(ctx.uuid()),
        "dice": ctx.random().randint(1, 6),
        "seconds_since_1970": await ctx.time(),
    }


@tour.handler()
async def failures(ctx: perdure.Context) -> str:
    """Tell a failure that may pass from one that will not.

    Any other exception is retried, forever if need be. TerminalError is an answer: it goes to the
    caller, here and over HTTP, with its status.
    """
    try:
        await ctx.run_typed("refuse", refuse)
    except perdure.TerminalError as refused:
        reason = f"refused with {refused.status_code}: {refused.message}"
    few = perdure.RunOptions[None](max_attempts=2, initial_retry_interval=MOMENT)
    try:
        await ctx.run_typed("never", never_answer, few)
    except perdure.TerminalError:
        return f"{reason}; given up after two attempts"
    return reason


# -- Time


@tour.handler()
async def timers(ctx: perdure.Context) -> str:
    """Sleep, durably: whoever restarts the process does not restart the clock."""
    await ctx.sleep(MOMENT)
    match await perdure.select(slow=ctx.sleep(timedelta(hours=1)), fast=ctx.sleep(MOMENT)):
        case [name, _]:
            return f"the {name} one was first"
    return "unreachable"


# -- Other handlers


@tour.handler()
async def calls(ctx: perdure.Context, name: str) -> list[Any]:
    """Call and wait: by handler, or by name when the handler lives elsewhere."""
    # To the type of a handler belong the types of its argument and result.
    greeted = await ctx.service_call(greet, arg=name)
    lines = await ctx.object_call(write, key=name, arg="was called")
    reply = await ctx.generic_call("Tour", "greet", json.dumps(name).encode())
    return [greeted, lines, json.loads(reply)]


@tour.handler()
async def messages(ctx: perdure.Context, name: str) -> None:
    """Send and go on: what is sent arrives once, also after a crash; later, if asked for."""
    ctx.service_send(greet, arg=name)
    ctx.object_send(write, key=name, arg="now")
    ctx.object_send(write, key=name, arg="later", send_delay=MOMENT)
    ctx.generic_send("Tour", "greet", json.dumps(name).encode())


@tour.handler()
async def invocations(ctx: perdure.Context, name: str) -> list[str]:
    """Keep the id of what was sent: to wait for it, or to cancel it."""
    # The key makes all sends of this attempt and others one invocation.
    handle = ctx.service_send(greet, arg=name, idempotency_key=f"greet-{name}")
    greeted = await ctx.attach_invocation(await handle.invocation_id(), type_hint=str)
    doomed = ctx.service_call(wait_forever, arg=None)
    await doomed.cancel_invocation()
    try:
        await doomed
    except perdure.TerminalError as cancelled:
        return [greeted, cancelled.message]
    return [greeted]


# -- Several things at once


@tour.handler()
async def together(ctx: perdure.Context) -> list[str]:
    """Begin, then wait: for all, for some, for one after the other as they come."""
    first = ctx.run_typed("first", greeting_later, name="first")
    second = ctx.run_typed("second", greeting_later, name="second")
    third = ctx.service_call(greet, arg="third")
    await perdure.gather(first, second)
    done, waiting = await perdure.wait_completed(first, third)
    async for future in perdure.as_completed(*done, *waiting):
        await future
    return [await first, await second, await third]


@tour.handler()
async def races(ctx: perdure.Context) -> str:
    """Take what comes first; the winner is recorded, so it wins in every replay."""
    match await perdure.select(
        greeting=ctx.service_call(greet, arg="quick"), timeout=ctx.sleep(timedelta(minutes=1))
    ):
        case ["greeting", text]:
            return str(text)
    return "too late"


@tour.handler()
async def plain_asyncio(ctx: perdure.Context) -> list[str]:
    """Use what Python has: tasks, groups and timeouts are as repeatable as the rest."""
    async with asyncio.TaskGroup() as group:
        left = group.create_task(_in_two_steps(ctx, "left"))
        right = group.create_task(_in_two_steps(ctx, "right"))
    try:
        async with asyncio.timeout(MOMENT.total_seconds()):
            await ctx.sleep(timedelta(hours=1))
    except TimeoutError:
        return [left.result(), right.result(), "timed out"]
    return ["unreachable"]


async def _in_two_steps(ctx: perdure.Context, name: str) -> str:
    await ctx.sleep(MOMENT)
    return await ctx.run_typed(name, greeting, name=name)


# -- Things that happen outside


@tour.handler()
async def awakeables(ctx: perdure.Context) -> str:
    """Wait for whoever knows an id: another handler here, or somebody over HTTP."""
    identifier, answer = ctx.awakeable(type_hint=str)
    ctx.service_send(reply_to, arg=identifier)
    unwanted, refusal = ctx.awakeable(type_hint=str)
    ctx.reject_awakeable(unwanted, "nobody wants this", failure_code=410)
    try:
        await refusal
    except perdure.TerminalError as refused:
        return f"{await answer}; {refused.message}"
    return await answer


@tour.handler()
async def signals(ctx: perdure.Context) -> str:
    """Wait for a signal by name; whoever knows the invocation can send one."""
    ctx.service_send(send_signal, arg=ctx.request().id)
    return await ctx.signal("nudge", type_hint=str)


@tour.handler()
async def request_parts(ctx: perdure.Context) -> dict[str, str]:
    """Look at the request: id, headers, and the body as it came."""
    request = ctx.request()
    return {
        "id": request.id,
        "colour": request.headers.get("x-colour", "none"),
        "body": request.body.decode(),
    }


# -- State


@notes.handler()
async def state(ctx: perdure.ObjectContext, line: str) -> dict[str, Any]:
    """Read, write and clear what is kept under this key."""
    lines = await ctx.get("lines", type_hint=list[str]) or []
    ctx.set("lines", [*lines, line])
    ctx.set("draft", line)
    names = sorted(await ctx.state_keys())
    ctx.clear("draft")
    return {"key": ctx.key(), "names": names, "lines": await ctx.get("lines")}


@notes.handler()
async def write(ctx: perdure.ObjectContext, line: str) -> list[str]:
    """Append a line."""
    lines = [*(await ctx.get("lines", type_hint=list[str]) or []), line]
    ctx.set("lines", lines)
    return lines


@notes.handler(kind="shared")
async def read(ctx: perdure.ObjectSharedContext) -> list[str]:
    """Read the lines, also while one is being written."""
    return await ctx.get("lines", type_hint=list[str]) or []


@notes.handler()
async def burn(ctx: perdure.ObjectContext) -> None:
    """Forget everything under this key."""
    ctx.clear_all()


# -- Durable promises: how a workflow's handlers talk to each other


@lock.main()
async def run(ctx: perdure.WorkflowContext) -> str:
    """Wait until a code is brought."""
    code = await ctx.promise("code", type_hint=str).value()
    return f"{ctx.key()} opened with {code}"


@lock.handler("open")
async def bring_code(ctx: perdure.WorkflowSharedContext, code: str) -> bool:
    """Bring a code; False if one was brought before."""
    promise = ctx.promise("code", type_hint=str)
    if await promise.peek() is not None:
        return False
    if not code.isdigit():
        raise perdure.TerminalError("a code is made of digits", status_code=400)
    await promise.resolve(code)
    return True


# -- Who is called


@tour.handler()
async def greet(ctx: perdure.Context, name: str) -> str:
    """Greet, durably."""
    return await ctx.run_typed("greet", greeting, name=name)


@tour.handler()
async def reply_to(ctx: perdure.Context, identifier: str) -> None:
    """Complete an awakeable."""
    ctx.resolve_awakeable(identifier, "hello from another handler")


@tour.handler()
async def send_signal(ctx: perdure.Context, invocation: str) -> None:
    """Send a signal."""
    ctx.resolve_signal(invocation, "nudge", "nudged")


@tour.handler()
async def wait_forever(ctx: perdure.Context) -> None:
    """Wait for nothing that will come."""
    await ctx.sleep(timedelta(days=365))


def greeting(name: str) -> str:
    """Compose a greeting, with the help of somebody unreliable."""
    reach(f"greet {name}")
    return f"hello {name}"


async def greeting_later(name: str) -> str:
    """Compose a greeting without keeping a thread waiting."""
    await asyncio.sleep(0.01)
    return f"hello {name}"


def refuse() -> None:
    """Fail for good."""
    raise perdure.TerminalError("not for you", status_code=403)


def never_answer() -> None:
    """Fail each time."""
    raise OutageError("nobody is there")


app = perdure.app([tour, notes, lock])
