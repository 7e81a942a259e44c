"""What handlers do wrong, and how they are told."""

import asyncio

import pytest
from scripted_server import DAY, Server, greet, service, until, virtual_object

from perdure.protocol.messages import (
    ClearAllState,
    Error,
    ProposeRunCompletion,
    Run,
    SendSignal,
    Sleep,
)
from perdure.sdk.context import Context, ObjectContext
from perdure.sdk.errors import ContextMisuseError

# -- Code that changed under its journal


async def test_waiting_where_the_journal_goes_on_is_told():
    async def run(ctx: Context) -> None:
        await ctx.sleep(DAY)
        await ctx.run_typed("later", greet)

    error = Server(service(run), journal=[Sleep(1, 1), Run(2, "later")]).run().error
    assert error.code == 570
    assert "command 2 of the journal is Run 'later'" in error.message
    assert "waits" in error.message


async def test_doing_something_else_ends_the_attempt_for_good():
    async def run(ctx: Context) -> str:
        try:
            ctx.sleep(DAY)
        except Exception:  # noqa: BLE001 - too late to be caught
            return "caught"
        return "no"

    server = Server(service(run), journal=[Run(1, "charge")]).run()
    assert [each.code for each in server.said] == [570]


async def test_a_cancellation_that_is_not_passed_on_is_told():
    async def run(ctx: Context) -> None:
        await ctx.generic_call("X", "y", b"")

    server = Server(service(run)).run()
    server.signal(1)
    server.journal = [
        ClearAllState() if isinstance(each, SendSignal) else each for each in server.journal
    ]
    assert server.run().error.code == 570


# -- Contexts in the wrong place


async def test_the_context_ends_with_its_handler():
    kept: list[Context] = []

    async def run(ctx: Context) -> None:
        kept.append(ctx)

    Server(service(run)).run()
    with pytest.raises(ContextMisuseError, match="outside of its handler"):
        kept[0].sleep(DAY)


async def test_a_task_that_outlives_the_handler_is_told():
    errors: list[BaseException] = []

    async def run(ctx: Context) -> None:
        async def late() -> None:
            try:
                ctx.sleep(DAY)
            except ContextMisuseError as error:
                errors.append(error)

        kept.append(asyncio.create_task(late()))

    kept: list[object] = []
    assert Server(service(run)).run().ended
    assert "TaskGroup" in str(errors[0])


async def test_a_result_cannot_be_awaited_elsewhere():
    kept = []

    async def run(ctx: Context) -> None:
        kept.append(ctx.sleep(DAY))
        await kept[0]

    Server(service(run)).run()
    with pytest.raises(ContextMisuseError, match="outside of its handler"):
        await kept[0]


async def test_a_handler_that_spins_does_not_stop_the_process():
    done = []

    async def run(_ctx: Context) -> str:
        while not done:  # noqa: ASYNC110 - the spinning is what is tested
            await asyncio.sleep(0)
        return "done"

    server = Server(service(run)).run()
    await asyncio.sleep(0)
    done.append(1)
    await until(lambda: server.ended)
    assert server.outcome == b'"done"'


async def test_an_error_of_the_sdk_cannot_be_kept():
    async def run(ctx: Context) -> str:
        try:
            await ctx.scope("s").service_call(greet, "")
        except BaseException:  # noqa: BLE001 - what no handler should write
            return "kept"
        return ""

    server = Server(service(run), version=6).run()
    assert [type(each) for each in server.said] == [Error]


# -- What invocations cannot share


async def test_a_lock_that_invocations_share_is_refused_with_advice():
    lock = asyncio.Lock()

    async def run(ctx: Context) -> None:
        async with lock:
            await ctx.sleep(DAY)

    servers = [Server(service(run)).run() for _ in range(3)]
    message = servers[2].error.message
    assert "bound to a different event loop" in message
    assert "virtual object" in message
    for server in servers:
        server.abandon()


async def test_a_lock_within_one_invocation_works():
    async def run(ctx: Context) -> list[int]:
        lock, order = asyncio.Lock(), []

        async def worker(number: int) -> None:
            async with lock:
                await ctx.sleep(DAY)
                order.append(number)

        await asyncio.gather(*(worker(number) for number in range(3)))
        return order

    server = Server(service(run)).run()
    for nth in range(3):
        server.complete(Sleep, nth)
    assert server.outcome == b"[0,1,2]"


async def test_a_lock_in_actions_is_shared_by_all_invocations():
    lock, order = asyncio.Lock(), []

    async def action() -> None:
        async with lock:
            order.append("in")
            await asyncio.sleep(0)
            order.append("out")

    async def run(ctx: Context) -> None:
        await ctx.run_typed("action", action)

    servers = [Server(service(run)).run() for _ in range(3)]
    await until(lambda: all(server.said_of(ProposeRunCompletion) for server in servers))
    assert order == ["in", "out"] * 3


# -- What is given wrongly


@pytest.mark.parametrize(
    ("misuse", "said"),
    [
        (lambda ctx: ctx.sleep(5), "a duration is a timedelta, not 5"),
        (lambda ctx: ctx.run_typed(5, str), "A run has a name, not 5"),
        (lambda ctx: ctx.set("a", 1), "only exclusive handlers"),
        (lambda ctx: ctx.get("a"), "only virtual objects and workflows"),
        (lambda ctx: ctx.promise("a"), "only workflows have durable promises"),
        (lambda ctx: ctx.nothing, "'Context' object has no attribute 'nothing'"),
    ],
)
async def test_misuse_of_a_context_says_what_to_write(misuse, said):
    async def run(ctx: Context) -> None:
        await misuse(ctx)

    assert said in Server(service(run)).run().error.message


async def test_the_name_of_a_state_entry_is_text():
    async def run(ctx: ObjectContext) -> None:
        ctx.set(5, "value")

    assert "is a string, not int" in Server(virtual_object(run)).run().error.message
