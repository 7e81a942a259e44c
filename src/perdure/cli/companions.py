"""Leading a partition in a process that the server's first one has started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

from msgspec.structs import replace

from perdure.cli.errors import EXIT_SERVER, CommandError
from perdure.cli.loops import Watchdog, run, show_log
from perdure.cli.processes import Errand
from perdure.cli.serving import check, load_host, started, told, watchdog_of
from perdure.cli.signals import hear_signals
from perdure.core.model.shares import share_of
from perdure.server.collector import settle_down
from perdure.server.company import Companion, Place
from perdure.server.embedded import LifespanHost
from perdure.server.partitioned import open_companion
from perdure.server.runtime import Failure
from perdure.server.settings import Settings


def serve(errand: Errand, target: str | None, settings: Settings) -> None:
    """Serve until the first process says that it is over, or ends.

    Args:
        errand: what this process has of the first.
        target: the application, if there is one.
        settings: of the whole server, as the command line gives them.

    Raises:
        CommandError: the application or the partition's data cannot be used, or no longer.
    """
    _leave_with_first(errand.lifeline)
    # Until there is somebody to ask for the end of all.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    data_dir = None if errand.data_dir is None else Path(errand.data_dir)
    settings = replace(settings, data_dir=data_dir)
    watchdog = watchdog_of(settings)
    try:
        run(lambda: _serve(errand, target, settings, watchdog), watchdog)
    except CommandError as error:
        raise CommandError(f"partition {errand.index}: {error}", error.exit_code) from error


def _leave_with_first(lifeline: int) -> None:
    """End this process when the first has ended, however busy the event loop is."""

    def wait() -> None:
        os.read(lifeline, 1)
        os._exit(EXIT_SERVER)

    threading.Thread(target=wait, name="perdure-lifeline", daemon=True).start()


def _take_place(errand: Errand) -> Companion:
    sockets = {other: socket.socket(fileno=each) for other, each in errand.links.items()}
    place = Place(share_of(errand.index, errand.count), sockets)
    companion = Companion(place, socket.socket(fileno=errand.line))
    companion.start()
    hear_signals(lambda _: companion.ask_to_stop())
    return companion


async def _load(target: str | None, companion: Companion) -> dict[str, LifespanHost]:
    """Load the application while the first process does so, too; wait until that one has begun.

    Raises:
        CommandError: it cannot be used here, though the first process could use it.
    """
    try:
        return {} if target is None else {target: load_host(target)}
    finally:
        await companion.begun


async def _serve(
    errand: Errand, target: str | None, settings: Settings, watchdog: Watchdog
) -> None:
    companion = _take_place(errand)
    failure = Failure()
    with told():
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(companion.close)
            hosts = await _load(target, companion)
            show_log(times=target is None, partition=errand.index)
            for host in hosts.values():
                await stack.enter_async_context(started(host))
            await stack.enter_async_context(open_companion(settings, hosts, failure, companion))
            settle_down()
            ends = {companion.stopping, failure.reason}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            watchdog.watch()
    check(failure)
