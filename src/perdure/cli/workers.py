"""Several processes that serve side by side on one socket.

The parent holds the socket and does nothing but wait: for a signal, or for a worker that ends by
itself. Then all of them end. A worker notices when its parent dies, however that happens.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Sequence
from typing import Final, NamedTuple

from perdure.cli.again import keep, same_command
from perdure.cli.errors import EXIT_SERVER, CommandError
from perdure.cli.loops import Watchdog, stop_signal

#: What a worker is told: the file descriptors of the socket, and of the parent's lifeline.
WORKER_VARIABLE: Final = "_PERDURE_SERVE_WORKER"
#: Beyond the graceful stop's own bound: how long workers may take to leave.
LEAVE_S: Final = 5.0


class Inheritance(NamedTuple):
    """What a worker has from its parent."""

    listener: socket.socket
    #: A pipe that ends when the parent does.
    lifeline: int

    def leave_with_parent(self) -> None:
        """End this process when the parent dies: nobody would stop it any more."""
        asyncio.get_running_loop().add_reader(self.lifeline, os._exit, EXIT_SERVER)


def adopt() -> Inheritance | None:
    """Take what a parent left to this process; None if it is no worker."""
    inherited = os.environ.pop(WORKER_VARIABLE, None)
    if inherited is None:
        return None
    listener, lifeline = descriptors = [int(number) for number in inherited.split(",")]
    keep(descriptors)
    return Inheritance(socket.socket(fileno=listener), lifeline)


async def supervise(
    listener: socket.socket, workers: int, stop_s: float, watchdog: Watchdog
) -> None:
    """Run this command in so many processes until SIGINT or SIGTERM.

    Args:
        listener: what they serve on.
        workers: how many.
        stop_s: how long each may take to stop, in seconds.
        watchdog: bounds the end of this process.

    Raises:
        CommandError: one of them ended by itself; the others were stopped.
    """
    stop = stop_signal(watchdog)
    read_end, _write_end = os.pipe()
    children = [await _start(listener, read_end) for _ in range(workers)]
    left = [asyncio.ensure_future(child.wait()) for child in children]
    await asyncio.wait({stop, *left}, return_when=asyncio.FIRST_COMPLETED)
    await _end(children, left, stop_s + LEAVE_S)
    if not stop.done():
        raise CommandError("a worker ended; see above", EXIT_SERVER)


async def _start(listener: socket.socket, lifeline: int) -> asyncio.subprocess.Process:
    descriptors = [listener.fileno(), lifeline]
    return await asyncio.create_subprocess_exec(
        *same_command(),
        env={**os.environ, WORKER_VARIABLE: ",".join(map(str, descriptors))},
        pass_fds=descriptors,
        # A Ctrl-C on the terminal is the parent's to forward, once.
        process_group=0,
        stdin=subprocess.DEVNULL,
    )


async def _end(
    children: Sequence[asyncio.subprocess.Process],
    left: Sequence[asyncio.Future[int]],
    timeout_s: float,
) -> None:
    for child in children:
        if child.returncode is None:
            child.terminate()
    await asyncio.wait(left, timeout=timeout_s)
    for child in children:
        if child.returncode is None:
            child.kill()
