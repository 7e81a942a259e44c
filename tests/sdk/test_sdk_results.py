"""What handlers end with, and what the server hears of it."""

from datetime import timedelta

from scripted_server import Server, service

from perdure.protocol.messages import End, Failure, Output, Value
from perdure.sdk.context import Context
from perdure.sdk.errors import RetryableError, TerminalError


async def test_a_plain_handler_answers_within_receive():
    async def run(_ctx: Context, name: str) -> str:
        return f"Hello {name}"

    server = Server(service(run), b'"Ada"').run()
    assert server.said == [Output(Value(b'"Hello Ada"')), End()]


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


async def test_metadata_of_a_failure_needs_version_6():
    async def run(_ctx: Context) -> None:
        raise TerminalError("no", metadata={"a": "b"})

    assert Server(service(run), version=5).run().error.code == 573
    assert Server(service(run), version=6).run().ended
