"""Every way to call or send, with what goes over to the server."""

from datetime import timedelta

import pytest
from scripted_server import NOW_MS, Server, service

from perdure.protocol.messages import Call, OneWayCall
from perdure.sdk.context import Context, ObjectContext, WorkflowContext
from perdure.sdk.services import Service, VirtualObject, Workflow

SECOND = timedelta(seconds=1)
HEADERS = {"h": "v"}

greeter, cart, order = Service("Greeter"), VirtualObject("Cart"), Workflow("Order")


@greeter.handler()
async def greet(ctx: Context, name: str) -> str:
    return name


@greeter.handler()
async def ping(ctx: Context) -> None:
    pass


@cart.handler()
async def add(ctx: ObjectContext, item: str) -> int:
    return len(item)


@order.main()
async def ship(ctx: WorkflowContext, item: str) -> int:
    return len(item)


OPTIONS = {"idempotency_key": "i", "headers": HEADERS}
SENT = {"headers": (("h", "v"),), "idempotency_key": "i"}
SCOPED = {"scope": "s", "limit_key": "l"}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            lambda ctx: ctx.service_call(greet, "a", **OPTIONS),
            Call("Greeter", "greet", b'"a"', 1, 2, **SENT),
        ),
        (lambda ctx: ctx.service_call(ping, None), Call("Greeter", "ping", b"", 1, 2)),
        (
            lambda ctx: ctx.service_send(greet, "a", SECOND, **OPTIONS),
            OneWayCall("Greeter", "greet", b'"a"', 1, NOW_MS + 1000, **SENT),
        ),
        (
            lambda ctx: ctx.object_call(add, "k", "a", **OPTIONS),
            Call("Cart", "add", b'"a"', 1, 2, key="k", **SENT),
        ),
        (
            lambda ctx: ctx.object_send(add, "k", "a", SECOND, **OPTIONS),
            OneWayCall("Cart", "add", b'"a"', 1, NOW_MS + 1000, key="k", **SENT),
        ),
        (
            lambda ctx: ctx.workflow_call(ship, "k", "a", **OPTIONS),
            Call("Order", "ship", b'"a"', 1, 2, key="k", **SENT),
        ),
        (
            lambda ctx: ctx.workflow_send(ship, "k", "a", SECOND, **OPTIONS),
            OneWayCall("Order", "ship", b'"a"', 1, NOW_MS + 1000, key="k", **SENT),
        ),
        (
            lambda ctx: ctx.generic_call("X", "y", b"z", "k", "i", HEADERS, "s", "l"),
            Call("X", "y", b"z", 1, 2, key="k", **SENT, **SCOPED),
        ),
        (
            lambda ctx: ctx.generic_send("X", "y", b"z", "k", None, "i", HEADERS, "s", "l"),
            OneWayCall("X", "y", b"z", 1, 0, key="k", **SENT, **SCOPED),
        ),
        (
            lambda ctx: ctx.scope("s").service_call(greet, "a", "l", **OPTIONS),
            Call("Greeter", "greet", b'"a"', 1, 2, **SENT, **SCOPED),
        ),
        (
            lambda ctx: ctx.scope("s").service_send(greet, "a", SECOND, "l", **OPTIONS),
            OneWayCall("Greeter", "greet", b'"a"', 1, NOW_MS + 1000, **SENT, **SCOPED),
        ),
        (
            lambda ctx: ctx.scope("s").object_call(add, "k", "a", "l", **OPTIONS),
            Call("Cart", "add", b'"a"', 1, 2, key="k", **SENT, **SCOPED),
        ),
        (
            lambda ctx: ctx.scope("s").object_send(add, "k", "a", SECOND, "l", **OPTIONS),
            OneWayCall("Cart", "add", b'"a"', 1, NOW_MS + 1000, key="k", **SENT, **SCOPED),
        ),
        (
            lambda ctx: ctx.scope("s").workflow_call(ship, "k", "a", "l", **OPTIONS),
            Call("Order", "ship", b'"a"', 1, 2, key="k", **SENT, **SCOPED),
        ),
        (
            lambda ctx: ctx.scope("s").workflow_send(ship, "k", "a", SECOND, "l", **OPTIONS),
            OneWayCall("Order", "ship", b'"a"', 1, NOW_MS + 1000, key="k", **SENT, **SCOPED),
        ),
    ],
)
async def test_every_way_to_call(call, expected):
    async def run(ctx: Context) -> None:
        call(ctx)

    assert Server(service(run)).run().commands[0] == expected


async def test_a_call_can_be_cancelled():
    async def run(ctx: Context) -> None:
        future = ctx.object_call(add, "k", "a")
        await future.cancel_invocation()

    commands = Server(service(run)).run().commands
    assert commands[1].target_invocation_id == "inv_1child1"
    assert commands[1].signal == 1
