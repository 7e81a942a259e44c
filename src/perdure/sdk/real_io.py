"""Input and output of an attempt's loop: done by the real loop, awaited here.

An attempt's loop schedules; it has no sockets, threads or processes of its own. What asks for them
is handed to the real loop, and its result comes back over a bridge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from perdure.sdk.foreign import Bridge

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def _started(name: str) -> Any:
    """Make a method that starts a coroutine method of the real loop and waits for its end."""

    async def method(self: RealLoopIO, *args: Any, **kwargs: Any) -> Any:
        self.reached_out = True
        work: Coroutine[Any, Any, Any] = getattr(self.real, name)(*args, **kwargs)
        return await self.bridge(self.real.create_task(work))

    method.__name__ = name
    return method


def _forwarded(name: str) -> Any:
    """Make a method that calls the method of the real loop."""

    def method(self: RealLoopIO, *args: Any, **kwargs: Any) -> Any:
        self.reached_out = True
        return getattr(self.real, name)(*args, **kwargs)

    method.__name__ = name
    return method


def _refused(name: str) -> Any:
    """Make a method that says who runs the loop."""

    def method(_self: RealLoopIO, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError(
            f"loop.{name}() is not for handlers: the SDK runs this loop; write `await` instead"
        )

    method.__name__ = name
    return method


class RealLoopIO(asyncio.AbstractEventLoop):
    """The part of an event loop that touches the outside."""

    #: The loop that does it.
    real: asyncio.AbstractEventLoop
    #: Foreign futures that something here awaits, or may await.
    bridges = 0
    #: Whether anything was begun outside, of which news may come without a bridge.
    reached_out = False

    def bridge(self, foreign: asyncio.Future[Any]) -> Bridge:
        """Give a future of this loop that follows one of another loop."""
        self.bridges += 1
        return Bridge(foreign, self, self.bridge_settled)

    def bridge_settled(self) -> None:
        """Learn that a foreign future is done."""
        self.bridges -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call a function in a thread of the real loop's executor."""
        return self.bridge(self.real.run_in_executor(executor, func, *args))

    getaddrinfo = _started("getaddrinfo")
    getnameinfo = _started("getnameinfo")
    create_connection = _started("create_connection")
    create_server = _started("create_server")
    create_unix_connection = _started("create_unix_connection")
    create_unix_server = _started("create_unix_server")
    create_datagram_endpoint = _started("create_datagram_endpoint")
    connect_accepted_socket = _started("connect_accepted_socket")
    connect_read_pipe = _started("connect_read_pipe")
    connect_write_pipe = _started("connect_write_pipe")
    start_tls = _started("start_tls")
    sendfile = _started("sendfile")
    subprocess_shell = _started("subprocess_shell")
    subprocess_exec = _started("subprocess_exec")
    sock_recv = _started("sock_recv")
    sock_recv_into = _started("sock_recv_into")
    sock_recvfrom = _started("sock_recvfrom")
    sock_recvfrom_into = _started("sock_recvfrom_into")
    sock_sendall = _started("sock_sendall")
    sock_sendto = _started("sock_sendto")
    sock_connect = _started("sock_connect")
    sock_accept = _started("sock_accept")
    sock_sendfile = _started("sock_sendfile")

    add_reader = _forwarded("add_reader")
    remove_reader = _forwarded("remove_reader")
    add_writer = _forwarded("add_writer")
    remove_writer = _forwarded("remove_writer")
    add_signal_handler = _forwarded("add_signal_handler")
    remove_signal_handler = _forwarded("remove_signal_handler")
    set_default_executor = _forwarded("set_default_executor")
    set_exception_handler = _forwarded("set_exception_handler")
    get_exception_handler = _forwarded("get_exception_handler")
    default_exception_handler = _forwarded("default_exception_handler")

    run_forever = _refused("run_forever")
    run_until_complete = _refused("run_until_complete")
    stop = _refused("stop")
    close = _refused("close")
    set_debug = _refused("set_debug")
    set_task_factory = _refused("set_task_factory")
    shutdown_asyncgens = _refused("shutdown_asyncgens")
    shutdown_default_executor = _refused("shutdown_default_executor")
