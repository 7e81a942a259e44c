"""Code that asks the process to exit ends its attempt, and nothing else."""

import asyncio
import os
import signal
import sys
from functools import partial

import pytest
from scripted_server import Server, service, until

from perdure.sdk.context import Context
from perdure.sdk.exits import refuse


def leave() -> None:
    """Leave, as programs do that are written for the command line."""
    sys.exit("bad configuration")


async def leave_later() -> None:
    """Leave from a coroutine."""
    leave()


async def from_handler(_: Context) -> None:
    """Leave from the handler itself."""
    leave()


async def from_thread(ctx: Context) -> None:
    """Leave from a step that is an ordinary function."""
    await ctx.run_typed("leave", leave)


async def from_step(ctx: Context) -> None:
    """Leave from a step that is a coroutine."""
    await ctx.run_typed("leave", leave_later)


async def from_task(_: Context) -> None:
    """Leave from a task of the handler."""
    await asyncio.create_task(leave_later())


async def from_cleaning_up(_: Context) -> None:
    """Leave while a task is cancelled."""

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            leave()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    await task


@pytest.mark.parametrize(
    "handler", [from_handler, from_thread, from_step, from_task, from_cleaning_up]
)
async def test_an_exit_fails_the_attempt(handler):
    server = Server(service(handler)).run()
    await until(lambda: server.error)
    assert "SystemExit('bad configuration') would end the process" in server.error.message


async def test_a_handler_may_catch_an_exit():
    async def run(_: Context) -> str:
        try:
            leave()
        except SystemExit as error:
            return str(error.code)

    assert Server(service(run)).run().outcome == b'"bad configuration"'


class Stop:
    """Leaves when it is called, as a method too."""

    def __call__(self, *_: object) -> None:
        """Leave."""
        sys.exit(7)

    def now(self, *_: object) -> None:
        """Leave."""
        sys.exit(7)


@pytest.mark.parametrize("stop", [lambda *_: sys.exit(7), Stop(), Stop().now, partial(Stop(), 1)])
def test_who_stops_the_process_may_interrupt_any_code(stop):
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    except SystemExit as error:
        with pytest.raises(SystemExit, match="7"):
            refuse(error)
    finally:
        signal.signal(signal.SIGUSR1, before)
