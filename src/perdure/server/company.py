"""The company: the processes of one server, each of which leads a partition.

The *first* leads partition 0. It was started by whoever runs the server, has the doors, and starts
its *companions*. Between it and each of them there is a line, over which they agree when to begin
and when to end; words on it are single bytes, and one of them brings a connection to be served.

They begin together: a companion opens its storage when the first has its own, and the doors open
when all are ready. They end together: whichever is asked to stop, the first has all of them stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from perdure.core.model.shares import Share
from perdure.server.dealing import RECOVER_S, SHORT_OF, Taker
from perdure.storage.forks import close_copy, close_when_forked

#: Words to a companion: storage may be opened; a connection comes along; stop.
_GO: Final = b"g"
_CONNECTION: Final = b"c"
_STOP: Final = b"s"
#: Words of a companion: it serves; it was asked to stop.
_READY: Final = b"r"
_ASKED: Final = b"a"

#: Words taken in one turn of the loop.
_TOGETHER: Final = 64
#: A connection that comes along goes to no program that this process may start.
_NOT_INHERITED: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_DESCRIPTOR: Final = struct.Struct("i")

logger = logging.getLogger("perdure.server")


class Place(NamedTuple):
    """A process's place in the company."""

    #: Which partition it leads.
    share: Share
    #: Connected sockets to the leaders of all others, by the number of the partition.
    sockets: Mapping[int, socket.socket]


class PartitionLostError(Exception):
    """The process of another partition ended by itself, and all others end with it."""

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        """Say how it ended.

        Args:
            message: says it.
            exit_code: with which; negative if by a signal, None if it did not.
        """
        super().__init__(message)
        self.exit_code = exit_code


class Companions:
    """The processes of all other partitions, as the first sees them."""

    def __init__(
        self,
        place: Place,
        lines: Mapping[int, socket.socket],
        on_asked: Callable[[], None],
    ) -> None:
        """Take this end of the lines.

        Args:
            place: that of the first.
            lines: connected sockets by the number of the partition.
            on_asked: called when a companion was asked to stop, as by a signal.
        """
        self.place = place
        self._lines = dict(lines)
        self._on_asked = on_asked
        #: Since when all are to end, by the loop's time; None until then.
        self.stopped_at: float | None = None
        loop = asyncio.get_running_loop()
        self._ready = {index: loop.create_future() for index in lines}
        #: Done once a companion has ended by itself, with a PartitionLostError.
        self.lost: asyncio.Future[Any] = loop.create_future()
        close_when_forked(self, Companions._forsake)
        for index, line in self._lines.items():
            line.setblocking(False)
            loop.add_reader(line.fileno(), self._hear, index)

    def lose(self, error: PartitionLostError) -> None:
        """Hear that a companion has ended by itself."""
        if not self.lost.done():
            self.lost.set_result(error)

    def go(self) -> None:
        """Let all open their storage."""
        self._tell(_GO)

    async def ready(self) -> None:
        """Wait until all serve.

        Raises:
            PartitionLostError: one of them will not.
        """
        for each in self._ready.values():
            await asyncio.wait({each, self.lost}, return_when=asyncio.FIRST_COMPLETED)
        if self.lost.done():
            error: PartitionLostError = self.lost.result()
            raise error

    def takers(self) -> list[Taker]:
        """Give what hands connections to each."""
        return [partial(self._hand, line) for line in self._lines.values()]

    def stop(self) -> None:
        """Begin the end of all."""
        self.stopped_at = asyncio.get_running_loop().time()
        self._tell(_STOP)

    def close(self) -> None:
        """Hang up on all."""
        loop = asyncio.get_running_loop()
        for line in self._lines.values():
            loop.remove_reader(line.fileno())
            loop.remove_writer(line.fileno())
            line.close()
        self._lines.clear()
        for link in self.place.sockets.values():
            link.close()  # unless whoever used it did so

    def _hand(self, line: socket.socket, connection: socket.socket) -> bool:
        if self.stopped_at is not None:
            return False  # it may have closed when the connection arrives
        try:
            socket.send_fds(line, [_CONNECTION], [connection.fileno()])
        except OSError:  # it is too busy to take more, or gone
            return False
        connection.close()
        return True

    def _tell(self, word: bytes) -> None:
        for line in self._lines.values():
            self._say(line, word)

    def _say(self, line: socket.socket, word: bytes) -> None:
        """Say a word, as soon as a companion that is busy has taken some connections."""
        loop = asyncio.get_running_loop()
        loop.remove_writer(line.fileno())
        try:
            line.send(word)
        except BlockingIOError:
            loop.add_writer(line.fileno(), self._say, line, word)
        except OSError:
            return  # it is gone

    def _hear(self, index: int) -> None:
        try:
            words = self._lines[index].recv(_TOGETHER)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        if not words:  # how it ended is told by whoever started it
            asyncio.get_running_loop().remove_reader(self._lines[index].fileno())
        if _ASKED in words:
            self._on_asked()
        if _READY in words:
            self._ready[index].set_result(None)

    def _forsake(self) -> None:
        """Close the copies that a process has which was forked off."""
        _forsake((*self._lines.values(), *self.place.sockets.values()))


class Companion:
    """A process of another partition than the first: its end of the line."""

    def __init__(self, place: Place, line: socket.socket) -> None:
        """Take this end of the line; nothing is read before :meth:`start`.

        Args:
            place: that of this process.
            line: a connected socket.
        """
        self.place = place
        self._line = line
        loop = asyncio.get_running_loop()
        #: Done once storage may be opened, and once all are to end.
        self.begun: asyncio.Future[None] = loop.create_future()
        self.stopping: asyncio.Future[None] = loop.create_future()
        self._take: Taker = _refuse
        self._pause: asyncio.TimerHandle | None = None
        close_when_forked(self, Companion._forsake)

    def start(self) -> None:
        """Listen."""
        self._pause = None
        self._line.setblocking(False)
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._hear)

    def serve(self, take: Taker) -> None:
        """Say that this process serves.

        Args:
            take: takes the connections that come.
        """
        self._take = take
        self._tell(_READY)

    def ask_to_stop(self) -> None:
        """Ask for the end of all."""
        self._tell(_ASKED)

    def close(self) -> None:
        """Hang up."""
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._line.fileno())
        self._line.close()

    def _tell(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # the first has gone, and so will this process
            self._line.send(word)

    def _hear(self) -> None:
        for _ in range(_TOGETHER):
            try:
                word, connection = _receive(self._line)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SHORT_OF:
                    self._recover(error)
                    return
                word, connection = b"", None
            if not word:
                asyncio.get_running_loop().remove_reader(self._line.fileno())
                return
            done = {_GO: self.begun, _STOP: self.stopping}.get(word)
            if done is not None:
                done.set_result(None)
            if connection is not None and not self._take(connection):
                connection.close()

    def _recover(self, error: OSError) -> None:
        """Leave what comes to the line, and then to the first, until there may be room again."""
        logger.error("connections wait, and one is lost, as none can be taken: %s", error)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._line.fileno())
        self._pause = loop.call_later(RECOVER_S, self.start)

    def _forsake(self) -> None:
        """Close the copies that a process has which was forked off."""
        _forsake((self._line, *self.place.sockets.values()))


def _receive(line: socket.socket) -> tuple[bytes, socket.socket | None]:
    """Give a word, empty at the end, and the connection that came along.

    Raises:
        OSError: there is none now, or never will be; or the connection could not be had.
    """
    # Not socket.recv_fds, which takes flags and passes them to nobody.
    word, along, flags, _ = line.recvmsg(1, socket.CMSG_SPACE(_DESCRIPTOR.size), _NOT_INHERITED)
    if flags & socket.MSG_CTRUNC:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    for level, kind, data in along:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            (descriptor,) = _DESCRIPTOR.unpack(data)
            return word, _socket(descriptor)
    return word, None


def _socket(descriptor: int) -> socket.socket | None:
    """Take a descriptor that came along."""
    os.set_inheritable(descriptor, False)  # where there is no such flag
    try:
        return socket.socket(fileno=descriptor)
    except OSError:  # some systems know nothing of a connection whose client is gone already
        os.close(descriptor)
        return None


def _refuse(_connection: socket.socket) -> bool:
    return False


def _forsake(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        if each.fileno() >= 0:
            close_copy(each.fileno())
