"""Results that are there already: a replay does not wait for them, and repeats what was."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from scripted_server import Server, service, until

from perdure.protocol.messages import (
    SIGNAL_CANCEL,
    VOID,
    Call,
    Completion,
    CompletionKind,
    InvocationIdentity,
    Output,
    SendSignal,
    Signal,
    Sleep,
)
from perdure.sdk.context import Context, DurableFuture, RunOptions
from perdure.sdk.errors import TerminalError
from perdure.sdk.loop import AttemptLoop
from perdure.sdk.serde import JsonSerde

Program = Callable[[Context, list[str]], Awaitable[None]]


def a_second(ctx: Context) -> DurableFuture[None]:
    return ctx.sleep(timedelta(seconds=1))


def sleeps_of(server: Server) -> int:
    return sum(isinstance(entry, Sleep) for entry in server.journal)


def _may_go_on(server: Server, nth: int) -> bool:
    return bool(server.ended or server.error or sleeps_of(server) > nth)


async def told_twice(program: Program) -> tuple[list[str], list[str]]:
    """Give what a program tells as its sleeps end, in order, and what it tells in a replay."""
    told: list[str] = []

    async def run(ctx: Context) -> None:
        await program(ctx, told)

    server = Server(service(run)).run()
    for nth in count():
        await until(partial(_may_go_on, server, nth))
        assert server.error is None, server.error.stacktrace
        if server.ended:
            break
        server.complete(Sleep, nth)
    live = told[:]
    told.clear()
    journal = [entry for entry in server.journal if not isinstance(entry, Output)]
    again = Server(service(run), journal=journal[1:]).run()
    await until(lambda: again.ended or again.error)
    assert again.error is None, again.error.message
    return live, told


async def test_a_replay_goes_through_its_steps_without_waiting(monkeypatch: pytest.MonkeyPatch):
    turns: list[object] = []
    call_soon = AttemptLoop.call_soon

    def counted(self: AttemptLoop, *args: Any, **options: Any) -> asyncio.Handle:
        turns.append(args)
        return call_soon(self, *args, **options)

    monkeypatch.setattr(AttemptLoop, "call_soon", counted)

    async def run(ctx: Context) -> int:
        return sum([await ctx.run_typed(f"{nth}", lambda: 1) for nth in range(5)])

    server = Server(service(run)).run()
    await until(lambda: server.ended)
    assert len(turns) == 6
    turns.clear()
    assert Server(service(run), journal=server.journal[1:-1]).run().outcome == b"5"
    assert len(turns) == 1


async def test_a_task_that_cancels_itself_is_cancelled_where_it_waits():
    async def program(ctx: Context, told: list[str]) -> None:
        sleep, task = a_second(ctx), asyncio.current_task()
        task.cancel()
        try:
            await sleep
        except asyncio.CancelledError:
            task.uncancel()
            told.append("cancelled")
        await sleep
        told.append("slept")

    live, replayed = await told_twice(program)
    assert live == replayed == ["cancelled", "slept"]


async def test_who_came_first_goes_on_first():
    async def program(ctx: Context, told: list[str]) -> None:
        sleep = a_second(ctx)

        async def wait() -> None:
            await sleep
            told.append("other")

        async with asyncio.TaskGroup() as group:
            group.create_task(wait())
            await asyncio.sleep(0)
            await sleep
            told.append("handler")

    live, replayed = await told_twice(program)
    assert live == replayed == ["other", "handler"]


async def test_callbacks_of_a_result_come_before_who_awaits_it():
    async def program(ctx: Context, told: list[str]) -> None:
        sleep = a_second(ctx)
        sleep.add_done_callback(lambda _: told.append("callback"))
        await sleep
        told.append("handler")

    live, replayed = await told_twice(program)
    assert live == replayed == ["callback", "handler"]


async def test_tasks_that_were_started_begin_before_a_result_is_handed_over():
    async def program(ctx: Context, told: list[str]) -> None:
        async def other() -> None:
            told.append("begun")

        sleep = a_second(ctx)
        async with asyncio.TaskGroup() as group:
            group.create_task(other())
            await sleep
            told.append("slept")

    live, replayed = await told_twice(program)
    assert live == replayed == ["begun", "slept"]


async def test_results_come_after_the_commands_that_stand_before_them():
    told: list[str] = []

    async def run(ctx: Context) -> None:
        async def other() -> None:
            await asyncio.to_thread(int)
            told.append("second")
            a_second(ctx)

        first = a_second(ctx)
        async with asyncio.TaskGroup() as group:
            group.create_task(other())
            await asyncio.sleep(0)
            await first
            told.append("first")

    server = Server(service(run)).run()
    await until(lambda: sleeps_of(server) == 2)
    server.complete(Sleep, 0)
    await until(lambda: server.ended)
    live = told[:]
    told.clear()
    again = Server(service(run), journal=server.journal[1:-1]).run()
    await until(lambda: again.ended or again.error)
    assert again.ended
    assert live == told == ["second", "first"]


class Stepped:
    """A coroutine whose first step is made by hand, by who creates this."""

    def __init__(self, work: Any) -> None:
        self._work = work
        self._waited = work.send(None)

    def __await__(self) -> Generator[Any, Any, None]:
        while True:
            value = yield self._waited
            try:
                self._waited = self._work.send(value)
            except StopIteration:
                return


async def test_who_drives_a_coroutine_by_hand_goes_on_when_that_waits():
    async def program(ctx: Context, told: list[str]) -> None:
        async def inner() -> None:
            await a_second(ctx)
            told.append("inner")
            await a_second(ctx)
            told.append("end")

        begun = Stepped(inner())
        told.append("outer")
        await begun

    live, replayed = await told_twice(program)
    assert live == replayed == ["outer", "inner", "end"]


async def test_a_wait_that_is_dropped_takes_no_result_from_others():
    async def program(ctx: Context, told: list[str]) -> None:
        async def forgotten() -> None:
            await first

        first, second = a_second(ctx), a_second(ctx)
        work = forgotten()
        work.send(None)
        await asyncio.sleep(0)
        work.close()
        await second
        told.append(f"second {first.done()}")
        await first
        told.append("first")

    live, replayed = await told_twice(program)
    assert live == replayed == ["second True", "first"]


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
async def test_a_serde_that_does_not_end_by_an_error_fails_its_attempt(error: type[BaseException]):
    class Leaving(JsonSerde[int]):
        def deserialize(self, buf: bytes) -> int | None:
            raise error

    async def run(ctx: Context) -> int:
        return await ctx.run_typed("a", lambda: 1, RunOptions(serde=Leaving()))

    server = Server(service(run)).run()
    await until(lambda: server.error)
    assert error.__name__ in server.error.message
    again = Server(service(run), journal=server.journal[1:]).run()
    assert error.__name__ in again.error.message


async def test_what_is_awaited_besides_a_coroutine_driven_by_hand_is_waited_for():
    async def program(ctx: Context, told: list[str]) -> None:
        async def forgotten() -> None:
            await first

        async def opens() -> None:
            await second
            told.append("second")
            gate.set()

        first, second, gate = a_second(ctx), a_second(ctx), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(opens())
            await asyncio.sleep(0)
            work = forgotten()
            work.send(None)
            await gate.wait()
            work.close()
            told.append("open")

    live, replayed = await told_twice(program)
    assert live == replayed == ["second", "open"]


async def test_a_wait_that_a_callback_began_may_be_over_when_it_is_gone_on_with():
    async def program(ctx: Context, told: list[str]) -> None:
        async def inner() -> None:
            await first
            told.append("inner")

        first, over = a_second(ctx), asyncio.Event()
        begun: list[Stepped] = []
        first.add_done_callback(lambda _: over.set())
        asyncio.get_running_loop().call_soon(lambda: begun.append(Stepped(inner())))
        await over.wait()
        await begun[0]
        told.append("end")

    live, replayed = await told_twice(program)
    assert live == replayed == ["inner", "end"]


async def test_the_action_of_a_run_whose_result_is_there_is_not_executed():
    executed: list[str] = []

    async def run(ctx: Context) -> None:
        await ctx.run_typed("a", lambda: executed.append("a"))
        await a_second(ctx)

    server = Server(service(run)).run()
    await until(lambda: sleeps_of(server))
    server.abandon()
    server.run()
    await asyncio.sleep(0.01)
    server.abandon()
    assert executed == ["a"]


def call_of(ctx: Context) -> Any:
    return ctx.generic_call("Other", "greet", b"")


CALL = Call("Other", "greet", b"", 1, 2)
CALLED = Completion(CompletionKind.CALL_INVOCATION_ID, 1, InvocationIdentity("inv_1child"))
CANCELLED = Signal(SIGNAL_CANCEL, VOID)


def slept(handle: int) -> Completion:
    return Completion(CompletionKind.SLEEP, handle, VOID)


async def test_an_invocation_whose_id_is_there_is_known_for_the_case_of_a_cancellation():
    async def run(ctx: Context) -> None:
        call = call_of(ctx)
        await call.invocation_id()
        await call

    server = Server(service(run), journal=[CALL, CALLED]).run()
    server.signal(SIGNAL_CANCEL)
    assert server.said_of(SendSignal) == [SendSignal("inv_1child", SIGNAL_CANCEL, VOID)]


async def test_results_behind_a_cancellation_that_is_to_be_passed_on_wait_for_that():
    told: list[str] = []

    async def run(ctx: Context) -> None:
        call_of(ctx)
        first = a_second(ctx)
        await asyncio.to_thread(int)
        a_second(ctx)
        try:
            await first
        except TerminalError:
            told.append("cancelled")

    journal = [CALL, Sleep(1, 3), CANCELLED, Sleep(1, 4), slept(3), CALLED]
    server = Server(service(run), journal=journal).run()
    await until(lambda: server.ended or server.error)
    assert told == ["cancelled"]


async def test_results_that_a_cancellation_has_held_back_come_before_later_ones():
    told: list[bool] = []

    async def run(ctx: Context) -> None:
        call_of(ctx)
        first, second, third = (a_second(ctx) for _ in range(3))
        try:
            await first
        except TerminalError:
            await asyncio.sleep(0)
            await third
            told.append(second.done())

    cancelled = SendSignal("inv_1child", SIGNAL_CANCEL, VOID)
    sleeps = [Sleep(1, handle) for handle in (3, 4, 5)]
    journal = [CALL, *sleeps, CANCELLED, slept(4), CALLED, cancelled, slept(5)]
    Server(service(run), journal=journal).run()
    assert told == [True]


async def test_a_wait_that_was_never_gone_on_with_leaves_nothing_for_the_garbage_collector():
    async def run(ctx: Context) -> None:
        for _ in range(2):
            await a_second(ctx)
        first = a_second(ctx)
        a_second(ctx)

        async def forgotten() -> None:
            await first

        work = forgotten()
        work.send(None)
        work.close()

    sleeps = [Sleep(1, handle) for handle in (1, 2, 3, 4)]
    journal = [sleeps[0], slept(1), sleeps[1], slept(2), *sleeps[2:], slept(3), slept(4)]
    host = service(run)
    gc.collect()
    gc.disable()
    try:
        server = Server(host, journal=journal).run()
        assert server.ended
        await asyncio.sleep(0)
        server.attempt = None
        assert gc.collect() == 0
    finally:
        gc.enable()
