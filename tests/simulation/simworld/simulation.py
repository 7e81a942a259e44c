"""Runs of plans, one after the other: what each of them came to."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from perdure.engine.ports import StorageError
from simworld.conditions import portable, quiet, sized, uncollected
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
    #: The log of each partition.
    logs: list[list[bytes]]


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
        with uncollected():
            return self._come_true(plan, every)

    def _come_true(self, plan: Plan, every: int) -> Outcome:
        world = World(plan, self._shop, every)
        with quiet(), sized(plan), portable(world.scheduler):
            listener = Listener(world.history)
            logger = logging.getLogger("perdure")
            logger.addHandler(listener)
            try:
                violation = self._live(world)
            finally:
                logger.removeHandler(listener)
                world.loop.kill()
                world.loop.bury()
                world.fleet.end()
                for seat in world.seats:
                    seat.processes.end()
                world.scheduler.forget()
                world.shop.outside.leave()
        return Outcome(
            plan,
            violation,
            world.history,
            sum(seat.watch.applied for seat in world.seats),
            sum(seat.watch.looked for seat in world.seats),
            sum(seat.watch.invocations for seat in world.seats),
            sum(seat.processes.boots for seat in world.seats),
            world.scheduler.now_s,
            [seat.estate.truth.records for seat in world.seats],
        )

    def _live(self, world: World) -> Violation | None:
        try:
            world.live()
        except Violation as violation:
            world.history.accuse(violation.promise, violation.what)
        return world.history.violation
