"""Restarting the server when source files change.

The parent holds the ports and watches the files; a child process serves. A change ends the child
gracefully and starts another: connections wait in the meantime, running invocations go on, on the
new code. A whole new process is the only reload that never mixes old code with new.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
from watchfiles import PythonFilter, awatch

from perdure.cli import serving
from perdure.cli.errors import EXIT_SERVER, CommandError
from perdure.server.settings import Settings

#: What the child is told: the file descriptors of both ports, and of the parent's lifeline.
CHILD_VARIABLE: Final = "_PERDURE_DEV_CHILD"
#: Beyond the graceful stop's own bound: how long the child may take to leave.
LEAVE_S: Final = 5.0


def supervise(options: serving.DevOptions, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, with a new process whenever a source file changes.

    Raises:
        CommandError: the application, the data directory or a port cannot be used.
    """
    inherited = os.environ.pop(CHILD_VARIABLE, None)
    if inherited is not None:
        _serve_as_child(options, settings, inherited)
        return
    asyncio.run(Supervisor(settings).run())


def _serve_as_child(options: serving.DevOptions, settings: Settings, inherited: str) -> None:
    ingress, admin, lifeline = (int(number) for number in inherited.split(","))
    listeners = {"ingress": socket.socket(fileno=ingress), "admin": socket.socket(fileno=admin)}

    async def main() -> None:
        # The pipe ends when the parent does, however it dies: then nobody would restart us.
        asyncio.get_running_loop().add_reader(lifeline, os._exit, EXIT_SERVER)
        await serving.serve_on(options.target, settings, listeners)

    serving.run(main)


class Supervisor:
    """The parent: keeps one child running."""

    def __init__(self, settings: Settings) -> None:
        self._listeners = serving.bind_doors(settings)
        self._read_end, self._write_end = os.pipe()
        self._leave_s = settings.shutdown_timeout_ms / 1000 + LEAVE_S

    async def run(self) -> None:
        """Restart the child on every change, until told to stop or the child cannot go on."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, stopping.set)
        changes = awatch(Path.cwd(), watch_filter=PythonFilter(), stop_event=stopping)
        changed = asyncio.ensure_future(anext(changes, None))
        while not stopping.is_set():
            child = await self._start()
            left = asyncio.ensure_future(child.wait())
            await asyncio.wait({changed, left}, return_when=asyncio.FIRST_COMPLETED)
            if not changed.done():
                self._check(left.result())
                click.echo("waiting for a change of the source", err=True)
                await asyncio.wait({changed})
            await self._end(child)
            await left
            if not stopping.is_set():
                click.echo("source changed; starting again", err=True)
                changed = asyncio.ensure_future(anext(changes, None))

    def _check(self, exit_code: int) -> None:
        """Go on only if a change of the source can help."""
        if exit_code == EXIT_SERVER:
            raise CommandError("the server ended; see above", EXIT_SERVER)

    async def _start(self) -> asyncio.subprocess.Process:
        descriptors = [
            *(listener.fileno() for listener in self._listeners.values()),
            self._read_end,
        ]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "perdure",
            *sys.argv[1:],
            env=_child_environment(os.environ, descriptors),
            pass_fds=descriptors,
            # A Ctrl-C on the terminal is ours to forward, once.
            process_group=0,
            stdin=subprocess.DEVNULL,
        )

    async def _end(self, child: asyncio.subprocess.Process) -> None:
        if child.returncode is not None:
            return
        child.terminate()
        try:
            async with asyncio.timeout(self._leave_s):
                await child.wait()
        except TimeoutError:
            # What it acknowledged is durable; the next one goes on from there.
            child.kill()


def _child_environment(environment: Mapping[str, str], descriptors: list[int]) -> dict[str, str]:
    return {**environment, CHILD_VARIABLE: ",".join(map(str, descriptors))}
