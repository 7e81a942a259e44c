"""Waiting: what a handler waits for, and what an attempt suspends on."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from math import inf

import pytest
from scripted_server import DAY, NOW_MS, Server, service, until

from perdure.protocol.messages import (
    AwaitingOn,
    Combinator,
    End,
    Future,
    Output,
    Sleep,
    Suspension,
    Value,
)
from perdure.sdk.combinators import gather
from perdure.sdk.context import Context
from perdure.sdk.durations import milliseconds
from perdure.sdk.errors import is_internal_exception

# -- Sleeps and timeouts


async def test_a_sleep_suspends_until_it_ends():
    async def run(ctx: Context) -> None:
        await ctx.sleep(DAY, "night")

    server = Server(service(run)).run()
    assert server.said == [
        Sleep(NOW_MS + 86_400_000, 1, "night"),
        AwaitingOn(Future((1,), (1,))),
    ]
    server.close_input()
    assert server.suspended_on == Future((1,), (1,))
    server.attempt = None
    server.complete(Sleep, 0)
    assert server.run().said == [Output(Value(b"")), End()]


async def test_asyncio_sleeps_are_durable():
    async def run(_ctx: Context) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(0)
        await asyncio.sleep(90)
        return loop.time() - began

    server = Server(service(run)).run()
    assert server.said[0] == Sleep(NOW_MS + 90_000, 1)
    server.complete(Sleep, 0)
    assert server.outcome == b"90.0"


@pytest.mark.parametrize("seconds", [inf, 1e30])
async def test_what_takes_for_ever_is_due_as_late_as_can_be(seconds: float):
    async def run(ctx: Context) -> str:
        return await asyncio.wait_for(ctx.signal("s", type_hint=str), seconds)

    server = Server(service(run)).run()
    (sleep,) = server.said_of(Sleep)
    assert sleep.wake_up_time == NOW_MS + milliseconds(timedelta.max)
    server.signal("s", Value(b'"x"'))
    assert server.outcome == b'"x"'


async def test_a_timeout_is_durable():
    async def run(ctx: Context) -> str:
        _, answer = ctx.awakeable(type_hint=str)
        try:
            async with asyncio.timeout(60):
                return await answer
        except TimeoutError:
            return "late"

    server = Server(service(run)).run()
    assert server.announced == Future((1,), (17, 1))
    server.complete(Sleep, 0)
    assert server.outcome == b'"late"'


async def test_what_a_timeout_gave_up_can_be_awaited_again():
    async def run(ctx: Context) -> str:
        _, answer = ctx.awakeable(type_hint=str)
        try:
            async with asyncio.timeout(60):
                await answer
        except TimeoutError:
            pass
        return await answer

    server = Server(service(run)).run()
    server.complete(Sleep, 0)
    assert server.announced == Future((), (17, 1))
    server.signal(17, Value(b'"done"'))
    assert server.outcome == b'"done"'


# -- Suspension


async def test_all_of_a_group_are_waited_for():
    async def run(ctx: Context) -> None:
        await gather(ctx.sleep(DAY), ctx.sleep(DAY), ctx.sleep(DAY))

    server = Server(service(run)).run()
    server.complete(Sleep, 1)
    group = Future((1, 3), combinator=Combinator.ALL_COMPLETED)
    assert server.close_input().suspended_on == Future((), (1,), nested=(group,))


async def test_before_version_7_any_of_them_wakes():
    async def run(ctx: Context) -> None:
        await gather(ctx.sleep(DAY), ctx.sleep(DAY))

    server = Server(service(run), version=6).run(request_response=True)
    assert server.said[-1] == Suspension(Future((1, 2), (1,)))
    assert not server.said_of(AwaitingOn)


async def test_timers_that_are_over_are_forgotten():
    async def run(ctx: Context) -> None:
        for _ in range(500):
            async with asyncio.timeout(60):
                await asyncio.sleep(0)
        await ctx.sleep(DAY)

    server = Server(service(run)).run()
    assert server.announced == Future((501,), (1,))
    assert server.close_input().suspended_on == Future((501,), (1,))


async def test_what_very_many_wait_for_is_told_in_the_end_only():
    async def run(ctx: Context) -> None:
        await asyncio.gather(*(ctx.sleep(DAY) for _ in range(200)))

    server = Server(service(run)).run()
    assert server.announced is None
    assert len(server.close_input().suspended_on.completions) == 200


async def test_what_only_this_process_can_end_is_waited_for():
    go_on = asyncio.Event()

    async def work() -> int:
        await go_on.wait()
        return 5

    task = asyncio.get_running_loop().create_task(work())

    async def run(ctx: Context) -> None:
        async def foreign() -> int:
            return await task

        await asyncio.gather(foreign(), ctx.sleep(DAY))

    server = Server(service(run)).run(request_response=True)
    assert server.said == [Sleep(NOW_MS + 86_400_000, 1)]
    go_on.set()
    await until(lambda: server.suspended_on)
    assert server.suspended_on == Future((1,), (1,))


async def test_the_handler_cleans_up_without_its_context():
    said: list[str] = []

    async def run(ctx: Context) -> None:
        try:
            await ctx.sleep(DAY)
        finally:
            try:
                ctx.sleep(DAY)
            except BaseException as error:
                said.append(type(error).__name__)
                raise

    server = Server(service(run)).run(request_response=True)
    assert said == ["SuspendedException"]
    assert isinstance(server.said[-1], Suspension)


async def alone(ctx: Context) -> None:
    await ctx.sleep(DAY)


async def together(ctx: Context) -> None:
    await asyncio.gather(ctx.sleep(DAY), alone(ctx))


async def in_tasks(ctx: Context) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(alone(ctx))
        await ctx.sleep(DAY)


async def in_time(ctx: Context) -> None:
    async with asyncio.timeout(3600):
        await asyncio.wait_for(alone(ctx), 7200)


@pytest.mark.parametrize("wait", [alone, together, in_tasks, in_time])
async def test_what_ends_an_attempt_is_told_from_errors(wait: Callable[[Context], Awaitable[None]]):
    seen: list[BaseException] = []

    async def run(ctx: Context) -> None:
        try:
            await wait(ctx)
        except BaseException as error:
            seen.append(error)
            raise

    server = Server(service(run)).run(request_response=True)
    assert server.suspended_on
    assert all(map(is_internal_exception, seen))
    server.run()
    server.abandon()
    assert all(map(is_internal_exception, seen))
    assert len(seen) == 2


async def test_a_task_that_outlives_its_handler_is_cancelled_as_any_other():
    seen: list[type[BaseException]] = []

    async def left_behind(ctx: Context) -> None:
        try:
            await ctx.sleep(DAY)
        except BaseException as error:
            seen.append(type(error))
            raise

    async def run(ctx: Context) -> None:
        tasks.append(asyncio.create_task(left_behind(ctx)))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    assert Server(service(run)).run().ended
    assert seen == [asyncio.CancelledError]


async def test_the_end_of_an_attempt_can_be_awaited():
    ended = []

    async def run(ctx: Context) -> None:
        event = ctx.request().attempt_finished_event
        ended.append(event)
        await ctx.sleep(DAY)

    server = Server(service(run)).run()
    waiting = asyncio.get_running_loop().create_task(ended[0].wait())
    await asyncio.sleep(0)
    assert not ended[0].is_set()
    server.close_input()
    await waiting
    assert ended[0].is_set()
