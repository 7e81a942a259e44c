"""Cancellation: where handlers hear of it, and what is cancelled with them."""

import asyncio

import pytest
from scripted_server import DAY, Server, service, until

from perdure.protocol.messages import (
    VOID,
    Command,
    Completion,
    CompletionKind,
    Failure,
    InvocationIdentity,
    Run,
    SendSignal,
    Signal,
    Sleep,
    Value,
)
from perdure.sdk.combinators import as_completed, gather, wait_completed
from perdure.sdk.context import Context
from perdure.sdk.errors import TerminalError


async def test_the_handler_is_told_where_it_waits():
    async def run(ctx: Context) -> str:
        try:
            await ctx.sleep(DAY)
        except TerminalError as error:
            return f"{error.status_code} {error.message}"
        return ""

    server = Server(service(run)).run()
    server.signal(1)
    assert server.outcome == b'"409 cancelled"'


async def test_it_is_the_result_if_nobody_minds():
    async def run(_ctx: Context) -> None:
        await asyncio.sleep(60)

    server = Server(service(run)).run()
    server.signal(1)
    assert server.outcome == Failure(409, "cancelled")


@pytest.mark.parametrize("how", ["gather", "wait", "group", "combined"])
async def test_every_way_of_waiting_hears_of_it(how: str):
    async def run(ctx: Context) -> None:
        futures = [ctx.sleep(DAY), ctx.sleep(DAY)]
        match how:
            case "gather":
                await asyncio.gather(*futures)
            case "wait":
                done, _ = await asyncio.wait(futures)
                for future in done:
                    await future
            case "group":
                async with asyncio.TaskGroup() as group:
                    for future in futures:
                        group.create_task(asyncio.wait_for(future, 5))
            case "combined":
                await gather(*futures)

    server = Server(service(run)).run()
    server.signal(1)
    assert server.outcome == Failure(409, "cancelled")


async def wait_with_timeout(work):
    """Wait as long as a task takes, but not for ever."""
    done, _ = await asyncio.wait({asyncio.ensure_future(work)}, timeout=60)
    for task in done:
        task.result()


async def wait_for(work):
    """Wait likewise, in the older way."""
    await asyncio.wait_for(work, 60)


@pytest.mark.parametrize("waiting", [wait_with_timeout, wait_for])
async def test_a_timeout_does_not_run_away_from_who_cleans_up(waiting):
    async def run(ctx: Context) -> None:
        async def book() -> None:
            try:
                await ctx.sleep(DAY)
            except TerminalError:
                await ctx.run_typed("undo", str)
                raise

        await waiting(book())

    server = Server(service(run)).run()
    server.signal(1)
    await until(lambda: server.ended)
    assert server.said_of(Run) == [Run(3, "undo")]
    assert server.outcome == Failure(409, "cancelled")


async def test_calls_are_cancelled_too_but_not_sends():
    async def run(ctx: Context) -> None:
        ctx.generic_send("X", "y", b"")
        calls = [ctx.generic_call("X", "y", b""), ctx.generic_call("X", "y", b"")]
        await asyncio.gather(*calls)

    server = Server(service(run)).run()
    server.signal(1)
    assert server.said_of(SendSignal) == [
        SendSignal("inv_1child2", 1, VOID),
        SendSignal("inv_1child4", 1, VOID),
    ]


@pytest.mark.parametrize("again", [False, True])
async def test_what_was_given_up_is_not_begun_unless_it_is_awaited_again(again: bool):
    """An earlier attempt has begun the step, and died before it had a result."""
    executed = []

    async def run(ctx: Context) -> str:
        step = ctx.run_typed("charge", lambda: executed.append(1))
        try:
            await step
        except TerminalError:
            await ctx.sleep(DAY)
        if again:
            await step
        return "undone"

    server = Server(service(run), journal=[Run(1, "charge"), Signal(1, VOID)]).run()
    server.complete(Sleep, 0)
    await until(lambda: server.ended)
    assert server.outcome == b'"undone"'
    assert len(executed) == again


async def test_what_lost_a_race_is_not_begun():
    executed = []

    async def run(ctx: Context) -> int:
        done, _ = await wait_completed(
            ctx.run_typed("a", lambda: executed.append(1)), ctx.sleep(DAY)
        )
        await ctx.sleep(DAY)
        return len(done)

    journal = [Run(1, "a"), Sleep(1, 2), Completion(CompletionKind.SLEEP, 2, VOID)]
    server = Server(service(run), journal=journal).run()
    server.complete(Sleep, 1)
    assert server.outcome == b"1"
    assert not executed


@pytest.mark.parametrize("ends", ["never", "in the middle", "by cancellation"])
async def test_what_is_asked_for_one_by_one_goes_on_until_nobody_asks(ends: str):
    """The next attempt, too, executes a step while the handler is busy with another's result."""
    executed = []

    async def run(ctx: Context) -> None:
        steps = [ctx.run_typed(name, lambda name=name: executed.append(name)) for name in "ab"]
        try:
            async for _ in as_completed(*steps):
                if ends == "in the middle":
                    break
                if ends == "never":
                    await ctx.sleep(DAY)
        except TerminalError:
            pass
        await ctx.sleep(DAY)

    journal = [Run(1, "a"), Run(2, "b"), Completion(CompletionKind.RUN, 1, Value(b"null"))]
    if ends == "by cancellation":
        journal.append(Signal(1, VOID))
    server = Server(service(run), journal=journal).run()
    assert server.said_of(Sleep)
    await until(lambda: ends != "never" or executed)
    assert executed == (["b"] if ends == "never" else [])
    server.abandon()


class Slow(Server):
    """A server that takes its time to give calls their ids."""

    def _answer(self, command: Command) -> None:
        pass


async def test_nothing_more_is_executed_until_it_was_passed_on():
    executed = []

    async def run(ctx: Context) -> None:
        call, step = (
            ctx.generic_call("X", "y", b""),
            ctx.run_typed("step", lambda: executed.append(1)),
        )
        await gather(call, step)

    server = Slow(service(run), journal=[Signal(1, VOID)]).run()
    assert server.announced.completions == (1,)
    server.notify(Completion(CompletionKind.CALL_INVOCATION_ID, 1, InvocationIdentity("inv_1a")))
    assert server.said_of(SendSignal) == [SendSignal("inv_1a", 1, VOID)]
    assert server.outcome == Failure(409, "cancelled")
    assert not executed


async def test_what_came_later_is_not_told_before_it():
    told = []

    async def run(ctx: Context) -> None:
        night, _ = ctx.sleep(DAY), ctx.generic_call("X", "y", b"")
        for _ in range(2):
            try:
                told.append(await night)
            except TerminalError as error:
                told.append(error.message)

    journal = [Sleep(1, 1), Signal(1, VOID), Completion(CompletionKind.SLEEP, 1, VOID)]
    server = Slow(service(run), journal=journal).run()
    assert not told
    server.notify(Completion(CompletionKind.CALL_INVOCATION_ID, 2, InvocationIdentity("inv_1a")))
    assert told == ["cancelled", None]
    assert server.ended


async def test_it_can_be_survived_and_come_again():
    async def run(ctx: Context) -> int:
        survived = 0
        future = ctx.sleep(DAY)
        while True:
            try:
                await future
            except TerminalError:
                survived += 1
            else:
                return survived

    server = Server(service(run)).run()
    server.signal(1)
    server.signal(1)
    server.complete(Sleep, 0)
    assert server.outcome == b"2"


async def test_it_waits_until_the_handler_waits():
    go_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(ctx: Context) -> str:
        await go_on
        try:
            await ctx.sleep(DAY)
        except TerminalError:
            return "told"
        return ""

    server = Server(service(run)).run()
    server.signal(1)
    assert not server.said
    go_on.set_result(None)
    await until(lambda: server.ended)
    assert server.outcome == b'"told"'
