"""A server of two partitions in one event loop, in virtual time; it can crash and start again."""

from __future__ import annotations

import asyncio
import socket

from engine_world import abandon
from scripted_host import ScriptedHost
from virtual_time import VirtualClock

from perdure.core.model.deployments import Defaults
from perdure.core.model.shares import share_of
from perdure.engine.engine import Engine, EngineOptions, World
from perdure.engine.registry import RegistryKeeper
from perdure.engine.transports import Transports
from perdure.links.following import follow, publish
from perdure.links.links import Links
from perdure.links.parcels import carry
from perdure.protocol.ids import keyed_partition_key
from perdure.storage.document import MemoryDocument
from perdure.storage.memory_log import MemoryLog, MemoryRecords
from perdure.storage.memory_store import MemoryStore
from perdure.transport.in_process import SCHEME, InProcessTransport, endpoint_of

APP = endpoint_of("app")


def key_of(partition: int) -> str:
    """Give a key that lives in one of two partitions."""
    share = share_of(partition, 2)
    keys = (f"k{number}" for number in range(100))
    return next(key for key in keys if share.holds(keyed_partition_key(key)))


class Process:
    """What one partition's process has, now and after a crash."""

    def __init__(self, index: int, document: MemoryDocument, host: ScriptedHost) -> None:
        self.share = share_of(index, 2)
        self.forget()
        self.document = document
        self.host = host
        self.clock = VirtualClock()

    def forget(self) -> None:
        """Begin with nothing."""
        self.records = MemoryRecords()
        self.store = MemoryStore()

    def link(self, sock: socket.socket) -> None:
        """Get one end of the link, and note when it is lost, or the engine fails."""
        self.failures: list[BaseException] = []
        self.lost: list[int] = []
        self.links = Links(self.share, {1 - self.share.index: sock}, self.lost.append)

    async def start(self) -> None:
        """Start as a process of a server does."""
        await self.links.start()
        if self.share.index == 0:
            self.keeper = RegistryKeeper(self.document, self.clock, Defaults())
            self.keeper.register(APP, self.host.manifest())
            publish(self.links, self.keeper)
        else:
            self.keeper = await follow(self.links, self.clock, Defaults())
            self.keeper.register(APP, self.host.manifest())
        self.log = MemoryLog(asyncio.get_running_loop().call_soon, records=self.records)
        transport = InProcessTransport()
        transport.add(APP, self.host)
        transports = Transports({SCHEME: transport})
        world = World(self.log, self.store, self.clock, self.keeper, transports, self.share)
        self.engine = Engine(world, EngineOptions(), self.failures.append)
        await self.engine.start()
        await carry(self.links, self.engine)

    async def crash(self) -> None:
        """Lose all that is neither in the log nor in the store."""
        self.log.close()
        abandon(self.engine)
        self.engine.outbox.stop()
        self.host.sessions.clear()
        await self.links.close()


class Server:
    """Both of them."""

    def __init__(self, *hosts: ScriptedHost) -> None:
        document = MemoryDocument()
        self.processes = [Process(index, document, host) for index, host in enumerate(hosts)]

    async def start(self) -> None:
        for process, sock in zip(self.processes, socket.socketpair(), strict=True):
            process.link(sock)
        async with asyncio.TaskGroup() as group:
            for process in self.processes:
                group.create_task(process.start())

    async def crash(self, first: int, turns: int) -> None:
        """Let one process die, and the other one so many turns of the loop later."""
        await self.processes[first].crash()
        for _ in range(turns):
            await asyncio.sleep(0)
        await self.processes[1 - first].crash()

    async def stop(self) -> None:
        for process in self.processes:
            await process.engine.drain(0)
        for process in self.processes:
            await process.links.close()
            await process.engine.close()
