"""A server of several partitions: what runs in its first process, and in each of the others.

It differs from a server of one partition in this: requests go to the partition in which their
invocation lives, what one partition sends another is carried there, queries see all partitions, the
registry of the first is followed by all, and connections are dealt to all.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Final

from perdure.engine.clock import SystemClock
from perdure.engine.engine import Engine, World, nobody
from perdure.engine.ports import Log, Store
from perdure.engine.registry import RegistryKeeper
from perdure.links.answering import answer_requests
from perdure.links.ending import Ending
from perdure.links.following import follow, publish
from perdure.links.links import Links
from perdure.links.parcels import carry
from perdure.links.routed import RoutedRequests
from perdure.links.tidying import drop_superseded_by_all, tell_pinned
from perdure.links.views import Views, lend
from perdure.protocol.session import ServiceHost
from perdure.query.lender import Lender
from perdure.server.company import Companion, Companions, PartitionLostError, Place
from perdure.server.runtime import Failure, Parts, Runtime, open_storage, reach_services
from perdure.server.settings import Settings

#: A link that ends is a process that ends, of which the first tells; if it does not, after so many
#: seconds, then the link is what is broken.
SUSPECT_S: Final = 2.0
#: How much longer than its own attempts a process waits for those of others, in seconds.
OTHERS_S: Final = 0.5


@contextlib.asynccontextmanager
async def open_first(
    settings: Settings,
    companions: Companions,
    hosts: Mapping[str, ServiceHost],
    listeners: Mapping[str, socket.socket],
    failure: Failure,
) -> AsyncIterator[Runtime]:
    """Run partition 0, and the server's doors, for as long as the context lasts.

    Args:
        settings: of the whole server.
        companions: the processes of the other partitions, which were started.
        hosts: applications, by name; each process has them.
        listeners: bound sockets by the name of the door (``ingress``, ``admin``).
        failure: learns why the server stopped by itself.

    Raises:
        StorageError: the data directory cannot be used.
        RegistrationError: an application contradicts itself or an earlier revision.
        PartitionLostError: a companion ended before all served.
        UnavailableError: likewise.
    """
    with contextlib.ExitStack() as stack:
        vigil = Vigil(failure)
        log, store, document = open_storage(settings.data_dir, stack, companions.place.share)
        companions.go()
        keeper = RegistryKeeper(document, SystemClock(), settings.defaults())
        async with _linked(companions.place, vigil) as links:
            member = Member(settings, links, keeper, (log, store), vigil)
            async with member.ending():
                await member.start(hosts, partial(publish, links, keeper))
                await companions.ready()
                companions.lost.add_done_callback(lambda lost: failure.report(lost.result()))
                await drop_superseded_by_all(links, keeper, member.engine.partition.tables)
                await member.runtime.open_doors(listeners, companions.takers())
                yield member.runtime
                if not failure.reason.done():
                    companions.stop()


@contextlib.asynccontextmanager
async def open_companion(
    settings: Settings, hosts: Mapping[str, ServiceHost], failure: Failure, companion: Companion
) -> AsyncIterator[None]:
    """Run another partition, with a part of the connections, for as long as the context lasts.

    Args:
        settings: of the whole server.
        hosts: applications, by name; the same as in the first process.
        failure: learns why the partition stopped by itself.
        companion: this end of the line to the first process, which has opened its storage.

    Raises:
        StorageError: the data directory cannot be used.
        RegistrationError: an application is not the one of the first process.
        UnavailableError: the first process has ended.
    """
    with contextlib.ExitStack() as stack:
        vigil = Vigil(failure)
        log, store, _ = open_storage(settings.data_dir, stack, companion.place.share)
        async with _linked(companion.place, vigil) as links:
            registry = await follow(links, SystemClock(), settings.defaults())
            member = Member(settings, links, registry, (log, store), vigil)
            lender = Lender(member.engine.look)
            stack.callback(lender.close)
            async with member.ending():
                await member.start(hosts)
                tell_pinned(links, member.engine.partition.tables)
                lend(links, lender)
                companion.serve(member.runtime.open_hall())
                yield


class Member:
    """What each process has: the engine of its partition, tied to those of the others."""

    def __init__(
        self,
        settings: Settings,
        links: Links,
        keeper: RegistryKeeper,
        storage: tuple[Log, Store],
        vigil: Vigil,
    ) -> None:
        log, store = storage
        share, services = links.share, reach_services(settings)
        world = World(log, store, SystemClock(), keeper, services.transports(), share)
        self.engine = Engine(world, settings.divided(share.count).engine(), vigil.failure.report)
        requests = RoutedRequests(share, self.engine.requests, links)
        parts = Parts(self.engine, keeper, services, requests, Views(links), log, share)
        self.runtime = Runtime(parts, settings)
        self._links = links
        self._ending = Ending(links)
        self._vigil = vigil
        self._grace_s = settings.shutdown_timeout_ms / 1000

    async def start(
        self, hosts: Mapping[str, ServiceHost], registered: Callable[[], None] | None = None
    ) -> None:
        """Go on with everything that waits, and answer the others.

        Args:
            hosts: applications, by name.
            registered: called when they are.

        Raises:
            StorageError: the partition cannot be used, or not together with another one.
            RegistrationError: an application cannot be registered.
        """
        # Before anything is registered, which would hide that a registry was lost.
        self.engine.recover()
        for name, host in hosts.items():
            self.runtime.serve(name, host)
        if registered is not None:
            registered()
        await self.engine.start()
        answer_requests(self._links, self.engine.requests)
        await carry(self._links, self.engine)

    @contextlib.asynccontextmanager
    async def ending(self) -> AsyncIterator[None]:
        """Stop at the end: with all others, or at once if something failed."""
        regular = False
        try:
            yield
            regular = not self._vigil.failure.reason.done()
        finally:
            self._vigil.rest()
            if regular:
                await self._stop_with_others()
            else:
                await self.runtime.stop(0, nobody)

    async def _stop_with_others(self) -> None:
        loop = asyncio.get_running_loop()
        limit = loop.time() + self._grace_s + OTHERS_S

        async def until_limit() -> None:
            await self.engine.partition.settle()
            await self._ending.together(max(0.0, limit - loop.time()))

        await self.runtime.stop(self._grace_s, until_limit)


class Vigil:
    """Watches over the links of a process, of which none ends before the server does."""

    def __init__(self, failure: Failure) -> None:
        """Begin.

        Args:
            failure: learns why the server stopped by itself.
        """
        self.failure = failure
        self._loop = asyncio.get_running_loop()
        self._suspicions: list[asyncio.TimerHandle] = []
        self._over = False

    def lost(self, partition: int) -> None:
        """Hear that a link has ended."""
        if not self._over:
            error = PartitionLostError(f"the link to partition {partition} has ended")
            suspicion = self._loop.call_later(SUSPECT_S, self.failure.report, error)
            self._suspicions.append(suspicion)

    def rest(self) -> None:
        """Expect links to end from now on."""
        self._over = True
        for suspicion in self._suspicions:
            suspicion.cancel()


@contextlib.asynccontextmanager
async def _linked(place: Place, vigil: Vigil) -> AsyncIterator[Links]:
    """Open the links of a process for as long as the context lasts."""
    links = Links(place.share, place.sockets, vigil.lost)
    await links.start()
    try:
        yield links
    finally:
        vigil.rest()
        await links.close()
