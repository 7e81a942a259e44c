"""A program as a user writes it: that it says what the types are is what a type checker checks."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import assert_type

import perdure
from perdure import (
    BytesSerde,
    Context,
    JsonSerde,
    ObjectContext,
    ObjectSharedContext,
    RestateDurableFuture,
    RunOptions,
    Service,
    VirtualObject,
    Workflow,
    WorkflowContext,
    WorkflowSharedContext,
)
from perdure.context_managers import contextvar


@dataclasses.dataclass
class Order:
    number: int


@contextvar
@asynccontextmanager
async def stock() -> AsyncIterator[dict[str, int]]:
    yield {"apples": 1}


@asynccontextmanager
async def till() -> AsyncIterator[float]:
    yield 1.0


shop = Service("Shop", invocation_context_managers=[stock, till])
cart = VirtualObject("Cart", enable_lazy_state=True)
signup = Workflow("Signup")


@shop.handler()
async def greet(ctx: Context, name: str) -> str:
    return name


@shop.handler("place", output_serde=JsonSerde[Order]())
async def order(ctx: Context, placed: Order) -> Order:
    return placed


@shop.handler(inactivity_timeout=timedelta(seconds=1))
async def count(ctx: Context) -> int:
    assert_type(stock.value, dict[str, int])
    return 1


@shop.handler()
async def maybe(ctx: Context, name: str | None) -> int | None:
    return None if name is None else len(name)


@cart.handler()
async def put(ctx: ObjectContext, number: int) -> None:
    ctx.set("number", number)
    assert_type(await ctx.get("number", type_hint=int), int | None)
    assert_type(await ctx.get("order", serde=JsonSerde[Order]()), Order | None)
    assert_type(await ctx.state_keys(), list[str])
    assert_type(ctx.key(), str)


@cart.handler(kind="shared")
async def read(ctx: ObjectSharedContext) -> int:
    return await ctx.get("number", type_hint=int) or 0


@signup.main()
async def run(ctx: WorkflowContext, email: str) -> str:
    code = ctx.promise("code", type_hint=str)
    assert_type(await code.peek(), str | None)
    assert_type(await code.value(), str)
    return await code


@signup.handler()
async def click(ctx: WorkflowSharedContext, code: str) -> None:
    await ctx.promise("code", type_hint=str).resolve(code)


def draw() -> int:
    return 4


def look_up() -> str | None:
    return None


async def charge(number: int, card: str = "") -> Order:
    return Order(number)


@shop.handler()
async def steps(ctx: Context) -> None:
    assert_type(await ctx.run_typed("draw", draw), int)
    assert_type(await ctx.run_typed("look up", look_up), str | None)
    assert_type(await ctx.run_typed("text", lambda: "x"), str)
    assert_type(await ctx.run_typed("charge", charge, number=1), Order)
    options = RunOptions(serde=JsonSerde[Order](), max_attempts=3)
    assert_type(await ctx.run_typed("charge", charge, options, 1, card="x"), Order)
    assert_type(await ctx.run("draw", draw, max_attempts=3), int)
    assert_type(await ctx.run("charge", charge, args=(1,)), Order)
    assert_type(await ctx.run("charge", lambda: charge(1), type_hint=Order), Order)
    charged = await ctx.run("charge", lambda: charge(1))
    assert_type(charged, Order)
    await ctx.sleep(timedelta(seconds=1))
    assert_type(await ctx.time(), float)


@shop.handler()
async def calls(ctx: Context) -> None:
    assert_type(await ctx.service_call(greet, "Ada", idempotency_key="k"), str)
    assert_type(await ctx.service_call(order, Order(1)), Order)
    assert_type(await ctx.service_call(count, None), int)
    assert_type(await ctx.service_call(maybe, None), int | None)
    assert_type(await ctx.object_call(read, "a", None), int)
    assert_type(await ctx.workflow_call(run, "a", arg="x"), str)
    assert_type(await ctx.generic_call("Shop", "greet", b""), bytes)
    assert_type(await ctx.scope("s").service_call(greet, "Ada", limit_key="l"), str)
    sent = ctx.object_send(put, "a", 1, send_delay=timedelta(seconds=1))
    assert_type(await sent.invocation_id(), str)
    assert_type(await ctx.attach_invocation("inv_1", type_hint=Order), Order)


@shop.handler()
async def waits(ctx: Context) -> None:
    name, placed = ctx.awakeable(type_hint=Order)
    assert_type(name, str)
    assert_type(await placed, Order)
    assert_type(await ctx.awakeable(serde=BytesSerde())[1], bytes)
    assert_type(await ctx.signal("go", type_hint=int), int)
    futures: list[RestateDurableFuture[str]] = [ctx.service_call(greet, "Ada") for _ in range(2)]
    await perdure.gather(*futures)
    text, number = await asyncio.gather(ctx.service_call(greet, ""), ctx.service_call(count, None))
    assert_type(text, str)
    assert_type(number, int)
    assert_type(await asyncio.wait_for(ctx.service_call(greet, ""), 3), str)


async def from_outside() -> None:
    async with perdure.create_client("http://localhost:8080") as client:
        assert_type(await client.service_call(greet, "Ada"), str)
        assert_type(await client.object_call(read, "a", None), int)
        sent = await client.workflow_send(run, "a", "x")
        assert_type(sent.invocation_id, str)
        assert_type((await client.workflow_output(run, "a")).value, str | None)


app = perdure.app([shop, cart, signup])
