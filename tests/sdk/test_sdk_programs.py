"""Whatever people write with plain asyncio, the replay does the same.

The programs are drawn: trees of steps, calls, timers and results, held together by the tools of
the standard library. Each notes what happens to it, in the order in which it happens, as commands
of the journal; so whatever goes otherwise in a replay is a command that differs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

import pytest
from histories import AWAKEABLES, SECOND, Fate, call, told_twice
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.sdk.combinators import as_completed, select
from perdure.sdk.context import Context, RunOptions
from perdure.sdk.errors import TerminalError

HARMLESS: Final = (TerminalError, KeyError, TimeoutError, ExceptionGroup)


class Node(NamedTuple):
    """A part of a program: what it does, a number that varies it, and its parts."""

    kind: str
    variant: int
    parts: tuple[Node, ...] = ()


class Program:
    """One attempt at a program."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.awakeables = [ctx.awakeable()[1] for _ in AWAKEABLES]

    def note(self, *what: object) -> None:
        """Write what has happened into the journal."""
        self.ctx.generic_send("Other", "log", " ".join(map(str, what)).encode())

    async def play(self, node: Node) -> str:
        """Do what a part says, and note how it went."""
        self.note("begin", node.kind)
        try:
            leaf = LEAVES.get(node.kind)
            value = await (BRANCHES[node.kind](self, node) if leaf is None else leaf(self, node))
        except (*HARMLESS, asyncio.CancelledError) as error:
            self.note(node.kind, shown(error))
            raise
        self.note(node.kind, shown(value))
        return shown(value)

    async def play_safely(self, node: Node) -> str:
        """Do what a part says, and take its error for its value."""
        try:
            return await self.play(node)
        except HARMLESS as error:
            return shown(error)

    def begun(self, node: Node) -> list[Any]:
        """Begin all parts: some of those that are durable futures as such, the others as tasks."""
        return [self._begin(part, place + node.variant) for place, part in enumerate(node.parts)]

    def _begin(self, part: Node, place: int) -> asyncio.Future[Any]:
        begun = LEAVES[part.kind](self, part) if part.kind in LEAVES and place % 2 else None
        if isinstance(begun, asyncio.Future):
            return begun
        if asyncio.iscoroutine(begun):
            begun.close()
        return asyncio.create_task(self.play(part))

    async def end(self, begun: list[Any]) -> None:
        """Cancel what still runs, and see how it ends."""
        for each in begun:
            each.cancel()
        for each in begun:
            try:
                await each
            except (*HARMLESS, asyncio.CancelledError) as error:
                self.note("ended", shown(error))


def shown(value: object) -> str:
    """Describe a value, or an error with all that it holds."""
    match value:
        case TerminalError():
            return value.message
        case BaseExceptionGroup():
            return "[" + ",".join(map(shown, value.exceptions)) + "]"
        case BaseException():
            return type(value).__name__
        case list():
            return "[" + ",".join(map(shown, value)) + "]"
    return str(value)


# -- What waits by itself


def step(program: Program, node: Node) -> Awaitable[Any]:
    async def act() -> int:
        for _ in range(node.variant):
            await asyncio.sleep(0)
        return node.variant

    return program.ctx.run_typed("step", act)


def refused(program: Program, _node: Node) -> Awaitable[Any]:
    async def act() -> None:
        raise ValueError("refused")

    return program.ctx.run_typed("refused", act, RunOptions(max_attempts=1))


async def broken(_program: Program, node: Node) -> None:
    raise KeyError("broken") if node.variant % 2 else TerminalError("broken")


LEAVES: Final[dict[str, Callable[[Program, Node], Awaitable[Any]]]] = {
    "step": step,
    "refused": refused,
    "broken": broken,
    "call": lambda program, node: call(program.ctx, node.variant),
    "nap": lambda program, node: program.ctx.sleep(SECOND * (node.variant % 3)),
    "timer": lambda _program, node: asyncio.sleep(node.variant % 3),
    # Whoever gives it up does so for himself alone.
    "result": lambda program, node: asyncio.shield(program.awakeables[node.variant % 2]),
}


# -- What waits for others


async def in_turn(program: Program, node: Node) -> object:
    return [await program.play_safely(part) for part in node.parts]


async def gathered(program: Program, node: Node) -> object:
    both = program.begun(node)
    return await asyncio.gather(*both, *both, return_exceptions=bool(node.variant % 2))


async def waited(program: Program, node: Node) -> object:
    begun = program.begun(node)
    whens = (asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION, asyncio.ALL_COMPLETED)
    limit = 2 if node.variant > 2 else None
    done, pending = await asyncio.wait(begun, timeout=limit, return_when=whens[node.variant % 3])
    seen = [begun.index(each) for each in [*done, *pending]]
    await program.end(begun)
    return seen


async def completed(program: Program, node: Node) -> object:
    seen: list[object] = []
    limit = 2 if node.variant % 2 else None
    works = [program.play(part) for part in node.parts]
    for each in asyncio.as_completed([*works, *program.begun(node)], timeout=limit):
        try:
            seen.append(await each)
        except (TerminalError, KeyError, ExceptionGroup) as error:
            seen.append(error)
    return seen


async def limited(program: Program, node: Node) -> object:
    async with asyncio.timeout(node.variant % 3):
        return await in_turn(program, node)


async def waited_for(program: Program, node: Node) -> object:
    for part in node.parts:
        await asyncio.wait_for(program.play(part), node.variant % 3 + 1)
    return "in time"


async def grouped(program: Program, node: Node) -> object:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(program.play(part)) for part in node.parts]
        await asyncio.sleep(node.variant % 2)
    return [task.result() for task in tasks]


async def shielded(program: Program, node: Node) -> object:
    begun = program.begun(node)
    try:
        async with asyncio.timeout(1):
            return [await asyncio.shield(each) for each in begun]
    except TimeoutError:
        return await asyncio.gather(*begun, return_exceptions=True)


async def given_up(program: Program, node: Node) -> object:
    begun = program.begun(node)
    for _ in range(node.variant):
        await asyncio.sleep(0)
    await program.end(begun)
    return "given up"


async def queued(program: Program, node: Node) -> object:
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1)

    async def produce(part: Node) -> None:
        await queue.put(await program.play_safely(part))

    async with asyncio.TaskGroup() as group:
        for part in node.parts:
            group.create_task(produce(part))
        return [await queue.get() for _ in node.parts]


async def one_by_one(program: Program, node: Node) -> object:
    lock, seen = asyncio.Lock(), []

    async def work(part: Node) -> None:
        async with lock:
            seen.append(await program.play_safely(part))

    await asyncio.gather(*map(work, node.parts))
    return seen


async def generated(program: Program, node: Node) -> object:
    async def generate() -> AsyncIterator[str]:
        try:
            for part in node.parts:
                yield await program.play_safely(part)
        finally:
            await program.ctx.sleep(SECOND)
            program.note("closed")

    generator = generate()
    async for value in generator:
        if node.variant % 2:
            await generator.aclose()
            return value
    return "all"


async def called_back(program: Program, node: Node) -> object:
    begun = program.begun(node)
    for place, each in enumerate(begun):
        each.add_done_callback(lambda _done, place=place: program.note("done", place))
    await asyncio.gather(*begun, return_exceptions=True)
    await asyncio.sleep(0)
    return len({*begun})


async def raced(program: Program, node: Node) -> object:
    naps = {str(place): program.ctx.sleep(SECOND) for place in range(len(node.parts))}
    first = await select(result=program.awakeables[0], call=call(program.ctx, 1), **naps)
    return [first[0], *[shown(await each) async for each in as_completed(*naps.values())]]


BRANCHES: Final[dict[str, Callable[[Program, Node], Awaitable[Any]]]] = {
    each.__name__: each
    for each in (
        in_turn,
        gathered,
        waited,
        completed,
        limited,
        waited_for,
        grouped,
        shielded,
        given_up,
        queued,
        one_by_one,
        generated,
        called_back,
        raced,
    )
}


# -- The law

DEPTH_MAX: Final = 3
CHANCE: Final = st.integers(0, 10_000)


def drawn(draw: Fate, depth: int = 0) -> Node:
    """Draw a program; once the draws are used up, the rest of it is what comes last."""
    kinds = [*BRANCHES, *LEAVES] if depth < DEPTH_MAX else [*LEAVES]
    kind, variant = kinds[draw(len(kinds))], draw(6)
    count = draw(3) + 1 if kind in BRANCHES else 0
    return Node(kind, variant, tuple(drawn(draw, depth + 1) for _ in range(count)))


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Programs leave errors that nobody asks for."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("version", [6, 7])
@settings(max_examples=40, deadline=None)
@given(
    program=st.lists(CHANCE, min_size=20, max_size=60),
    draws=st.lists(CHANCE, max_size=80),
    cancellations=st.integers(0, 2),
)
def test_what_people_write_is_repeated(
    version: int, program: list[int], draws: list[int], cancellations: int
):
    choices = Fate(program)
    node = Node("in_turn", 0, (drawn(choices), drawn(choices)))

    async def run(ctx: Context) -> str:
        program = Program(ctx)
        played = await program.play_safely(node)
        with suppress(TerminalError):
            await ctx.sleep(SECOND)  # What was begun and left alone is executed meanwhile.
        return played

    asyncio.run(asyncio.wait_for(told_twice(run, version, Fate(draws), cancellations), 30))
