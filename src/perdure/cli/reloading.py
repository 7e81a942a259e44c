"""Restarting the server when source files change.

The parent holds the ports and watches the files; a child process serves. A change ends the child
gracefully and starts another: connections wait in the meantime, running invocations go on, on the
new code. A whole new process is the only reload that never mixes old code with new.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from watchfiles import PythonFilter, awatch

from perdure.cli import serving
from perdure.cli.again import keep, same_command
from perdure.cli.errors import EXIT_SERVER, CommandError, DiedError
from perdure.cli.loading import split_target
from perdure.cli.loops import STUCK_S, leaving, run
from perdure.cli.signals import hear_signals
from perdure.cli.streams import say
from perdure.server.settings import Settings

#: What the child is told: the file descriptors of both ports, and of the parent's lifeline.
CHILD_VARIABLE: Final = "_PERDURE_DEV_CHILD"
#: Beyond the graceful stop's own bound: how long the child may take to leave.
LEAVE_S: Final = STUCK_S + 5.0
#: How a child ends one of whose processes died: as if it had died itself, which a change may mend.
_DIED: Final = 70
#: How a child ends whose stop hung, or was none.
_STUCK: Final = (EXIT_SERVER, _DIED, -signal.SIGKILL)


def supervise(target: str, options: serving.DevOptions, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, with a new process whenever a source file changes.

    Raises:
        CommandError: the application, the data directory or a port cannot be used.
    """
    inherited = os.environ.pop(CHILD_VARIABLE, None)
    if inherited is not None:
        _serve_as_child(target, settings, inherited)
        return
    split_target(target)  # no change of the source would mend it
    with serving.listening(settings, unix_sockets=options.unix_sockets) as listeners, leaving():
        asyncio.run(Supervisor(settings, listeners).run())


def _serve_as_child(target: str, settings: Settings, inherited: str) -> None:
    # Compiled files tell versions of a source apart by whole seconds: too coarse for two changes.
    sys.dont_write_bytecode = True
    ingress, admin, lifeline = descriptors = [int(number) for number in inherited.split(",")]
    keep(descriptors)
    listeners = {"ingress": socket.socket(fileno=ingress), "admin": socket.socket(fileno=admin)}

    watchdog = serving.watchdog_of(settings)

    async def main() -> None:
        # The pipe ends when the parent does, however it dies: then nobody would restart us.
        asyncio.get_running_loop().add_reader(lifeline, os._exit, EXIT_SERVER)
        await serving.serve_on(target, settings, listeners, watchdog, supervised=True)

    try:
        run(main, watchdog)
    except DiedError as error:
        raise CommandError(str(error), _DIED) from error


class Supervisor:
    """The parent: keeps one child running."""

    def __init__(self, settings: Settings, listeners: Mapping[str, socket.socket]) -> None:
        self._listeners = listeners
        self._read_end, self._write_end = os.pipe()
        self._leave_s = settings.shutdown_timeout_ms / 1000 + LEAVE_S
        self._child: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Restart the child on every change, until told to stop or the child cannot go on.

        Raises:
            CommandError: the server or the watching of files ended.
        """
        hear_signals(self._asked_to_stop)
        changes = awatch(Path.cwd(), watch_filter=PythonFilter(), stop_event=self._stopping)
        while not self._stopping.is_set():
            # Watching begins before the child reads the source: no change falls in between.
            changed = asyncio.ensure_future(anext(changes, None))
            child = self._child = await self._start()
            try:
                await self._until_change(child, changed)
            finally:
                await self._end(child)
            if not self._stopping.is_set():
                say("source changed; starting again")
        if self._child is not None and self._child.returncode in _STUCK:
            raise CommandError("the server did not stop as it should; see above", EXIT_SERVER)

    async def _until_change(
        self, child: asyncio.subprocess.Process, changed: asyncio.Task[Any]
    ) -> None:
        left = asyncio.ensure_future(child.wait())
        await asyncio.wait({changed, left}, return_when=asyncio.FIRST_COMPLETED)
        if not changed.done():
            if (code := left.result()) == EXIT_SERVER:
                raise CommandError("the server ended; see above", EXIT_SERVER)
            if code < 0:
                say(f"the server was ended by signal {-code}")
            say("waiting for a change of the source")
            self._child = None  # how it ended is told
            await asyncio.wait({changed})
        left.cancel()
        try:
            changed.result()
        except (OSError, RuntimeError) as error:
            raise CommandError(
                f"the source cannot be watched: {error}; start with --no-reload", EXIT_SERVER
            ) from error

    def _asked_to_stop(self, number: signal.Signals) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            return
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
        # As without reloading: what is acknowledged is durable.
        sys.exit(128 + number)

    async def _start(self) -> asyncio.subprocess.Process:
        descriptors = [
            *(listener.fileno() for listener in self._listeners.values()),
            self._read_end,
        ]
        return await asyncio.create_subprocess_exec(
            *same_command(),
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
            await child.wait()


def _child_environment(environment: Mapping[str, str], descriptors: list[int]) -> dict[str, str]:
    return {**environment, CHILD_VARIABLE: ",".join(map(str, descriptors))}
