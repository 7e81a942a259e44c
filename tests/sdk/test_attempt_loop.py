"""What handlers may do with their event loop, besides awaiting durable futures."""

import asyncio
import gc
import threading
from contextlib import suppress
from contextvars import ContextVar
from datetime import timedelta

import pytest
from scripted_server import DAY, NOW_MS, Server, service, until

from perdure.protocol.messages import Future, Sleep, Value
from perdure.sdk.context import Context


async def outcome_of(handler) -> bytes:
    server = Server(service(handler)).run()
    await until(lambda: server.ended or server.error)
    assert server.error is None, server.error.stacktrace
    return server.outcome


async def test_a_callback_that_fails_is_told_of_and_stops_nothing(caplog):
    async def run(_ctx: Context) -> int:
        def fail() -> None:
            raise ValueError("in a callback")

        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0)
        return 5

    assert await outcome_of(run) == b"5"
    (told,) = caplog.records
    assert "Exception in callback" in told.message
    assert str(told.exc_info[1]) == "in a callback"


class TestForeignFutures:
    async def test_a_task_of_the_real_loop_can_be_awaited(self):
        async def work() -> int:
            await asyncio.sleep(0.001)
            return 5

        task = asyncio.create_task(work())

        async def run(_ctx: Context) -> int:
            return await task

        assert await outcome_of(run) == b"5"

    async def test_one_that_nobody_awaits_does_not_hide_the_next(self):
        release = asyncio.get_running_loop().create_future()
        unheard: list[asyncio.Future[None]] = []

        async def run(_ctx: Context) -> int:
            unheard.append(asyncio.get_running_loop().run_in_executor(None, int))
            return await release

        server = Server(service(run)).run()
        await until(lambda: unheard and unheard[0].done())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        release.set_result(5)
        await until(lambda: server.ended)
        assert server.outcome == b"5"

    async def test_its_error_arrives(self):
        async def work() -> int:
            await asyncio.sleep(0)
            raise KeyError("k")

        task = asyncio.create_task(work())

        async def run(_ctx: Context) -> str:
            try:
                await task
            except KeyError as error:
                return str(error)
            return ""

        assert await outcome_of(run) == b"\"'k'\""

    async def test_its_cancellation_arrives(self):
        future = asyncio.get_running_loop().create_future()

        async def run(_ctx: Context) -> str:
            try:
                await future
            except asyncio.CancelledError:
                return "cancelled"
            return ""

        server = Server(service(run)).run()
        future.cancel()
        await until(lambda: server.ended)
        assert server.outcome == b'"cancelled"'

    async def test_who_gives_up_cancels_it(self):
        future = asyncio.get_running_loop().create_future()

        async def run(_ctx: Context) -> str:
            try:
                async with asyncio.timeout(60):
                    await future
            except TimeoutError:
                return "late"
            return ""

        server = Server(service(run)).run()
        server.complete(Sleep, 0)
        await until(lambda: server.ended)
        assert server.outcome == b'"late"'
        assert future.cancelled()

    async def test_the_end_of_the_attempt_cancels_it(self):
        future = asyncio.get_running_loop().create_future()

        async def run(_ctx: Context) -> None:
            await future

        server = Server(service(run)).run()
        server.abandon()
        await until(future.cancelled)

    async def test_no_error_of_one_wait_is_the_context_of_another(self):
        future = asyncio.get_running_loop().create_future()

        async def run(_ctx: Context) -> bool:
            with suppress(ValueError):
                await future
            await asyncio.sleep(0)
            error = RuntimeError("later")
            try:
                raise error
            except RuntimeError:
                return error.__context__ is None

        server = Server(service(run)).run()
        future.set_exception(ValueError("earlier"))
        await until(lambda: server.ended)
        assert server.outcome == b"true"

    async def test_the_end_of_one_that_nobody_awaits_lets_the_attempt_suspend(self):
        go_on = threading.Event()

        async def run(ctx: Context) -> None:
            asyncio.get_running_loop().run_in_executor(None, go_on.wait, 10)
            await ctx.sleep(DAY)

        server = Server(service(run)).run(request_response=True)
        assert not server.suspended_on
        go_on.set()
        await until(lambda: server.suspended_on)


class TestThreadsAndSockets:
    async def test_threads(self):
        async def run(_ctx: Context) -> list[object]:
            name = await asyncio.to_thread(lambda: threading.current_thread().name)
            loop = asyncio.get_running_loop()
            both = await asyncio.gather(
                loop.run_in_executor(None, int, "1"), loop.run_in_executor(None, int, "2")
            )
            return [name == threading.main_thread().name, *both]

        assert await outcome_of(run) == b"[false,1,2]"

    async def test_a_thread_may_call_back(self):
        async def run(_ctx: Context) -> str:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            thread = threading.Thread(
                target=lambda: loop.call_soon_threadsafe(future.set_result, "called")
            )
            thread.start()
            result: str = await future
            thread.join()
            return result

        assert await outcome_of(run) == b'"called"'

    async def test_streams(self):
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        listener = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]

        async def run(_ctx: Context) -> str:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return line.decode()

        assert await outcome_of(run) == b'"hello\\n"'
        listener.close()
        await listener.wait_closed()

    async def test_the_loop_is_not_the_handlers_to_run(self):
        async def run(_ctx: Context) -> str:
            try:
                asyncio.get_running_loop().stop()
            except RuntimeError as error:
                return str(error)
            return ""

        assert b"write `await`" in await outcome_of(run)


class TestTime:
    async def test_it_stands_still_between_sleeps(self):
        async def run(ctx: Context) -> list[float]:
            loop = asyncio.get_running_loop()
            times = [loop.time(), loop.time()]
            await ctx.sleep(timedelta(seconds=2))
            times.append(loop.time())
            await asyncio.sleep(1)
            return [*times, loop.time()]

        server = Server(service(run)).run()
        server.complete(Sleep, 0)
        server.complete(Sleep, 1)
        assert server.outcome == b"[0.0,0.0,2.0,3.0]"

    async def test_a_timer_is_a_sleep_and_can_be_cancelled(self):
        async def run(ctx: Context) -> list[int]:
            called: list[int] = []
            loop = asyncio.get_running_loop()
            loop.call_later(1, called.append, 1)
            loop.call_later(2, called.append, 2).cancel()
            loop.call_later(0, called.append, 0)
            await ctx.sleep(DAY)
            return called

        server = Server(service(run)).run()
        assert [each.wake_up_time - NOW_MS for each in server.said_of(Sleep)] == [
            1000,
            2000,
            86_400_000,
        ]
        assert server.announced == Future((1, 3), (1,))
        for nth in (1, 0, 2):
            server.complete(Sleep, nth)
        assert server.outcome == b"[0,1]"


class TestTasks:
    async def test_sets_of_tasks_and_futures_keep_their_order(self):
        async def run(ctx: Context) -> list[int]:
            tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(50)]
            futures = [ctx.sleep(DAY) for _ in range(50)]
            order = {each: place for place, each in enumerate([*tasks, *futures])}
            return [order[each] for each in {*futures, *tasks}]

        orders = {tuple(Server(service(run)).run().outcome) for _ in range(3)}
        assert len(orders) == 1

    async def test_context_variables_are_the_handlers_own(self):
        variable: ContextVar[str] = ContextVar("variable", default="none")
        variable.set("outside")

        async def action() -> str:
            return variable.get()

        async def run(ctx: Context) -> list[str]:
            before = variable.get()
            variable.set("inside")
            in_task = await asyncio.create_task(action())
            in_thread = await ctx.run("thread", variable.get)
            return [before, in_task, await ctx.run_typed("action", action), in_thread]

        assert await outcome_of(run) == b'["outside","inside","inside","inside"]'
        assert variable.get() == "outside"

    @pytest.mark.parametrize("how", ["run", "foreign"])
    async def test_context_variables_are_not_carried_away(self, how: str):
        """Whatever the server does next, such as another attempt, is none of the handler's."""
        variable: ContextVar[str] = ContextVar("variable", default="none")
        heard: list[str] = []

        async def run(ctx: Context) -> None:
            variable.set("inside")
            if how == "run":
                await ctx.run_typed("step", asyncio.sleep, delay=0.001)
            else:
                await asyncio.to_thread(lambda: None)
            ctx.generic_send("Other", "log", b"")

        server = Server(service(run))
        hear = server._hear
        server._hear = lambda said: (heard.append(variable.get()), hear(said))
        server.run()
        await until(lambda: server.ended)
        assert {*heard} == {"none"}

    async def test_a_coroutine_is_needed(self):
        async def run(_ctx: Context) -> str:
            try:
                asyncio.get_running_loop().create_task(len)
            except TypeError as error:
                return str(error)[:23]
            return ""

        assert await outcome_of(run) == b'"a coroutine was expected"'[:24] + b'"'

    async def test_an_abandoned_generator_is_closed_here(self):
        loops: list[object] = []

        async def run(_ctx: Context) -> bool:
            async def generate():
                try:
                    yield 1
                    yield 2
                finally:
                    loops.append(asyncio.get_running_loop())

            async for _ in generate():
                break
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return loops == [asyncio.get_running_loop()]

        assert await outcome_of(run) == b"true"

    async def test_a_task_that_nobody_awaits_is_cancelled_in_the_end(self):
        ended: list[str] = []

        async def run(ctx: Context) -> None:
            async def wait() -> None:
                try:
                    await ctx.sleep(DAY)
                finally:
                    ended.append("wait")

            kept.append(asyncio.create_task(wait()))
            await asyncio.sleep(0)

        kept: list[object] = []
        assert await outcome_of(run) == b""
        assert ended == ["wait"]

    async def test_an_error_that_nobody_handles_is_reported(self):
        reported: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context)
        )

        async def run(ctx: Context) -> None:
            asyncio.get_running_loop().call_soon(int, "x")
            await ctx.sleep(DAY)

        Server(service(run)).run().abandon()
        assert isinstance(reported[0]["exception"], ValueError)

    async def test_nothing_is_left_for_the_garbage_collector(self):
        async def double(value: int) -> int:
            return 2 * value

        async def run(ctx: Context) -> int:
            answer = await ctx.run_typed("double", double, value=2)
            await asyncio.gather(ctx.sleep(DAY), asyncio.sleep(1))
            return answer

        host = service(run)
        gc.collect()
        gc.disable()
        try:
            server = Server(host).run()
            server.complete(Sleep, 0)
            server.complete(Sleep, 1)
            assert server.outcome == b"4"
            await asyncio.sleep(0)
            server.attempt = None
            assert gc.collect() == 0
        finally:
            gc.enable()


class TestCancelledActions:
    async def test_an_action_that_is_cancelled_by_itself_has_failed(self):
        async def run(ctx: Context) -> None:
            async def action() -> None:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)

            await ctx.run_typed("cancelled", action)

        server = Server(service(run)).run()
        await until(lambda: server.error)
        assert server.error.message == "CancelledError()"

    async def test_an_action_may_use_timeouts_from_its_first_step(self):
        async def action() -> str:
            try:
                async with asyncio.timeout(0.001):
                    await asyncio.Event().wait()
            except TimeoutError:
                return "late"
            return ""

        async def run(ctx: Context) -> str:
            return await ctx.run_typed("timeout", action)

        assert await outcome_of(run) == b'"late"'


@pytest.mark.parametrize("factory", ["uvloop"])
def test_other_real_loops_do_as_well(factory: str):
    loops = pytest.importorskip(factory)

    async def fetch() -> int:
        await asyncio.sleep(0.001)
        return 3

    async def story() -> None:
        async def run(ctx: Context) -> list[object]:
            task = asyncio.create_task(fetch_later(ctx))
            name = await asyncio.to_thread(lambda: "thread")
            return [await task, name, await ctx.awakeable()[1]]

        async def fetch_later(ctx: Context) -> int:
            return await ctx.run_typed("fetch", fetch)

        server = Server(service(run)).run()
        server.signal(17, Value(b"1"))
        await until(lambda: server.ended)
        assert server.outcome == b'[3,"thread",1]'

    loop = loops.new_event_loop()
    try:
        loop.run_until_complete(story())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
