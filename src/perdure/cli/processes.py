"""The processes of a server of several partitions: this one, and those that it starts.

The others run the same command, and are told by a variable of the environment what they have of
this one. All are tied to it: they end when it does, however that happens, and it ends when one of
them does by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
from msgspec import Struct

from perdure.cli.again import keep, same_command
from perdure.cli.loops import STUCK_S
from perdure.core.model.shares import share_of
from perdure.protocol.session import ServiceHost
from perdure.server.company import Companions, PartitionLostError, Place
from perdure.server.runtime import Failure, Runtime, open_runtime
from perdure.server.settings import Settings
from perdure.storage.directory import partitions_in
from perdure.storage.forks import close_when_forked

#: What a companion is told.
COMPANION_VARIABLE: Final = "_PERDURE_COMPANION"
#: How long the others may take to stop beyond what the limit allows, in seconds: less than this
#: process, which then ends them, and says so.
LEAVE_S: Final = STUCK_S - 1.0


class Errand(Struct, frozen=True):
    """What a companion has of the first process: numbers of file descriptors, and what to lead."""

    index: int
    count: int
    #: Connected to the leaders of the other partitions, by their numbers.
    links: Mapping[int, int]
    #: Connected to the first, for words.
    line: int
    #: A pipe that ends when the first does.
    lifeline: int
    #: Of the whole server; None for memory.
    data_dir: str | None


#: Opens a server for as long as a context lasts, with its applications by name and bound sockets by
#: door; the failure learns why it stopped by itself.
Opener = Callable[
    [Mapping[str, ServiceHost], Mapping[str, socket.socket], Failure],
    contextlib.AbstractAsyncContextManager[Runtime],
]


@contextlib.asynccontextmanager
async def staffed(settings: Settings, ask_to_stop: Callable[[], None]) -> AsyncIterator[Opener]:
    """Start the processes of all other partitions, if there are any; they end with the context.

    Args:
        settings: of the server.
        ask_to_stop: called when one of the processes was asked to stop, as by a signal.

    Raises:
        StorageError: the data directory cannot be used.
        PartitionLostError: a process did not end as it should.
    """
    count = count_partitions(settings)
    if count == 1:
        yield partial(open_runtime, settings)
        return
    from perdure.server.partitioned import open_first  # noqa: PLC0415 - others do without

    async with Staff(settings, count, ask_to_stop) as companions:
        yield partial(open_first, settings, companions)


def count_partitions(settings: Settings) -> int:
    """Tell how many partitions the server has: as it is told, or as its data directory says.

    Raises:
        StorageError: the data directory is of another version.
    """
    if settings.partitions is not None:
        return settings.partitions
    return 1 if settings.data_dir is None else partitions_in(settings.data_dir) or 1


def adopt() -> Errand | None:
    """Take what the first process left to this one; None if this is no companion."""
    told = os.environ.pop(COMPANION_VARIABLE, None)
    if told is None:
        return None
    errand = msgspec.json.decode(told, type=Errand)
    keep([*errand.links.values(), errand.line, errand.lifeline])
    return errand


class Staff:
    """The processes of all other partitions, for as long as the context lasts."""

    def __init__(self, settings: Settings, count: int, ask_to_stop: Callable[[], None]) -> None:
        self._settings = settings
        self._count = count
        self._ask_to_stop = ask_to_stop
        #: A pipe on which nothing is written: it ends when this process does.
        self._read_end, write_end = os.pipe()
        self._write_end: int | None = write_end
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._watches: dict[int, asyncio.Task[None]] = {}
        self._ending = False

    async def __aenter__(self) -> Companions:
        """Start them; they wait until they are told to begin."""
        close_when_forked(self, Staff._forsake)
        try:
            sockets, lines = await self._start_all()
        except OSError as error:
            raise PartitionLostError(f"the processes cannot be started: {error}") from error
        finally:
            os.close(self._read_end)
        place = Place(share_of(0, self._count), sockets)
        self._companions = companions = Companions(place, lines, self._ask_to_stop)
        loop = asyncio.get_running_loop()
        self._watches = {index: loop.create_task(self._watch(index)) for index in self._processes}
        return companions

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for them if they were asked to stop; else end them, as nothing waits for them."""
        stopped_at = self._companions.stopped_at if kind is None else None
        self._ending = True
        if stopped_at is not None:
            limit = stopped_at + self._settings.shutdown_timeout_ms / 1000 + LEAVE_S
            patience_s = max(0.0, limit - asyncio.get_running_loop().time())
            await asyncio.wait(self._watches.values(), timeout=patience_s)
        late = [index for index, process in self._processes.items() if process.returncode is None]
        for index in late:
            self._processes[index].kill()
        await asyncio.wait(self._watches.values())
        self._companions.close()
        self._forsake()
        if stopped_at is not None:
            self._check(late)

    def _check(self, late: Sequence[int]) -> None:
        """Tell of a process that did not end as it should."""
        if late:
            raise PartitionLostError(f"the process of partition {late[0]} did not stop in time")
        for index, process in self._processes.items():
            if process.returncode:
                raise self._lost(index)

    async def _start_all(self) -> tuple[dict[int, socket.socket], dict[int, socket.socket]]:
        """Start all; give this process's ends of its links, and of its lines."""
        sockets = _tie(self._count)
        lines = {index: socket.socketpair() for index in range(1, self._count)}
        try:
            for index, (_, line) in lines.items():
                await self._start(index, sockets[index], line)
        finally:
            for index, (_, line) in lines.items():
                for each in (line, *sockets[index].values()):
                    each.close()
        return sockets[0], {index: end for index, (end, _) in lines.items()}

    async def _start(
        self, index: int, links: Mapping[int, socket.socket], line: socket.socket
    ) -> None:
        data_dir = self._settings.data_dir
        errand = Errand(
            index,
            self._count,
            {other: link.fileno() for other, link in links.items()},
            line.fileno(),
            self._read_end,
            None if data_dir is None else str(data_dir.absolute()),
        )
        self._processes[index] = await asyncio.create_subprocess_exec(
            *same_command(),
            env=_environment(errand),
            pass_fds=[*errand.links.values(), errand.line, errand.lifeline],
            # A Ctrl-C on the terminal is the first's to pass on, once. A process group would do,
            # but uvloop makes none.
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )

    async def _watch(self, index: int) -> None:
        await self._processes[index].wait()
        if self._companions.stopped_at is None and not self._ending:
            self._companions.lose(self._lost(index))

    def _lost(self, index: int) -> PartitionLostError:
        process = self._processes[index]
        code = process.returncode
        assert code is not None, "it has ended"
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return PartitionLostError(f"process {process.pid} of partition {index} {how}", code)

    def _forsake(self) -> None:
        """Let go of the others; a process that was forked off would keep them alive."""
        if self._write_end is not None:
            os.close(self._write_end)
            self._write_end = None


def _tie(count: int) -> list[dict[int, socket.socket]]:
    """Connect each partition with all others; give the ends of each, by the other's number."""
    ends: list[dict[int, socket.socket]] = [{} for _ in range(count)]
    for index in range(count):
        for other in range(index):
            ends[index][other], ends[other][index] = socket.socketpair()
    return ends


def _environment(errand: Errand) -> dict[str, str]:
    environment = {**os.environ, COMPANION_VARIABLE: msgspec.json.encode(errand).decode()}
    if sys.dont_write_bytecode:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return environment
