"""One process of the simulated machine: the real engine and SDK, from its start to its death."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from perdure.core.model.deployments import Defaults
from perdure.engine.engine import Engine, EngineOptions
from perdure.engine.engine import World as EngineWorld
from perdure.engine.ports import CorruptLogError, StorageError
from perdure.engine.registry import RegistryKeeper
from perdure.engine.requests import Requests
from perdure.engine.transports import Transports
from perdure.sdk.host import Host
from perdure.storage.segmented import SegmentedRecords
from perdure.transport.http import HttpOptions, HttpTransport
from perdure.transport.in_process import SCHEME, InProcessTransport, endpoint_of
from simworld.hardware import Fuse, Hardware, NodeClock
from simworld.places import Place
from simworld.releases import RELEASES_MAX, Releases, name_of
from simworld.remote import Fleet, Lines
from simworld.shop import Shop
from simworld.storage import Disk, SimLog
from simworld.violations import Violation
from simworld.wire import WatchedHost


class Node:
    """A process; ``gone`` is called once, when it has ended: by itself, or by a crash."""

    def __init__(
        self,
        hardware: Hardware,
        shop: Shop,
        app: Releases,
        fleet: Fleet,
        started: Callable[[Node], None],
        gone: Callable[[Node, str], None],
    ) -> None:
        self._hardware = hardware
        self._shop = shop
        self._app = app
        self._started = started
        self._gone = gone
        self.fuse = Fuse()
        self.loop = hardware.new_loop()
        self.lines = Lines(fleet, self.loop)
        self.loop.on_power_cut = lambda: self.die("power")
        self.disk = Disk(hardware.disk, self.point)
        self.store = hardware.store
        self.clock = NodeClock(hardware, self.point)
        self.engine: Engine | None = None
        self._keeper: RegistryKeeper | None = None
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
    def requests(self) -> Requests:
        assert self.engine is not None
        return self.engine.requests

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
        hardware, sizes = self._hardware, self._hardware.plan.sizes
        marks = hardware.random("marks")
        try:
            records = SegmentedRecords(
                self.disk,
                segment_bytes=sizes.segment_bytes,
                new_mark=lambda: marks.randbytes(4),
            )
            hardware.truth.check_log(records, damaged=bool(hardware.flipped))
            self.log = SimLog(records, self.loop, hardware.sync_latency_s, hardware.truth)
            self.engine = self._engine(self.log)
            await self.engine.start()
        except CorruptLogError as error:
            if not hardware.flipped:
                hardware.history.accuse("the log holds what was acknowledged", str(error))
            hardware.history.note("refuses", str(error))
            self.die("refused")
        except Violation as error:
            hardware.history.accuse("the log holds what was acknowledged", str(error))
        except StorageError as error:
            hardware.history.note("cannot start", str(error))
            self.die("exit")
        else:
            self.serving = True
            self._started(self)

    def _engine(self, log: SimLog) -> Engine:
        self._keeper = RegistryKeeper(self._hardware.document, self.clock, Defaults())
        self.release()
        elsewhere = HttpTransport(self.lines, HttpOptions())  # type: ignore[arg-type]
        transports = Transports({SCHEME: self._apps(), "http": elsewhere})
        world = EngineWorld(log, self.store, self.clock, self._keeper, transports)
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
        if self._keeper is not None:
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
        if not isinstance(error, StorageError):
            self._hardware.history.accuse("no defects", f"the partition stopped: {error!r}")
        self.loop.call_soon(self.stop, 0.0)

    async def _stop(self, grace_s: float) -> None:
        engine = self.engine
        assert engine is not None
        with contextlib.suppress(StorageError):
            await engine.drain(grace_s)
            await engine.close()
        self.die("exit")


def answer_of(task: asyncio.Task[Any]) -> tuple[Any, BaseException | None]:
    """Give what a task came to."""
    if task.cancelled():
        return None, asyncio.CancelledError()
    error = task.exception()
    return (None, error) if error is not None else (task.result(), None)
