"""A running server: the one place that puts storage, engine, services and doors together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from perdure.admin.app import create_admin
from perdure.admin.query import query_operation
from perdure.core.model.deployments import Deployment, Registry
from perdure.core.model.shares import ALONE, Share
from perdure.engine.clock import SystemClock
from perdure.engine.configurator import Configurator
from perdure.engine.engine import Engine, World, nobody
from perdure.engine.ports import Document, Log, Store
from perdure.engine.reception import Reception
from perdure.engine.registrar import Discoverers, Registrar
from perdure.engine.registry import RegistryKeeper
from perdure.engine.transports import Transports
from perdure.ingress.app import Ingress
from perdure.protocol.session import ServiceHost
from perdure.query.elsewhere import Elsewhere
from perdure.query.queries import Queries
from perdure.server.dealing import Taker
from perdure.server.doors import Application, Door
from perdure.server.halls import Hall
from perdure.server.http2_sender import STREAMS_MAX
from perdure.server.settings import Settings
from perdure.storage.directory import DataDirectory
from perdure.storage.document import DocumentFile, MemoryDocument
from perdure.storage.local_log import LocalLog
from perdure.storage.memory_log import MemoryLog
from perdure.storage.memory_store import MemoryStore
from perdure.storage.rocks_store import RocksStore
from perdure.transport.client_http import HttpClient
from perdure.transport.discovery import HttpDiscoverer
from perdure.transport.http import SCHEMES as HTTP_SCHEMES
from perdure.transport.http import HttpOptions, HttpTransport
from perdure.transport.in_process import SCHEME, InProcessTransport, endpoint_of
from perdure.transport.lambda_client import LambdaClient
from perdure.transport.lambda_services import SCHEME as LAMBDA_SCHEME
from perdure.transport.lambda_services import LambdaDiscoverer, LambdaTransport

#: How long the last answers may take to reach their clients.
FAREWELL_S: Final = 1.0

logger = logging.getLogger("perdure.server")


class Services(NamedTuple):
    """How services are reached."""

    in_process: InProcessTransport
    http: HttpClient
    functions: LambdaClient
    options: HttpOptions

    def transports(self) -> Transports:
        """Give all transports."""
        elsewhere = dict.fromkeys(HTTP_SCHEMES, HttpTransport(self.http, self.options))
        functions = LambdaTransport(self.functions, self.options)
        return Transports({SCHEME: self.in_process, **elsewhere, LAMBDA_SCHEME: functions})

    def discoverer(self) -> Discoverers:
        """Give what asks services elsewhere what they serve."""
        elsewhere = dict.fromkeys(HTTP_SCHEMES, HttpDiscoverer(self.http, self.options))
        functions = LambdaDiscoverer(self.functions, self.options)
        return Discoverers({**elsewhere, LAMBDA_SCHEME: functions})

    async def close(self) -> None:
        """Leave all services."""
        await self.http.close()
        await self.functions.close()


def reach_services(settings: Settings) -> Services:
    """Make what reaches services."""
    return Services(
        InProcessTransport(),
        HttpClient(settings.network()),
        LambdaClient(settings.functions()),
        settings.services(),
    )


class Parts(NamedTuple):
    """What a runtime is made of."""

    engine: Engine
    keeper: RegistryKeeper
    services: Services
    #: The face of the whole server, and the server's other partitions, if there are any.
    requests: Reception
    elsewhere: Elsewhere | None
    log: Log
    share: Share = ALONE


class Runtime:
    """A server in this process, on this event loop.

    Made by :func:`open_runtime`; more services can be added while it runs.
    """

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._settings = settings
        self._engine = parts.engine
        self._keeper = parts.keeper
        self._services = parts.services
        self._queries = Queries(parts.engine.look, settings.queries(), parts.elsewhere)
        self._doors: dict[str, Door] = {}
        self._hall: Hall | None = None
        #: How many partitions, and processes, the server has.
        self.partitions = parts.share.count
        #: What the doors ask.
        self.requests = parts.requests
        #: The ingress as an ASGI application, to be mounted elsewhere.
        self.ingress = Ingress(parts.requests, body_bytes_max=settings.request_bytes_limit)
        #: The log, whose counters tell how often it synced.
        self.log = parts.log

    @property
    def ingress_url(self) -> str:
        """Where requests go."""
        return self._url("ingress")

    @property
    def admin_url(self) -> str:
        """Where operators look."""
        return self._url("admin")

    @property
    def registry(self) -> Registry:
        """What can be called now."""
        return self._keeper.registry

    @property
    def public_keys(self) -> list[str]:
        """What services recognise this server by, if requests are signed."""
        keys = self._services.options.keys
        return [] if keys is None else keys.public_keys

    def serve(self, name: str, host: ServiceHost) -> Deployment:
        """Serve an application's services from this process.

        Raises:
            RegistrationError: what it serves contradicts itself or an earlier revision.
            StorageError: the registration could not be made durable.
        """
        endpoint = endpoint_of(name)
        deployment = self._keeper.register(endpoint, host.manifest())
        self._services.in_process.add(endpoint, host)
        return deployment

    async def open_doors(
        self, listeners: Mapping[str, socket.socket], others: Sequence[Taker] = ()
    ) -> None:
        """Accept requests on sockets that are bound, by the name of the door.

        Args:
            listeners: the sockets.
            others: take connections to the ingress, too, in turn.
        """
        ingress = listeners.get("ingress")
        ingress_url = None if ingress is None else _url_of(ingress.getsockname())
        registrar = Registrar(self._keeper, self._services.discoverer())
        admin = create_admin(
            self.requests,
            self._settings.advertised_ingress or ingress_url,
            registrar,
            Configurator(self._keeper, SystemClock()),
            [query_operation(self._queries)],
            self._settings.cluster_name,
            self._keeper.published,
        )
        applications: dict[str, Application] = {"ingress": self.ingress, "admin": admin}
        for name, listener in listeners.items():
            streams_max = self._settings.ingress_streams_limit if name == "ingress" else STREAMS_MAX
            self._doors[name] = Door(applications[name], listener, streams_max=streams_max)
            await self._doors[name].start(others if name == "ingress" else ())

    def open_hall(self) -> Taker:
        """Serve the ingress on connections that were accepted elsewhere; give what takes them."""
        self._hall = Hall(self.ingress, self._settings.ingress_streams_limit)
        self._hall.open()
        return self._hall.take

    async def stop(self, grace_s: float, others: Callable[[], Awaitable[None]] = nobody) -> None:
        """Stop in bounded time: refuse what is new, end or suspend what runs, answer, close.

        Args:
            grace_s: how long attempts may take to end or suspend, in seconds.
            others: returns when other processes have ended theirs, for which one may wait here.
        """
        self.ingress.drain()
        await self._engine.drain(grace_s, others)
        for door in self._doors.values():
            await door.stop(FAREWELL_S)
        if self._hall is not None:
            await self._hall.close(FAREWELL_S)
        self._queries.close()
        await self._services.close()
        await self._engine.close()

    def _url(self, name: str) -> str:
        door = self._doors.get(name)
        if door is None:
            raise LookupError(f"the {name} has no port of its own; give one to open it")
        return _url_of(door.address)


def _url_of(address: tuple[Any, ...] | str) -> str:
    """Write a socket's address as clients on this machine use it."""
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address[:2]
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only compared
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


class Failure:
    """Learns why the engine stopped by itself, for whoever waits for that."""

    def __init__(self) -> None:
        #: Done, with the reason, once the engine stopped by itself.
        self.reason: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def report(self, error: BaseException) -> None:
        """Take the reason."""
        logger.critical("the server stops: %s", error)
        if not self.reason.done():
            self.reason.set_result(error)


@contextlib.asynccontextmanager
async def open_runtime(
    settings: Settings,
    hosts: Mapping[str, ServiceHost],
    listeners: Mapping[str, socket.socket],
    failure: Failure,
) -> AsyncIterator[Runtime]:
    """Run a server of one partition for as long as the context lasts.

    Args:
        settings: how; without a data directory everything is in memory, and lost at the end.
        hosts: applications of this process, by name; they serve before anything is resumed.
        listeners: bound sockets by the name of the door (``ingress``, ``admin``) to open on them.
        failure: learns why the server stopped by itself.

    Raises:
        StorageError: the data directory cannot be used.
        RegistrationError: an application contradicts itself or an earlier revision.
    """
    clock = SystemClock()
    with contextlib.ExitStack() as stack:
        log, store, document = open_storage(settings.data_dir, stack)
        keeper = RegistryKeeper(document, clock, settings.defaults())
        services = reach_services(settings)
        world = World(log, store, clock, keeper, services.transports())
        engine = Engine(world, settings.engine(), failure.report)
        parts = Parts(engine, keeper, services, engine.requests, None, log)
        runtime = Runtime(parts, settings)
        try:
            # Before anything is registered, which would hide that a registry was lost.
            engine.recover()
            for name, host in hosts.items():
                runtime.serve(name, host)
            await engine.start()
            await runtime.open_doors(listeners)
            yield runtime
        finally:
            await runtime.stop(settings.shutdown_timeout_ms / 1000)


def open_storage(
    data_dir: Path | None, stack: contextlib.ExitStack, share: Share = ALONE
) -> tuple[Log, Store, Document]:
    """Open log, store and registry document in a data directory, or in memory.

    Args:
        data_dir: the directory; None for memory.
        stack: closes what was opened.
        share: of which partition.

    Raises:
        StorageError: the directory is in use, damaged, of another format, or not writable.
    """
    loop = asyncio.get_running_loop()
    if data_dir is None:
        return MemoryLog(call_soon=loop.call_soon), MemoryStore(), MemoryDocument()
    directory = stack.enter_context(DataDirectory.open(data_dir, share))
    # The store has a lock of its own: where somebody took the directory's away, the log of a server
    # that runs is not touched.
    store = RocksStore.open(directory.store_path)
    stack.callback(store.close)
    log = LocalLog.open(directory.log_path, loop)
    stack.callback(log.close)
    return log, store, DocumentFile(directory.registry_path)
