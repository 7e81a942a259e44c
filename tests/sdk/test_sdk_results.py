"""What handlers end with, and what the server hears of it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

import pytest
from scripted_server import Server, service, until

from perdure.protocol.messages import End, Failure, Output, Value
from perdure.sdk.context import Context, RunOptions
from perdure.sdk.errors import RetryableError, TerminalError
from perdure.sdk.serde import JsonSerde


async def test_a_plain_handler_answers_within_receive():
    async def run(_ctx: Context, name: str) -> str:
        return f"Hello {name}"

    server = Server(service(run), b'"Ada"').run()
    assert server.said == [Output(Value(b'"Hello Ada"')), End()]


async def test_results_are_read_on_the_handlers_loop_whether_they_are_new_or_not():
    loops: list[bool] = []

    async def run(ctx: Context) -> list[int]:
        own = asyncio.get_running_loop()

        class Telling(JsonSerde[int]):
            def deserialize(self, buf: bytes) -> int | None:
                loops.append(asyncio.get_running_loop() is own)
                return super().deserialize(buf)

        options = RunOptions(serde=Telling())
        return [await ctx.run_typed(name, lambda: 1, options) for name in ("a", "b")]

    server = Server(service(run)).run()
    await until(lambda: server.ended)
    replayed = Server(service(run), journal=server.journal[1:-1]).run()
    assert replayed.outcome == server.outcome == b"[1,1]"
    assert loops == [True] * 4


async def test_input_that_cannot_be_read_is_a_bad_request():
    async def run(_ctx: Context, number: int) -> int:
        return number

    server = Server(service(run), b'"Ada"').run()
    assert server.outcome.code == 400
    assert "S/run" in server.outcome.message
    assert server.ended


async def test_a_terminal_error_is_the_result():
    async def run(_ctx: Context) -> None:
        raise TerminalError("no", 418, {"why": "teapot"})

    server = Server(service(run)).run()
    assert server.said == [Output(Failure(418, "no", (("why", "teapot"),))), End()]


async def test_a_terminal_error_counts_when_it_was_wrapped():
    async def run(_ctx: Context) -> None:
        raise ValueError("wrapped") from TerminalError("no", 418)

    assert Server(service(run)).run().outcome == Failure(418, "no")


async def test_any_other_error_is_for_the_server_to_retry():
    async def run(_ctx: Context) -> None:
        raise ValueError("broken")

    error = Server(service(run)).run().error
    assert (error.code, error.message) == (500, "ValueError('broken')")
    assert "test_sdk_results.py" in error.stacktrace
    assert error.next_retry_delay is None


async def test_a_retryable_error_says_when():
    async def run(_ctx: Context) -> None:
        raise RetryableError("later", 503, timedelta(seconds=3))

    error = Server(service(run)).run().error
    assert (error.code, error.message, error.next_retry_delay) == (503, "later", 3000)


class UnprintableError(ValueError):
    """As an error about a database row that was let go is."""

    def __repr__(self) -> str:
        raise LookupError


class HeadlessError(RetryableError):
    """An author's own, which forgets the constructor of its base."""

    def __init__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (UnprintableError("x"), "UnprintableError, which cannot be shown: LookupError"),
        (ValueError(UnprintableError("x")), "ValueError, which cannot be shown: LookupError"),
        (ValueError("half a pair: \udc80"), "half a pair: \\udc80"),
        (HeadlessError(), "HeadlessError()"),
        (RetryableError("later", None), "The code of a failure is a number"),
        (RetryableError("later", -1), "up to 65535, not -1"),
        (RetryableError("later", 2**70), "up to 65535, not 1180591620717411303424"),
        (RetryableError(None), "The message of a failure is a string"),
        (TerminalError("no", -1), "up to 65535, not -1"),
        (TerminalError("no", 65536), "up to 65535, not 65536"),
    ],
)
@pytest.mark.parametrize("in_action", [True, False])
async def test_an_attempt_ends_whatever_its_error_is_like(
    raised: Exception, told: str, in_action: bool
):
    async def fail() -> None:
        raise raised

    async def run(ctx: Context) -> None:
        await (ctx.run_typed("fail", fail) if in_action else fail())

    error = Server(service(run)).run().error
    assert error.code == 500
    assert told in error.message
    assert "in fail" in error.stacktrace


@dataclass
class DeclinedError(TerminalError):
    """An author's own, whose constructor is made for it."""

    reason: str
    status_code: int = 402


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (DeclinedError("no cover"), Failure(402, "no cover")),
        (
            DeclinedError(reason="no cover"),
            Failure(402, "DeclinedError(reason='no cover', status_code=402)"),
        ),
        (TerminalError("no file \udc80"), Failure(500, "no file \\udc80")),
        (
            TerminalError("no", 404, {"\udc80": "\ud800"}),
            Failure(404, "no", (("\\udc80", "\\ud800"),)),
        ),
    ],
)
@pytest.mark.parametrize("in_action", [True, False])
async def test_a_terminal_error_is_final_whatever_it_is_like(
    raised: TerminalError, said: Failure, in_action: bool
):
    async def fail() -> None:
        raise raised

    async def run(ctx: Context) -> None:
        await (ctx.run_typed("fail", fail) if in_action else fail())

    server = Server(service(run)).run()
    await until(lambda: server.outcome or server.error)
    assert server.outcome == said


async def test_an_error_may_be_its_own_cause():
    async def run(_ctx: Context) -> None:
        error = ValueError("broken")
        raise error from error

    assert Server(service(run)).run().error.message == "ValueError('broken')"


@pytest.mark.parametrize(("failing", "outcome"), [(ValueError, None), (TerminalError, "no")])
async def test_an_error_may_come_from_a_group_that_holds_it(
    failing: type[Exception], outcome: str | None
):
    async def fail() -> None:
        raise failing("no")

    async def run(_ctx: Context) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    server = Server(service(run)).run()
    if outcome is None:
        assert server.error.message == "ValueError('no')"
    else:
        assert server.outcome == Failure(500, outcome)


async def test_the_code_of_a_failure_may_be_pythons_own():
    async def run(_ctx: Context) -> None:
        raise TerminalError("no", HTTPStatus.NOT_FOUND)

    assert Server(service(run)).run().outcome == Failure(404, "no")


async def test_metadata_of_a_failure_needs_version_6():
    async def run(_ctx: Context) -> None:
        raise TerminalError("no", metadata={"a": "b"})

    assert Server(service(run), version=5).run().error.code == 573
    assert Server(service(run), version=6).run().ended
