"""A server of several partitions in one event loop: an engine each, and links between them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Iterator

from engine_world import settled
from scripted_host import MANIFEST, ScriptedHost, ScriptedSession
from virtual_time import VirtualClock

from perdure.core.model.deployments import Defaults
from perdure.core.model.invocations import Retention
from perdure.core.model.records import Invoke
from perdure.core.model.shares import share_of
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.engine import Engine, EngineOptions, World
from perdure.engine.reception import Reception
from perdure.engine.registry import RegistryKeeper
from perdure.engine.transports import Transports
from perdure.ingress.app import Ingress
from perdure.links.answering import answer_requests
from perdure.links.links import Links
from perdure.links.parcels import carry
from perdure.links.routed import RoutedRequests
from perdure.protocol.ids import (
    idempotent_id,
    keyed_partition_key,
    workflow_run_id,
)
from perdure.protocol.messages import End, Input, Output, Signal, Value
from perdure.storage.document import MemoryDocument
from perdure.storage.memory_log import MemoryLog
from perdure.storage.memory_store import MemoryStore
from perdure.transport.in_process import SCHEME, InProcessTransport, endpoint_of

KEPT = Retention(86_400_000, 86_400_000)
#: Where a request is made of an invocation: in a server of one partition, or of two.
PLACES = ("alone", "here", "elsewhere")


class Server:
    """So many partitions with what leads each; scripts say what handlers do."""

    def __init__(self, count: int, **scripts) -> None:
        self.count = count
        self.clock = VirtualClock()
        self.host = ScriptedHost(MANIFEST, **{"greet": echoes, "add": echoes, **scripts})
        self.keeper = RegistryKeeper(MemoryDocument(), self.clock, Defaults())
        self.deployment = self.keeper.register(endpoint_of("app"), self.host.manifest()).id
        self.failures: list[BaseException] = []
        self.lost: list[int] = []
        self.engines: list[Engine] = []
        self.links: list[Links] = []
        self.requests: list[Reception] = []

    async def start(self, options: EngineOptions) -> None:
        ends = _sockets(self.count)
        for index in range(self.count):
            share = share_of(index, self.count)
            log = MemoryLog(asyncio.get_running_loop().call_soon)
            transport = InProcessTransport()
            transport.add(endpoint_of("app"), self.host)
            transports = Transports({SCHEME: transport})
            world = World(log, MemoryStore(), self.clock, self.keeper, transports, share)
            engine = Engine(world, options, self.failures.append)
            await engine.start()
            self.engines.append(engine)
            if self.count == 1:
                self.requests.append(engine.requests)
                return
            links = Links(share, ends[index], self.lost.append)
            answer_requests(links, engine.requests)
            await links.start()
            self.links.append(links)
            self.requests.append(RoutedRequests(share, engine.requests, links))
        await asyncio.gather(*map(carry, self.links, self.engines))

    async def stop(self) -> None:
        for engine in self.engines:
            await engine.drain(0)
        for links in self.links:
            await links.close()
        for engine in self.engines:
            await engine.close()
        assert self.failures == []

    def waiting(self) -> list[int]:
        """Give how many wait in each partition, wherever they count."""
        all_waiters = [engine.requests.waiters for engine in self.engines]
        return [len(each._told) + sum(map(len, each._by_id.values())) for each in all_waiters]


def _sockets(count: int) -> list[dict[int, socket.socket]]:
    """Give each partition an end of a link to each other."""
    ends: list[dict[int, socket.socket]] = [{} for _ in range(count)]
    for one, other in itertools.combinations(range(count), 2):
        ends[one][other], ends[other][one] = socket.socketpair()
    return ends


class Place:
    """A server, asked for what lives in its last partition, from one of its partitions."""

    def __init__(self, server: Server, asked: int) -> None:
        self.server = server
        self.asked = server.engines[asked]
        self.owner = server.engines[-1]
        self.requests = server.requests[asked]
        self.links = server.links[asked] if server.links else None
        self.ingress = Ingress(self.requests)
        self._last = share_of(1, 2)
        #: A key and, for a plain service, an idempotency key of that partition, in any server.
        self.key = next(filter(self._is_key, _names("key")))
        self.once = next(filter(self._is_once, _names("once")))
        self.run_id = workflow_run_id("Signup", self.key)
        self.once_id = idempotent_id("Greeter", "greet", self.once)

    def _is_key(self, name: str) -> bool:
        return self._last.holds(keyed_partition_key(name))

    def _is_once(self, name: str) -> bool:
        return all(
            self._last.holds(idempotent_id("Greeter", handler, name))
            for handler in ("greet", "relay")
        )

    def request(self, handler: str = "add", content: bytes = b'"x"', **options) -> Invoke:
        """Make the record of a request to the object's, the workflow's or the service's handler."""
        service, kind, key = {
            "add": ("Counter", HandlerKind.EXCLUSIVE, self.key),
            "look": ("Counter", HandlerKind.SHARED, self.key),
            "run": ("Signup", HandlerKind.WORKFLOW, self.key),
        }.get(handler, ("Greeter", HandlerKind.SERVICE, ""))
        target = Target(service, handler, kind, key)
        drawn = self.requests.draw_id(target, options.get("idempotency_key"))
        return Invoke(drawn, target, Input(Value(content)), KEPT, **options)


def _names(stem: str) -> Iterator[str]:
    return (f"{stem} {number}" for number in itertools.count())


@contextlib.asynccontextmanager
async def serving(count: int, options: EngineOptions | None = None, **scripts) -> AsyncIterator:
    """Run a server for as long as the context lasts."""
    server = Server(count, **scripts)
    try:
        await server.start(options or EngineOptions())
        await settled()
        yield server
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def asking(place: str, options: EngineOptions | None = None, **scripts) -> AsyncIterator:
    """Give a server of which something is asked: alone, here or elsewhere."""
    async with serving(1 if place == "alone" else 2, options, **scripts) as server:
        yield Place(server, 0 if place == "elsewhere" else server.count - 1)


# Scripts.


def echoes(session: ScriptedSession) -> None:
    """Give back the input."""
    if session.heard and not session.news and not session.input_closed and session.journal:
        session.say(Output(session.journal[0].value), End())


def awaits_signal(session: ScriptedSession) -> None:
    """End with what the first signal brings."""
    signals = [message for message in session.news if isinstance(message, Signal)]
    if signals and not session.input_closed:
        session.say(Output(signals[0].result), End())


def goes_on(_session: ScriptedSession) -> None:
    """Never end."""
