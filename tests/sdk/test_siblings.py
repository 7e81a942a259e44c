"""What ``asyncio`` keeps in sets: in each attempt it has the same order."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from scripted_server import DAY, Server, service

from perdure.protocol.messages import Input, Sleep, Start, Value
from perdure.sdk.context import Context

MANY = 30


async def started(given: Callable[[list[Any]], Any]) -> tuple[list[int], Server]:
    """Tell in which order a handler's coroutines begin."""
    order: list[int] = []

    async def work(ctx: Context, number: int) -> int:
        order.append(number)
        await ctx.sleep(DAY)
        return number

    async def run(ctx: Context) -> list[int]:
        works = given([work(ctx, number) for number in range(MANY)])
        return [await each for each in asyncio.as_completed(works)]

    return order, Server(service(run)).run()


@pytest.mark.parametrize(
    "given", [list, tuple, lambda works: dict(enumerate(works)).values()], ids=str
)
async def test_they_start_in_the_order_in_which_they_were_given(given: Callable[[list[Any]], Any]):
    order, server = await started(given)
    assert order == list(range(MANY))
    for place in reversed(range(MANY)):
        server.complete(Sleep, place)
    assert server.outcome == str(list(reversed(range(MANY)))).replace(" ", "").encode()


async def test_tasks_and_futures_among_them_are_left_as_they_are():
    async def work(ctx: Context) -> str:
        await ctx.sleep(DAY)
        return "coroutine"

    async def run(ctx: Context) -> list[str]:
        given = [asyncio.create_task(work(ctx)), work(ctx), ctx.awakeable(type_hint=str)[1]]
        return [await each for each in asyncio.as_completed([*given, given[1]])]

    server = Server(service(run)).run()
    server.signal(17, Value(b'"awakeable"'))
    server.complete(Sleep, 1)
    server.complete(Sleep, 0)
    assert server.outcome == b'["awakeable","coroutine","coroutine"]'


@pytest.mark.parametrize("given", [set, frozenset, iter], ids=str)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_an_order_that_nobody_knows_is_refused(given: Callable[[list[Any]], Any]):
    order, server = await started(given)
    assert "give it a list of coroutines or tasks" in server.error.message
    assert order == []


async def test_gather_within_an_iterator_is_none_of_it():
    async def work(number: int) -> int:
        return number

    async def run(_ctx: Context) -> list[list[int]]:
        pairs = map(lambda each: asyncio.gather(work(each), work(each)), range(3))  # noqa: C417
        return sorted([await each for each in asyncio.as_completed(pairs)])

    assert Server(service(run)).run().outcome == b"[[0,0],[1,1],[2,2]]"


async def test_sets_of_shielded_futures_keep_their_order():
    async def run(ctx: Context) -> list[int]:
        shields = [asyncio.shield(ctx.sleep(DAY)) for _ in range(MANY)]
        done, _ = await asyncio.wait(shields)
        return [shields.index(each) for each in done]

    server = Server(service(run)).run()
    for place in reversed(range(MANY)):
        server.complete(Sleep, place)
    assert server.outcome == str(list(range(MANY))).replace(" ", "").encode()


async def numbers(invocation: bytes) -> list[int]:
    """Give the hashes of a handler's tasks and futures."""
    hashes: list[int] = []

    async def run(ctx: Context) -> None:
        task = asyncio.create_task(asyncio.sleep(0))
        future = asyncio.get_running_loop().create_future()
        hashes.extend(map(hash, (asyncio.current_task(), task, future, ctx.sleep(DAY))))
        await task

    server = Server(service(run))
    server.begin()
    server.attempt.receive([Start(invocation, "inv_1", 1), Input(Value(b""))])
    return hashes


async def test_numbers_are_the_invocations_own():
    first, again, other = [await numbers(bytes(20) + last) for last in (b"abcd", b"abcd", b"abce")]
    assert first == again
    # asyncio keeps all tasks of a process in one set, so equal ones would make that slow.
    assert not {*first} & {*other}


@pytest.mark.parametrize("found", [True, False])
async def test_garbage_takes_no_number(found: bool):
    async def generate() -> AsyncIterator[None]:
        yield

    async def run(ctx: Context) -> int:
        abandoned: list[Any] = [generate()]
        await anext(abandoned[0])
        abandoned.append(abandoned)
        del abandoned
        if found:
            gc.collect()
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        return hash(task) - hash(asyncio.current_task())

    assert Server(service(run)).run().outcome == b"1"
    gc.collect()


async def test_anyio_cancels_tasks_that_have_not_begun():
    async def run(ctx: Context) -> list[int]:
        begun: list[int] = []

        async def work(number: int) -> None:
            begun.append(number)
            await ctx.sleep(DAY)

        async with anyio.create_task_group() as group:
            group.start_soon(work, 1)
            await asyncio.sleep(0)
            group.start_soon(work, 2)
            group.cancel_scope.cancel()
        return begun

    server = Server(service(run)).run()
    assert server.error is None, server.error.message
    assert server.outcome == b"[1,2]"
