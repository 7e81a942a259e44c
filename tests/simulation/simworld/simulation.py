"""Runs of plans, one after the other: what each of them came to."""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from perdure.engine import engine as engine_module
from perdure.engine import janitor, partition, timers
from perdure.engine.ports import StorageError
from simworld.history import History
from simworld.plan import Plan
from simworld.shop import Shop
from simworld.violations import Violation
from simworld.world import World

#: Problems of handlers that only a defect can cause: journals that do not match, and the like.
DEFECTS = ("RT0016", "RT0012", "RT0006", "RT0018", "RT0019")


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    plan: Plan
    violation: Violation | None
    history: History
    #: Records that were applied, and those after which the invariants were checked.
    applied: int
    looked: int
    #: Invocations that were begun.
    invocations: int
    #: How often the server was started.
    boots: int
    simulated_s: float
    records: list[bytes]


class Listener(logging.Handler):
    """Hears what the engine logs, for the defects among it."""

    def __init__(self, history: History) -> None:
        super().__init__(logging.WARNING)
        self._history = history

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self._history.note("log", text)
        error = record.exc_info[1] if record.exc_info else None
        expected = record.levelno < logging.ERROR or isinstance(error, StorageError)
        if not expected or any(code in text for code in DEFECTS):
            self._history.accuse("no defects", f"{text} {error!r}")


class Simulator:
    """Runs plans, one after the other."""

    def __init__(self) -> None:
        self._shop = Shop()

    def run(self, plan: Plan, every: int = 1) -> Outcome:
        """Let a plan come true.

        Args:
            plan: what happens.
            every: of so many records one is followed by a check of all invariants, on average.
        """
        with quiet(), sized(plan):
            world = World(plan, self._shop, every)
            listener = Listener(world.history)
            logger = logging.getLogger("perdure")
            logger.addHandler(listener)
            try:
                violation = self._live(world)
            finally:
                logger.removeHandler(listener)
                world.scheduler.after = None
                world.loop.kill()
                world.loop.bury()
                if world.node is not None:
                    world.node.loop.kill()
                    world.node.loop.bury()
                world.scheduler.forget()
        return Outcome(
            plan,
            violation,
            world.history,
            world.watch.applied,
            world.watch.looked,
            world.watch.invocations,
            world.boots,
            world.scheduler.now_s,
            world.hardware.truth.records,
        )

    def _live(self, world: World) -> Violation | None:
        try:
            world.live()
        except Violation as violation:
            world.history.accuse(violation.promise, violation.what)
        return world.history.violation


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let the garbage collector wait, and the log be heard by nobody else."""
    logger = logging.getLogger("perdure")
    propagate, logger.propagate = logger.propagate, False
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        logger.propagate = propagate
        if enabled:
            gc.enable()


@contextlib.contextmanager
def sized(plan: Plan) -> Iterator[None]:
    """Make the engine's bounds as small as the plan says."""
    sizes = plan.sizes
    bounds: list[tuple[Any, str, Any]] = [
        (partition, "FLUSH_ROWS", sizes.flush_rows),
        (partition, "BATCH_RECORDS_MAX", sizes.batch_records),
        (timers, "BURST", sizes.timer_burst),
        (engine_module, "CHECKPOINT_CHECK_S", sizes.checkpoint_check_s),
        (engine_module, "RECOVERY_PAGE", sizes.recovery_page),
        (janitor, "INTERVAL_MS_MAX", 60_000),
        (janitor, "SWEEP_LIMIT", sizes.sweep_limit),
    ]
    arm = timers.Timers.__init__

    def small(self: Any, tables: Any, clock: Any, fire: Any) -> None:
        arm(self, tables, clock, fire, sizes.timer_window)

    bounds.append((timers.Timers, "__init__", small))
    with contextlib.ExitStack() as stack:
        for owner, name, value in bounds:
            stack.enter_context(mock.patch.object(owner, name, value))
        yield
