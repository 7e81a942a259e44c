"""Actions that run once: when they start, what becomes of them, and their retries."""

import asyncio
import threading
from datetime import timedelta

import pytest
from scripted_server import DAY, Server, service, until

from perdure.protocol.messages import (
    Failure,
    Future,
    ProposeRunCompletion,
    Run,
    Sleep,
    Suspension,
    Value,
)
from perdure.sdk.context import Context, RunOptions
from perdure.sdk.errors import RetryableError, TerminalError
from perdure.sdk.serde import Serde


@pytest.mark.parametrize("version", [5, 6, 7])
async def test_a_run_is_proposed_and_seen_when_it_is_safe(version: int):
    async def fetch() -> dict[str, int]:
        return {"a": 1}

    async def run(ctx: Context) -> int:
        return (await ctx.run_typed("fetch", fetch))["a"]

    server = Server(service(run), version=version, acknowledges=False).run()
    proposal = ProposeRunCompletion(1, Value(b'{"a":1}'), version == 7)
    assert server.said == [Run(1, "fetch"), proposal]
    server.acknowledge()
    assert server.outcome == b"1"


async def test_an_ordinary_function_runs_in_a_thread():
    async def run(ctx: Context) -> bool:
        name = await ctx.run("thread", lambda: threading.current_thread().name)
        return name == threading.main_thread().name

    server = Server(service(run)).run()
    await until(lambda: server.ended)
    assert server.outcome == b"false"


async def test_a_function_may_return_a_coroutine():
    async def fetch() -> int:
        await asyncio.sleep(0)
        return 3

    async def run(ctx: Context) -> int:
        return await ctx.run("lambda", lambda: fetch())  # noqa: PLW0108

    server = Server(service(run)).run()
    await until(lambda: server.ended)
    assert server.outcome == b"3"


async def test_an_object_may_be_an_action():
    class Fetch:
        async def __call__(self) -> int:
            return 4

        async def method(self) -> int:
            return 5

    async def run(ctx: Context) -> list[int]:
        return [await ctx.run("object", Fetch()), await ctx.run("method", Fetch().method)]

    assert Server(service(run)).run().outcome == b"[4,5]"


async def test_runs_that_wait_are_executed_together():
    arrived: list[int] = []
    both = asyncio.Event()

    async def meet(number: int) -> int:
        arrived.append(number)
        if len(arrived) == 2:
            both.set()
        await both.wait()
        return number

    async def run(ctx: Context) -> list[int]:
        first = ctx.run_typed("one", meet, RunOptions(), 1)
        second = ctx.run_typed("two", meet, RunOptions(), 2)
        return [await first, await second]

    server = Server(service(run)).run()
    await until(lambda: server.ended)
    assert server.outcome == b"[1,2]"


async def test_a_failing_run_ends_the_attempt_and_is_named():
    async def fail() -> None:
        raise ValueError("broken")

    async def run(ctx: Context) -> None:
        await ctx.sleep(DAY)
        await ctx.run_typed("charge", fail)

    server = Server(service(run)).run()
    server.complete(Sleep, 0)
    error = server.error
    assert (error.code, error.message) == (500, "ValueError('broken')")
    assert (error.related_command_index, error.related_command_name) == (2, "charge")
    assert error.related_command_type == 0x0411
    assert error.next_retry_delay is None


async def test_retries_of_a_run_go_by_its_options():
    async def fail() -> None:
        raise ValueError("broken")

    async def run(ctx: Context) -> None:
        await ctx.run_typed("charge", fail, RunOptions(max_attempts=3))

    host = service(run)
    server = Server(host).run()
    assert server.error.next_retry_delay == 50
    server.start = {"retry_count_since_last_stored_entry": 1}
    assert server.run().error.next_retry_delay == 100
    server.start = {"retry_count_since_last_stored_entry": 2}
    server.run()
    assert server.outcome == Failure(500, "ValueError('broken')")


async def test_a_run_may_fail_for_good():
    async def fail() -> None:
        raise TerminalError("refused", 402)

    async def run(ctx: Context) -> str:
        try:
            await ctx.run_typed("charge", fail)
        except TerminalError as error:
            return f"{error.status_code} {error.message}"
        return "paid"

    assert Server(service(run)).run().outcome == b'"402 refused"'


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([TerminalError("no", 404), TerminalError("never")], Failure(404, "no")),
        ([TerminalError("no", 404), ValueError("later")], None),
    ],
)
async def test_a_group_of_errors_is_final_if_all_of_it_is(errors: list[Exception], told):
    def measure() -> int:
        raise ExceptionGroup("both", errors)

    async def run(ctx: Context) -> None:
        await ctx.run_typed("measure", measure)

    server = Server(service(run)).run()
    await until(lambda: server.error or server.outcome)
    assert server.outcome == told


async def test_a_serde_may_fail_a_run_for_good():
    class Refusing(Serde[int]):
        def serialize(self, obj: int | None) -> bytes:
            raise TerminalError("too large to keep", 413)

        def deserialize(self, buf: bytes) -> int | None:
            return int(buf)

    async def measure() -> int:
        return 7

    async def run(ctx: Context) -> None:
        await ctx.run_typed("measure", measure, RunOptions(serde=Refusing()))

    assert Server(service(run)).run().outcome == Failure(413, "too large to keep")


@pytest.mark.parametrize("in_thread", [True, False])
async def test_whatever_ends_an_action_is_told(in_thread: bool):
    class Verdict(BaseException):
        """Not an Exception, as what test frameworks and timeouts raise."""

    def judge() -> None:
        raise Verdict("guilty")

    async def judge_here() -> None:
        judge()

    async def run(ctx: Context) -> None:
        await ctx.run_typed("judge", judge if in_thread else judge_here)

    server = Server(service(run)).run(request_response=True)
    await until(lambda: server.error or server.suspended_on)
    assert (server.error.code, server.error.related_command_name) == (500, "judge")
    assert "Verdict('guilty')" in server.error.message


@pytest.mark.parametrize("in_thread", [True, False])
async def test_an_iterator_that_ends_is_an_error_of_the_action(in_thread: bool):
    def first() -> int:
        return next(iter([]))

    async def first_here() -> int:
        return first()

    async def run(ctx: Context) -> None:
        await ctx.run_typed("first", first if in_thread else first_here)

    server = Server(service(run)).run()
    await until(lambda: server.error)
    assert "raised StopIteration" in server.error.message


async def test_an_iterator_that_ends_is_an_error_of_the_serde():
    class Headless(Serde[int]):
        def serialize(self, obj: int | None) -> bytes:
            return b"7"

        def deserialize(self, buf: bytes) -> int | None:
            return next(iter([]))

    async def run(ctx: Context) -> str:
        try:
            await ctx.run_typed("read", lambda: 7, RunOptions(serde=Headless()))
        except RuntimeError as error:
            return str(error)
        return ""

    server = Server(service(run)).run()
    await until(lambda: server.ended or server.error)
    assert server.outcome == b'"the result cannot be read: StopIteration()"'


async def test_the_older_way_has_its_options_too():
    async def fail(_what: str) -> None:
        raise ValueError("broken")

    async def run(ctx: Context) -> None:
        await ctx.run("charge", fail, max_attempts=1, type_hint=int, args=("x",))

    assert Server(service(run)).run().outcome == Failure(500, "ValueError('broken')")


async def test_nothing_more_starts_once_a_run_has_failed():
    started: list[int] = []

    async def fail(number: int) -> None:
        started.append(number)
        raise ValueError("broken")

    async def run(ctx: Context) -> None:
        await asyncio.gather(*(ctx.run_typed("charge", fail, number=number) for number in range(3)))

    assert Server(service(run)).run().error
    assert started == [0]


async def test_metadata_of_a_failed_run_needs_version_6():
    async def fail() -> None:
        raise TerminalError("no", metadata={"a": "b"})

    async def run(ctx: Context) -> None:
        await ctx.run_typed("charge", fail)

    assert Server(service(run), version=5).run().error.code == 573


async def test_a_run_asks_for_its_own_delay():
    async def fail() -> None:
        raise RetryableError("busy", 429, timedelta(seconds=9))

    async def run(ctx: Context) -> None:
        await ctx.run_typed("charge", fail)

    error = Server(service(run)).run().error
    assert (error.code, error.message, error.next_retry_delay) == (429, "busy", 9000)


async def test_a_run_that_is_known_is_not_executed_again():
    calls: list[int] = []

    async def count() -> int:
        calls.append(1)
        return len(calls)

    async def run(ctx: Context) -> int:
        number = await ctx.run_typed("count", count)
        await ctx.sleep(DAY)
        return number

    server = Server(service(run)).run(request_response=True)
    assert server.suspended_on == Future((2,), (1,))
    server.attempt = None
    server.complete(Sleep, 0)
    server.run()
    assert server.outcome == b"1"
    assert calls == [1]


async def test_a_run_that_is_forgotten_is_told():
    async def fetch() -> int:
        return 1

    async def run(ctx: Context) -> None:
        ctx.run_typed("fetch", fetch)

    error = Server(service(run)).run().error
    assert "'fetch'" in error.message
    assert "await ctx.run_typed" in error.message


async def test_a_coroutine_instead_of_a_function_is_told():
    async def fetch() -> int:
        return 1

    async def run(ctx: Context) -> None:
        await ctx.run_typed("fetch", fetch())

    assert "do not call it" in Server(service(run)).run().error.message


async def test_the_context_cannot_be_used_in_an_action():
    async def run(ctx: Context) -> None:
        async def inner() -> None:
            ctx.sleep(DAY)

        await ctx.run_typed("inner", inner)

    error = Server(service(run)).run().error
    assert "ContextMisuseError" in error.message
    assert error.related_command_name == "inner"


async def test_time_is_a_run():
    async def run(ctx: Context) -> bool:
        return await ctx.time() > 1_700_000_000

    server = Server(service(run)).run()
    assert server.said[0] == Run(1, "timestamp")
    assert server.outcome == b"true"


async def test_an_action_that_is_under_way_keeps_the_attempt():
    go_on = asyncio.Event()

    async def wait() -> int:
        await go_on.wait()
        return 1

    async def run(ctx: Context) -> int:
        return await ctx.run_typed("wait", wait)

    server = Server(service(run), acknowledges=False).run(request_response=True)
    assert server.said == [Run(1, "wait")]
    go_on.set()
    await until(lambda: server.suspended_on)
    assert server.said[1:] == [
        ProposeRunCompletion(1, Value(b"1"), ack=True),
        Suspension(Future((1,), (1,))),
    ]


async def test_an_action_is_cancelled_with_its_attempt():
    stopped = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def run(ctx: Context) -> None:
        await ctx.run_typed("wait", wait)

    server = Server(service(run)).run()
    server.abandon()
    await stopped.wait()
    assert server.said == [Run(1, "wait")]
