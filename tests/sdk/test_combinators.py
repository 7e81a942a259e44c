"""The official SDK's ways of waiting for several futures."""

import asyncio
import sys

import pytest
from scripted_server import DAY, Server, service

from perdure.protocol.messages import (
    VOID,
    Call,
    Combinator,
    Completion,
    CompletionKind,
    Failure,
    Future,
    Sleep,
    Value,
)
from perdure.sdk.combinators import as_completed, gather, select, wait_completed
from perdure.sdk.context import Context
from perdure.sdk.errors import TerminalError
from perdure.sdk.futures import PRUNED_MIN


def call(ctx: Context):
    return ctx.generic_call("X", "y", b"")


async def test_gather_waits_for_all_and_raises_nothing():
    async def run(ctx: Context) -> list[str]:
        futures = await gather(call(ctx), call(ctx))
        seen = [(await futures[0]).decode()]
        try:
            await futures[1]
        except TerminalError as error:
            seen.append(error.message)
        return seen

    server = Server(service(run)).run()
    server.complete(Call, 1, Failure(500, "no"))
    assert not server.ended
    server.complete(Call, 0, Value(b"yes"))
    assert server.outcome == b'["yes","no"]'


async def test_gather_of_nothing_or_of_what_is_done_does_not_wait():
    async def run(ctx: Context) -> int:
        done = ctx.sleep(DAY)
        await done
        return len(await gather()) + len(await gather(done, done))

    server = Server(service(run)).run()
    server.complete(Sleep, 0)
    assert server.outcome == b"2"


async def test_gather_counts_a_future_once():
    async def run(ctx: Context) -> None:
        future = ctx.sleep(DAY)
        await gather(future, future)

    server = Server(service(run)).run()
    server.complete(Sleep, 0)
    assert server.ended


async def test_select_names_the_first():
    async def run(ctx: Context) -> list[object]:
        match await select(answer=call(ctx), timeout=ctx.sleep(DAY)):
            case ["answer", value]:
                return ["answered", value.decode()]
            case [name, value]:
                return [name, value]
        return []

    server = Server(service(run)).run()
    assert server.announced == Future((2, 3), (1,))
    server.complete(Sleep, 0)
    assert server.outcome == b'["timeout",null]'


async def test_select_raises_the_failure_of_the_first():
    async def run(ctx: Context) -> object:
        return await select(answer=call(ctx))

    server = Server(service(run)).run()
    server.complete(Call, 0, Failure(402, "no"))
    assert server.outcome == Failure(402, "no")


async def test_wait_completed_tells_done_from_pending():
    async def run(ctx: Context) -> list[list[int]]:
        futures = [ctx.sleep(DAY) for _ in range(3)]
        done, pending = await wait_completed(*futures)
        first = [[futures.index(each) for each in part] for part in (done, pending)]
        again, _ = await wait_completed(*futures)
        return [*first, [futures.index(each) for each in again]]

    server = Server(service(run)).run()
    server.complete(Sleep, 1)
    assert server.outcome == b"[[1],[0,2],[1]]"


async def test_as_completed_gives_them_as_they_come():
    async def run(ctx: Context) -> list[int]:
        futures = [ctx.sleep(DAY) for _ in range(3)]
        return [futures.index(each) async for each in as_completed(*futures)]

    server = Server(service(run)).run()
    for nth in (2, 0, 1):
        server.complete(Sleep, nth)
    assert server.outcome == b"[2,0,1]"


async def test_as_completed_gives_what_came_together_in_the_order_given():
    async def run(ctx: Context) -> list[int]:
        futures = [ctx.sleep(DAY) for _ in range(4)]
        seen = []
        async for each in as_completed(*futures, futures[0]):
            seen.append(futures.index(each))
            if len(seen) == 1:
                await futures[0]
        return seen

    server = Server(service(run)).run()
    for nth in (3, 2, 1, 0):
        server.complete(Sleep, nth)
    assert server.outcome == b"[3,0,1,2,0]"


async def test_as_completed_waits_for_its_futures_only_while_it_waits():
    many = 2 * PRUNED_MIN

    async def run(ctx: Context) -> None:
        async for _ in as_completed(*(ctx.sleep(DAY) for _ in range(many))):
            await call(ctx)

    server = Server(service(run)).run(request_response=True)
    assert server.suspended_on.completions == tuple(range(1, many + 1))
    server.attempt = None
    server.complete(Sleep, 0)
    assert server.run(request_response=True).suspended_on == Future((many + 2,), (1,))
    server.attempt = None
    server.complete(Call, 0, Value(b""))
    server.run(request_response=True)
    assert server.suspended_on.completions == tuple(range(2, many + 1))


async def test_as_completed_hears_of_a_cancellation_and_loses_nothing():
    async def run(ctx: Context) -> list[str]:
        futures = [ctx.sleep(DAY), ctx.sleep(DAY)]
        seen: list[str] = []
        while len(seen) < 3:
            try:
                seen.extend([str(futures.index(each)) async for each in as_completed(*futures)])
            except TerminalError as error:
                seen.append(error.message)
        return seen

    server = Server(service(run)).run()
    server.signal(1)
    server.complete(Sleep, 1)
    server.complete(Sleep, 0)
    assert server.outcome == b'["cancelled","1","0"]'


async def test_as_completed_costs_each_future_but_once():
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    async def cost(many: int) -> int:
        async def run(ctx: Context) -> int:
            return len(
                [each async for each in as_completed(*(ctx.sleep(DAY) for _ in range(many)))]
            )

        server = Server(service(run)).run()
        ends = [Completion(CompletionKind.SLEEP, nth + 1, VOID) for nth in range(many)]
        before = calls
        sys.setprofile(count)
        for end in ends:
            server.attempt.receive([end])
        sys.setprofile(None)
        assert server.outcome == str(many).encode()
        return calls - before

    assert await cost(400) < 3 * await cost(200)


@pytest.mark.parametrize("race", [select, lambda **both: wait_completed(*both.values())])
async def test_a_step_that_lost_to_what_was_known_already_is_no_mistake(race):
    async def run(ctx: Context) -> str:
        stop = ctx.signal("stop")
        await ctx.sleep(DAY)
        await race(work=ctx.run_typed("work", str), stop=stop)
        return "stopped"

    server = Server(service(run)).run()
    server.signal("stop")
    server.complete(Sleep, 0)
    assert server.error is None, server.error.message
    assert server.outcome == b'"stopped"'


async def test_a_step_that_was_given_up_is_no_mistake_either():
    async def run(ctx: Context) -> str:
        ctx.run_typed("work", str).cancel()
        return "never mind"

    assert Server(service(run)).run().outcome == b'"never mind"'


async def test_groups_may_be_waited_for_beside_others():
    async def run(ctx: Context) -> None:
        first, second, third = (ctx.sleep(DAY) for _ in range(3))
        async with asyncio.TaskGroup() as group:
            group.create_task(gather(first, second))
            group.create_task(gather(second, third))
            group.create_task(wait_completed(third))

    server = Server(service(run)).run()
    groups = tuple(Future(each, combinator=Combinator.ALL_COMPLETED) for each in ((1, 2), (2, 3)))
    assert server.close_input().suspended_on == Future((3,), (1,), nested=groups)


@pytest.mark.parametrize("wait", [gather, wait_completed, lambda each: select(it=each)])
async def test_only_durable_futures_are_taken(wait):
    async def run(_ctx: Context) -> None:
        await wait(asyncio.create_task(asyncio.sleep(0)))

    assert "asyncio.gather" in Server(service(run)).run().error.message


async def test_select_needs_something():
    async def run(_ctx: Context) -> None:
        await select()

    assert "select(name=future)" in Server(service(run)).run().error.message
