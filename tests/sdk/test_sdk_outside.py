"""What a handler awaits outside of ``ctx.run``: connections and threads, in replay too.

It is not in the journal, so each attempt waits for it anew, and the results in the journal come
after it as they did before. Context managers around attempts connect to databases in this way.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from scripted_server import DAY, Server, service, until

from perdure.protocol.messages import Call, Output, Signal, Sleep, Value
from perdure.sdk.context import Context


async def in_thread() -> None:
    """Wait for a thread of the executor."""
    await asyncio.to_thread(lambda: None)


async def told_by_thread() -> None:
    """Wait for a future of the handler's loop that a thread completes."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, None))
    loop.call_soon(thread.start)
    await future
    thread.join()


@asynccontextmanager
async def greeter() -> AsyncIterator[int]:
    """Serve lines on a port."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


async def over_socket(port: int) -> None:
    """Ask over a socket, with a timeout as libraries have them."""
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()


async def replayed(server: Server) -> Server:
    """Run the whole journal again, but for the result."""
    server.journal = [each for each in server.journal if not isinstance(each, Output)]
    server.run()
    await until(lambda: server.ended or server.error)
    assert server.error is None, server.error.message
    return server


@pytest.mark.parametrize("outside", [in_thread, told_by_thread])
async def test_what_ran_before_is_not_executed_again(outside):
    executed: list[str] = []

    async def run(ctx: Context) -> list[str]:
        async def charge() -> str:
            executed.append("charge")
            return "charged"

        await outside()
        seen = [await ctx.run_typed("charge", charge)]
        await ctx.sleep(DAY)
        return seen

    server = Server(service(run)).run()
    await until(lambda: server.said_of(Sleep))
    server.abandon()
    server.run()
    await until(lambda: server.announced)
    server.complete(Sleep, 0)
    assert server.outcome == b'["charged"]'
    assert executed == ["charge"]
    assert not (await replayed(server)).commands[:-1]


@pytest.mark.parametrize("request_response", [False, True])
async def test_a_connection_is_waited_for_in_replay(request_response: bool):
    async def run(ctx: Context) -> int:
        await over_socket(port)
        first = await ctx.run_typed("first", lambda: 1)
        await over_socket(port)
        return first + await ctx.run_typed("second", lambda: 2)

    async with greeter() as port:
        server = Server(service(run))
        for _ in range(3 if request_response else 1):
            server.run(request_response=request_response)
            await until(lambda: server.ended or server.error or server.suspended_on)
            assert server.error is None, server.error.message
        assert server.outcome == b"3"
        assert (await replayed(server)).outcome == b"3"


async def test_results_come_in_the_order_of_the_journal_all_the_same():
    async def run(ctx: Context) -> list[str]:
        await in_thread()
        calls = [ctx.generic_call("Other", "echo", b"") for _ in range(3)]
        seen = [str(await each) for each in asyncio.as_completed([*calls, ctx.awakeable()[1]])]
        ctx.generic_send("Other", "log", str(seen).encode())
        return seen

    server = Server(service(run)).run()
    await until(lambda: server.said_of(Call))
    server.complete(Call, 2, Value(b"third"))
    server.signal(17, Value(b'"awakeable"'))
    server.complete(Call, 0, Value(b"first"))
    server.complete(Call, 1, Value(b"second"))
    expected = server.outcome
    assert expected is not None
    assert (await replayed(server)).outcome == expected


async def test_signals_come_no_earlier_than_what_is_awaited():
    async def run(ctx: Context) -> None:
        async def first() -> None:
            await ctx.awakeable()[1]
            ctx.generic_send("Other", "first", b"")

        async def second() -> None:
            ctx.generic_send("Other", "second", b"")

        await in_thread()
        await asyncio.gather(first(), second())

    server = Server(service(run)).run()
    await until(lambda: server.announced)
    server.signal(17)
    await replayed(server)


async def test_signals_that_nobody_has_asked_for_are_not_waited_with():
    async def run(ctx: Context) -> str:
        await ctx.sleep(DAY)
        await ctx.generic_call("Other", "echo", b"")
        return await ctx.signal("early", type_hint=str)

    server = Server(service(run)).run()
    server.notify(Signal("early", Value(b'"early"')))
    server.complete(Sleep, 0)
    server.complete(Call, 0, Value(b""))
    assert server.outcome == b'"early"'
    assert (await replayed(server)).outcome == b'"early"'


@pytest.mark.parametrize("outside", [in_thread, told_by_thread])
async def test_a_timeout_that_was_not_needed_is_not_in_replay_either(outside):
    async def run(ctx: Context) -> str:
        async with asyncio.timeout(60):
            await outside()
        await ctx.run_typed("step", lambda: 1)
        await ctx.sleep(DAY)
        return "in time"

    server = Server(service(run)).run()
    await until(lambda: len(server.said_of(Sleep)) == 2)
    server.complete(Sleep, 0)
    server.complete(Sleep, 1)
    assert server.outcome == b'"in time"'
    assert (await replayed(server)).outcome == b'"in time"'
