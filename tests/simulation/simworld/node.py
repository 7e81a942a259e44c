"""One process of the simulated machine: the real engine and SDK, from its start to its death."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from perdure.core.model.deployments import Defaults
from perdure.engine.engine import Engine, EngineOptions, nobody
from perdure.engine.engine import World as EngineWorld
from perdure.engine.errors import RefusalError
from perdure.engine.outbox import DivergedError
from perdure.engine.ports import CorruptLogError, StorageError
from perdure.engine.reception import Reception
from perdure.engine.registry import RegistryKeeper
from perdure.engine.transports import Transports
from perdure.links.ending import Ending
from perdure.links.following import publish
from perdure.links.links import Links
from perdure.links.routed import RoutedRequests
from perdure.sdk.host import Host
from perdure.storage.segmented import SegmentedRecords
from perdure.transport.http import HttpOptions, HttpTransport
from perdure.transport.in_process import SCHEME, InProcessTransport, endpoint_of
from simworld.company import Company
from simworld.hardware import Estate, Fuse, Hardware, NodeClock
from simworld.places import Place
from simworld.releases import RELEASES_MAX, Releases, name_of
from simworld.remote import Fleet, Lines
from simworld.shop import Shop
from simworld.storage import Disk, SimLog
from simworld.switchboard import begin_together, followed, open_questions
from simworld.violations import Violation
from simworld.wire import WatchedHost

#: How long a process may go on when the link to another one has ended, in seconds.
SUSPECT_S = 2.0
#: How long a process that stops waits for others to have given all their answers, in seconds.
OTHERS_S = 1.0


class Node:
    """A process; ``gone`` is called once, when it has ended: by itself, or by a crash."""

    def __init__(
        self,
        hardware: Hardware,
        estate: Estate,
        shop: Shop,
        app: Releases,
        fleet: Fleet,
        company: Company,
        started: Callable[[Node], None],
        gone: Callable[[Node, str], None],
    ) -> None:
        self._hardware = hardware
        self.estate = estate
        self.share = estate.share
        self._shop = shop
        self._app = app
        self._company = company
        self._started = started
        self._gone = gone
        self.fuse = Fuse()
        self.loop = hardware.new_loop()
        self.lines = Lines(fleet, self.loop)
        self.loop.on_power_cut = lambda: self.die("power")
        self.disk = Disk(estate.disk, self.point)
        self.store = estate.store
        self.clock = NodeClock(hardware, self.point)
        self.engine: Engine | None = None
        #: The engine as clients see it, once it serves.
        self.face: Reception | None = None
        self._keeper: RegistryKeeper | None = None
        self._links: Links | None = None
        #: How it ends together with others, where they do.
        self._ending: Ending | None = None
        self.log: SimLog | None = None
        self.serving = False
        self.stopping = False
        #: Whether another process leads.
        self.superseded = False
        #: Called when the process ends: who waits for an answer learns that none will come.
        self.waiting: dict[int, Callable[[], None]] = {}
        self._main: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self.loop.alive

    @property
    def requests(self) -> Reception:
        """The engine as clients see it, or all engines of the server."""
        assert self.engine is not None
        return self.engine.requests if self.face is None else self.face

    @property
    def open_questions(self) -> int:
        """How much this process has asked others, or been asked, that is not answered."""
        return 0 if self._links is None else open_questions(self._links)

    def point(self, kind: str) -> bool:
        """Pass a point where the process may die; False once it has."""
        if self.fuse.kind == kind and self.loop.alive and self.fuse.burns_out():
            self.die("power" if kind == "disk" else "kill")
        return self.loop.alive

    def supersede(self) -> None:
        """Let another process lead; this one will see, as soon as it wants to record something."""
        assert self.log is not None
        self.superseded = self.lines.superseded = True
        self.fuse.kind = None
        self.log.fence()

    def boot(self) -> None:
        self._main = self.loop.create_task(self._serve())

    def stop(self, grace_s: float) -> None:
        """Stop gracefully, as on SIGTERM."""
        if self.alive and not self.stopping:
            self.stopping = True
            self._main = self.loop.create_task(self._stop(grace_s))

    def die(self, how: str) -> None:
        """End at once; what was under way never goes on."""
        if not self.alive:
            return
        self.loop.kill()
        self.serving = False
        for lose in self.waiting.values():
            lose()
        self.waiting.clear()
        self.lines.die()
        self._gone(self, how)

    async def _serve(self) -> None:
        hardware, estate, sizes = self._hardware, self.estate, self._hardware.plan.sizes
        marks = hardware.random("marks")
        try:
            records = SegmentedRecords(
                self.disk,
                segment_bytes=sizes.segment_bytes,
                new_mark=lambda: marks.randbytes(4),
            )
            estate.truth.check_log(records, damaged=bool(estate.flipped))
            self.log = SimLog(records, self.loop, hardware.sync_latency_s, estate.truth)
            if not self.share.alone:
                self._links = await self._company.enter(self.share, self.loop, self._lost)
                self._ending = Ending(self._links) if self._company.together else None
            keeper = self._keeper = await self._know_registry()
            self.engine = self._engine(self.log, keeper)
            await self.engine.start()
            self._started(self)
            if self._links is not None:
                await self._begin_together(self._links, self.engine, keeper)
        except CorruptLogError as error:
            if not estate.flipped:
                hardware.history.accuse("the log holds what was acknowledged", str(error))
            hardware.history.note("refuses", str(error))
            self.die("refused")
        except Violation as error:
            hardware.history.accuse("the log holds what was acknowledged", str(error))
        except RefusalError as error:  # another one is gone that it needs for its start
            hardware.history.note("cannot start", str(error))
            self.die("exit")
        except StorageError as error:
            hardware.history.note("cannot start", str(error))
            self._check_that_it_is_no_defect(error)
            self.die("exit")
        else:
            self.serving = True

    async def _know_registry(self) -> RegistryKeeper:
        """Register what is served, or get the registry from the process that keeps it."""
        if self._links is not None and self.share.index:
            return await followed(self._links, self.clock, Defaults())
        keeper = RegistryKeeper(self._hardware.document, self.clock, Defaults())
        keeper.register(self._app.endpoint(), self._app.manifest())
        if self._links is not None:
            publish(self._links, keeper)
        return keeper

    async def _begin_together(self, links: Links, engine: Engine, keeper: RegistryKeeper) -> None:
        """Answer others, and serve when all do, where all begin together."""
        self.face = RoutedRequests(self.share, engine.requests, links)
        await begin_together(links, engine)
        if self._company.together:
            await self._company.begin(self.share.index, links, keeper, engine)

    def _engine(self, log: SimLog, keeper: RegistryKeeper) -> Engine:
        elsewhere = HttpTransport(self.lines, HttpOptions())  # type: ignore[arg-type]
        transports = Transports({SCHEME: self._apps(), "http": elsewhere})
        world = EngineWorld(log, self.store, self.clock, keeper, transports, self.share)
        sizes = self._hardware.plan.sizes
        options = EngineOptions(
            slots=sizes.slots,
            checkpoint_records=sizes.checkpoint_records,
            checkpoint_bytes=sizes.checkpoint_bytes,
            timers=sizes.timer_window,
        )
        return Engine(world, options, self._failed)

    def release(self) -> None:
        """Register the newest release, unless that was done before."""
        if self._keeper is not None and not self.share.index:
            self._keeper.register(self._app.endpoint(), self._app.manifest())

    def _apps(self) -> InProcessTransport:
        """Serve what can run in this process: every release, whichever is registered."""
        transport = InProcessTransport()
        host = Host(self._shop.services, self._app.manifest(), now_ms=self.clock.now_ms)
        for number in range(RELEASES_MAX):
            name = name_of(number)
            watched: Any = WatchedHost(
                host,
                self._hardware.history.accuse,
                lambda name=name: Place(name, superseded=lambda: self.superseded),
            )
            transport.add(endpoint_of(name), watched)
        return transport

    def _failed(self, error: BaseException) -> None:
        """Go down as a server does whose log or store failed."""
        self._hardware.history.note("fails", str(error))
        self._check_that_it_is_no_defect(error)
        if self.engine is not None and not self.engine._invoker._stopping:
            self._hardware.history.accuse("leads on", "attempts start although their store failed")
        self.loop.call_soon(self.stop, 0.0)

    def _check_that_it_is_no_defect(self, error: BaseException) -> None:
        if isinstance(error, DivergedError) or not isinstance(error, StorageError):
            self._hardware.history.accuse("no defects", f"the partition stopped: {error!r}")

    async def _stop(self, grace_s: float) -> None:
        engine = self.engine
        assert engine is not None
        with contextlib.suppress(StorageError):
            others = nobody if self._ending is None else partial(self._await_others, engine)
            await engine.drain(grace_s, others)
            await engine.close()
        if self._links is not None:
            await self._links.close()
        self.die("exit")

    async def _await_others(self, engine: Engine) -> None:
        """Go only when the others have given all their answers."""
        assert self._ending is not None
        await engine.partition.settle()
        await self._ending.together(OTHERS_S)

    def _lost(self, partition: int) -> None:
        """End with the process of another partition, now or a little later."""
        self._hardware.history.note("lost", partition)
        self.loop.call_later(self._company.chance.uniform(0, SUSPECT_S), self._end_with_others)

    def _end_with_others(self) -> None:
        if not self.stopping:
            self.die("kill")


def answer_of(task: asyncio.Task[Any]) -> tuple[Any, BaseException | None]:
    """Give what a task came to."""
    if task.cancelled():
        return None, asyncio.CancelledError()
    error = task.exception()
    return (None, error) if error is not None else (task.result(), None)
