"""The engine: puts partition, leader's helpers and registry together, starts and stops them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from msgspec import Struct

from perdure.core.attempt.attempt import JournalLimits
from perdure.core.machine.actions import (
    ArmTimer,
    Finish,
    Notify,
    Ship,
    StartAttempt,
    StopAttempt,
    WatchExpiry,
)
from perdure.core.model.deployments import Registry
from perdure.core.model.invocations import Running
from perdure.core.model.shares import ALONE, Share
from perdure.core.tables.tables import ATTEMPTS
from perdure.engine.errors import UnavailableError
from perdure.engine.gate import Limits
from perdure.engine.intake import Intake
from perdure.engine.invoker import Invoker
from perdure.engine.janitor import Janitor
from perdure.engine.memory import MEMORY_BYTES
from perdure.engine.moment import Moment
from perdure.engine.outbox import Outbox
from perdure.engine.partition import Partition, Performers
from perdure.engine.ports import Clock, Log, StorageError, Store
from perdure.engine.registry import RegistryKeeper
from perdure.engine.requests import Requests
from perdure.engine.superseded import drop_superseded
from perdure.engine.timers import WINDOW as TIMERS_WINDOW
from perdure.engine.timers import Timers
from perdure.engine.transports import Transports
from perdure.protocol.ids import InvocationId

#: How often the growth of the log is looked at, in seconds.
CHECKPOINT_CHECK_S: Final = 5.0
#: Ids read at a time when running invocations are found again.
RECOVERY_PAGE: Final = 4096

_END: Final = b"\xff" * 25

logger = logging.getLogger("perdure.engine")


class EngineOptions(Struct, frozen=True, kw_only=True):
    """How the engine runs; durations in milliseconds."""

    #: Attempts open at the same time.
    slots: int = 1000
    journals: JournalLimits = JournalLimits()
    #: What open attempts may hold of messages on their way before those wait that would add much.
    memory_bytes: int = MEMORY_BYTES
    cleanup_interval_ms: int = 1_000
    #: Log growth after which the store is made durable and the log trimmed.
    checkpoint_records: int = 200_000
    checkpoint_bytes: int = 1024 * 1024 * 1024
    limits: Limits = Limits()
    #: Timers held in memory at the most.
    timers: int = TIMERS_WINDOW


class World(Struct, frozen=True):
    """What the engine runs on."""

    log: Log
    store: Store
    clock: Clock
    registry: RegistryKeeper
    transports: Transports
    #: Which invocations live here, if there are other partitions.
    share: Share = ALONE


async def nobody() -> None:
    """Wait for nobody: there are no other partitions."""


class Engine:
    """One partition with everything its leader needs. Lives on one event loop."""

    def __init__(
        self,
        world: World,
        options: EngineOptions,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._world = world
        self._options = options
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self.partition = Partition(world.log, world.store, world.clock, world.share)
        tables = self.partition.tables
        self._invoker = Invoker(
            self.partition,
            world.transports,
            world.clock,
            world.registry.registry,
            options.slots,
            options.journals,
            options.memory_bytes,
            world.share,
        )
        self._timers = Timers(
            tables,
            world.clock,
            self.partition.propose,
            self.partition.fail,
            options.timers,
            lambda: self.partition.waiting,
        )
        self._janitor = Janitor(
            tables, world.clock, self.partition.propose, options.cleanup_interval_ms
        )
        self.requests = Requests(
            self.partition,
            world.clock,
            world.registry.registry,
            self._invoker.count_queued,
            options.limits,
            world.share,
        )
        #: The ends of what goes to other partitions, and comes from them.
        self.outbox = Outbox(tables, world.share, self.partition.propose, self.partition.fail)
        self.intake = Intake(tables, world.share, self.partition.propose)
        world.registry.watch(self._registry_changed)
        self._recovered = False
        self._checkpoint: asyncio.Task[None] | None = None
        #: Not one of the loop's own: steps of handlers may hold those for as long as they like.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="perdure-checkpoint")
        self._perform: Performers = {
            StartAttempt: self._invoker.start,
            StopAttempt: self._invoker.stop,
            Notify: self._invoker.notify,
            ArmTimer: self._arm_timer,
            Finish: self.requests.finish,
            WatchExpiry: self._watch_expiry,
            Ship: self.outbox.ship,
        }

    def recover(self) -> None:
        """Apply what the log holds beyond the store, unless that was done.

        Raises:
            StorageError: the log or store is damaged or cannot be written, or the registry of what
                it has run is missing.
        """
        if self._recovered:
            return
        self.partition.recover()
        if self._world.registry.is_new and self.partition.tables.facts.get(ATTEMPTS):
            raise StorageError(
                "the registry of deployments (registry.json) is missing, though handlers have run "
                "here: restore it from the backup of this data directory; without one, copy that "
                "of a new data directory with the same services, then pause what is in flight and "
                "resume it on the latest deployment"
            )
        self._recovered = True

    async def start(self) -> None:
        """Recover, become the leader, and go on with everything that waits.

        Raises:
            StorageError: as :meth:`recover`.
        """
        self.recover()
        if self._world.share.alone:
            drop_superseded(self._world.registry, self.partition.tables)
        announced: asyncio.Future[None] = self._loop.create_future()

        def lead() -> None:
            if not announced.done():
                announced.set_result(None)

        def failed(error: BaseException) -> None:
            if not announced.done():
                announced.set_exception(error)
            # What cannot be recorded any more must not be done, and the tables may lack rows.
            self._stop_leading()
            self.requests.abandon()
            self._on_failure(error)

        self.partition.lead(self._perform, failed, lead, self._timers.behind)
        await announced
        if self.partition.failure is not None:
            # It failed right after: what the store did not take is missing in the tables now.
            raise self.partition.failure
        self._timers.load()
        self._janitor.load()
        self._resume_running()
        self._checkpoint = self._loop.create_task(self._checkpoint_now_and_then())

    async def drain(self, grace_s: float, others: Callable[[], Awaitable[None]] = nobody) -> None:
        """Take no more requests; let attempts end or suspend, and tell whoever still waits.

        Args:
            grace_s: how long attempts may take before they are aborted, in seconds.
            others: returns when those of other partitions have ended, for which one may wait here.
        """
        self.requests.close("the server stops; ask again")
        if self.partition.failure is None:
            await self._invoker.drain(grace_s)
            await others()
        self._stop_leading()
        await self.partition.settle()
        self.requests.abandon()

    async def close(self) -> None:
        """Write what is known to the store; log and store are closed by who opened them.

        Raises:
            StorageError: the store cannot be written; the log has it all.
        """
        if self._checkpoint is not None:
            self._checkpoint.cancel()
            await asyncio.wait((self._checkpoint,))
        try:
            if self.partition.failure is None:
                self.partition.flush()
                await self._loop.run_in_executor(self._thread, self._world.store.checkpoint)
        finally:
            self._thread.shutdown(wait=False)

    def _stop_leading(self) -> None:
        """Start nothing more, and abort what is under way."""
        self._invoker.abort_all()
        self._timers.stop()
        self._janitor.stop()
        self.outbox.stop()
        self.intake.stop()

    async def look(self) -> Moment:
        """Give all that queries see, as of now, without holding up others.

        Raises:
            StorageError: the tables cannot be written, or not be read.
            UnavailableError: the partition stopped; its tables may hold half of a record.
        """
        await self.partition.flush_gently()
        # Nobody has a turn from here on, so that all is as of one moment.
        if self.partition.failure is not None:
            raise UnavailableError(f"the server stopped: {self.partition.failure}")
        self.partition.flush()
        world = self._world
        return Moment(
            world.clock.now_ms(),
            world.store.view(),
            world.registry.registry,
            self._invoker.live,
            world.registry.rule_book,
        )

    def _arm_timer(self, action: ArmTimer) -> None:
        self._timers.arm(action.timer)

    def _watch_expiry(self, action: WatchExpiry) -> None:
        self._janitor.watch(action.expires_at)

    def _registry_changed(self, registry: Registry) -> None:
        self._invoker.registry = self.requests.registry = registry

    def _resume_running(self) -> None:
        """Start an attempt for every running invocation that does not back off."""
        tables, start = self.partition.tables, b""
        while True:
            page = tables.running.scan(start, _END, RECOVERY_PAGE)
            for key, _ in page:
                invocation_id = InvocationId(key)
                row = tables.invocations.get(invocation_id)
                assert row is not None, "a running invocation has a row"
                assert isinstance(row.status, Running), "and its status says so"
                if row.status.retry_at is None:
                    self._invoker.start(StartAttempt(invocation_id, row.attempt))
            if len(page) < RECOVERY_PAGE:
                return
            start = page[-1][0] + b"\x00"

    async def _checkpoint_now_and_then(self) -> None:
        """Bound the log: make the store durable and forget the records it has passed."""
        store, log, partition = self._world.store, self._world.log, self.partition
        options = self._options
        bytes_before = 0
        while True:
            await asyncio.sleep(CHECKPOINT_CHECK_S)
            records, size = partition.applied_lsn - store.durable_lsn, partition.applied_bytes
            few = records < options.checkpoint_records
            if few and size - bytes_before < options.checkpoint_bytes:
                continue
            await partition.flush_gently()
            if partition.failure is not None:
                return  # the tables may hold half of a record
            try:
                if not partition.flushing:  # else it comes by itself, without holding up others
                    partition.flush()
                await self._loop.run_in_executor(self._thread, store.checkpoint)
            except (StorageError, RuntimeError) as error:  # the latter: no thread can be started
                logger.warning("the log grows until the store can be written again: %s", error)
            else:
                bytes_before = size
                log.trim(store.durable_lsn)
