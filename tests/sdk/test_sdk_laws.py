"""Laws of replay, over many handlers and many histories.

Every handler here returns what it has seen, in order; so if two attempts differ in anything that
the handler can notice, the recorded output differs, and the determinism check tells.
"""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from histories import Fate, Handler, call, told_twice
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_server import Server, service

from perdure.protocol.messages import (
    Call,
    Completion,
    CompletionKind,
    Sleep,
    Suspension,
    Value,
)
from perdure.sdk.combinators import as_completed, gather, select, wait_completed
from perdure.sdk.context import Context
from perdure.sdk.errors import TerminalError

SECOND = timedelta(seconds=1)


async def number(value: int) -> int:
    return value


async def slow_number(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def plain_gather(ctx: Context) -> list[object]:
    calls = [call(ctx, each) for each in range(3)]
    results = await asyncio.gather(*calls, ctx.run_typed("r", lambda: 5), return_exceptions=True)
    return [str(each) for each in results]


async def plain_as_completed(ctx: Context) -> list[object]:
    seen = []
    futures = [call(ctx, 1), ctx.awakeable()[1], ctx.sleep(SECOND), call(ctx, 2)]
    for each in asyncio.as_completed(futures):
        seen.append(str(await each))
        await ctx.run("step", lambda: 1)
    return seen


async def plain_wait(ctx: Context) -> list[object]:
    seen: list[object] = []
    pending: Any = {call(ctx, 1), call(ctx, 2), ctx.awakeable()[1], ctx.sleep(SECOND)}
    names = {future: place for place, future in enumerate(pending)}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        seen.append([names[future] for future in done])
        ctx.generic_send("Other", "log", str(seen).encode())
    return seen


async def timeouts(ctx: Context) -> list[object]:
    seen: list[object] = []
    answer = ctx.awakeable()[1]
    for _ in range(3):
        try:
            async with asyncio.timeout(1):
                seen.append(await answer)
        except TimeoutError:
            seen.append("late")
            await call(ctx, len(seen))
    return seen


async def waiting_for(ctx: Context) -> list[object]:
    async def work(place: int) -> str:
        await asyncio.sleep(place)
        return str(await call(ctx, place))

    seen: list[object] = []
    for place in range(3):
        try:
            seen.append(await asyncio.wait_for(work(place), 2))
        except TimeoutError:
            seen.append("late")
    return seen


async def task_group(ctx: Context) -> list[object]:
    seen: list[object] = []

    async def branch(place: int) -> None:
        seen.append((place, str(await call(ctx, place))))
        await ctx.sleep(SECOND)
        seen.append((place, "slept", await ctx.run_typed("r", number, value=place)))

    async with asyncio.TaskGroup() as group:
        for place in range(3):
            group.create_task(branch(place))
    return seen


async def pipeline(ctx: Context) -> list[object]:
    queue: asyncio.Queue[object] = asyncio.Queue()

    async def produce() -> None:
        async for future in as_completed(call(ctx, 1), ctx.sleep(SECOND), ctx.awakeable()[1]):
            await queue.put(str(await future))
        await queue.put(None)

    producer = asyncio.create_task(produce())
    seen = []
    while (item := await queue.get()) is not None:
        seen.append((item, await ctx.run_typed("consume", slow_number, value=len(seen))))
    await producer
    return seen


async def official_race(ctx: Context) -> list[object]:
    first, second = ctx.awakeable()[1], ctx.awakeable()[1]
    seen: list[object] = []
    seen.append(await select(first=first, sleep=ctx.sleep(SECOND), call=call(ctx, 1)))
    done, pending = await wait_completed(second, ctx.sleep(SECOND), call(ctx, 2))
    seen.append((len(done), len(pending)))
    await gather(*pending, first, ctx.run_typed("r", slow_number, value=3))
    return [str(each) for each in seen]


async def parallel_runs(ctx: Context) -> list[object]:
    seen: list[object] = []
    runs = [ctx.run_typed(f"r{place}", number, value=place) for place in range(4)]
    async for future in as_completed(*runs, ctx.sleep(SECOND)):
        seen.append(str(await future))
        if len(seen) == 2:
            seen.append(await ctx.run_typed("more", slow_number, value=9))
    return seen


async def compensating(ctx: Context) -> list[object]:
    seen: list[object] = []
    pending = ctx.awakeable()[1]
    while len(seen) < 3:
        try:
            seen.append(str(await asyncio.shield(call(ctx, len(seen)))))
            await pending
            seen.append("answered")
        except TerminalError as error:
            seen.append(error.message)
            await ctx.run_typed("undo", number, value=len(seen))
    return seen


HANDLERS = [
    plain_gather,
    plain_as_completed,
    plain_wait,
    timeouts,
    waiting_for,
    task_group,
    pipeline,
    official_race,
    parallel_runs,
    compensating,
]


@pytest.mark.parametrize("version", [6, 7])
@pytest.mark.parametrize("handler", HANDLERS, ids=lambda each: each.__name__)
@settings(max_examples=25, deadline=None)
@given(draws=st.lists(st.integers(0, 10_000), max_size=80))
def test_no_attempt_can_be_told_from_another(handler: Handler, version: int, draws: list[int]):
    times = 10 if handler is compensating else 0
    asyncio.run(asyncio.wait_for(told_twice(handler, version, Fate(draws), times), 30))


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(4)))
def test_results_are_seen_in_the_order_of_the_journal(order: list[int]):
    async def run(ctx: Context) -> list[int]:
        calls = [call(ctx, place) for place in range(4)]
        return [int(await each) for each in asyncio.as_completed(calls)]

    async def story() -> None:
        server = Server(service(run)).run()
        for place in order:
            server.complete(Call, place, Value(str(place).encode()))
        assert json.loads(server.outcome) == order

    asyncio.run(story())


async def test_suspending_at_every_step_changes_nothing():
    async def run(ctx: Context) -> list[object]:
        seen: list[object] = []
        for place in range(3):
            seen.append(await ctx.run_typed("r", number, value=place))
            await ctx.sleep(SECOND)
        return seen

    server = Server(service(run), acknowledges=False).run(request_response=True)
    while not server.ended:
        assert isinstance(server.said[-1], Suspension)
        server.attempt = None
        if server.unacknowledged:
            proposal = server.unacknowledged.pop()
            run_id = proposal.result_completion_id
            server.notify(Completion(CompletionKind.RUN, run_id, proposal.result))
        else:
            sleeps = len([e for e in server.journal if isinstance(e, Sleep)])
            server.complete(Sleep, sleeps - 1)
        server.run(request_response=True)
    assert server.outcome == b"[0,1,2]"
