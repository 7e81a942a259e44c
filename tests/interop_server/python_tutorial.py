"""The services of the tutorials, in the official Python SDK: one app for each part that is run."""

from __future__ import annotations

from collections import Counter as Tally
from typing import TypedDict

import restate

subscriptions = restate.Service("Subscriptions")
greeter = restate.VirtualObject("Greeter")
accounts = restate.Workflow("Accounts")

_tries: Tally[str] = Tally()


class Order(TypedDict):
    user: str
    card: str
    services: list[str]


class User(TypedDict):
    name: str
    email: str


def tell(text: str) -> None:
    """Say what happens outside: what the world would see of it."""
    print(text, flush=True)


@subscriptions.handler("add")
async def subscribe(ctx: restate.Context, order: Order) -> str:
    payment = str(ctx.uuid())
    await ctx.run_typed("pay", lambda: tell(f"charged {order['card']} for {payment}"))
    for service in order["services"]:
        await ctx.run_typed(f"subscribe to {service}", lambda service=service: join(order, service))
    return payment


def join(order: Order, service: str) -> None:
    """Subscribe with a service that is always out of order when it is first asked."""
    _tries[order["user"] + service] += 1
    if _tries[order["user"] + service] == 1:
        raise ConnectionError(f"{service} does not answer")
    tell(f"subscribed {order['user']} to {service}")


@greeter.handler()
async def greet(ctx: restate.ObjectContext, greeting: str) -> str:
    count = (await ctx.get("count", type_hint=int) or 0) + 1
    ctx.set("count", count)
    return f"{greeting} {ctx.key()}, greeting number {count}"


@greeter.handler()
async def ungreet(ctx: restate.ObjectContext) -> str:
    count = max((await ctx.get("count", type_hint=int) or 0) - 1, 0)
    ctx.set("count", count)
    return f"{ctx.key()} is left with {count}"


@accounts.main()
async def run(ctx: restate.WorkflowContext, user: User) -> bool:
    secret = str(ctx.uuid())
    ctx.set("status", "unverified")
    await ctx.run_typed("create", lambda: tell(f"created {ctx.key()} for {user['name']}"))
    await ctx.run_typed("mail", lambda: tell(f"mailed {secret} to {user['email']}"))
    verified = await ctx.promise("clicked", type_hint=str).value() == secret
    ctx.set("status", "verified" if verified else "refused")
    return verified


@accounts.handler()
async def click(ctx: restate.WorkflowSharedContext, secret: str) -> None:
    await ctx.promise("clicked", type_hint=str).resolve(secret)


@accounts.handler()
async def status(ctx: restate.WorkflowSharedContext) -> str:
    return await ctx.get("status", type_hint=str) or "unknown"


durable_execution = restate.app([subscriptions])
virtual_objects = restate.app([greeter])
workflows = restate.app([accounts])
