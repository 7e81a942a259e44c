"""The conditions of a run: small bounds, silence, and nothing that only this machine has."""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Iterator
from typing import Any
from unittest import mock

from perdure.engine import engine as engine_module
from perdure.engine import janitor, partition, timers
from perdure.sdk import eager, host, running
from simworld.loop import Scheduler
from simworld.plan import Plan


class PlainTraceback:
    """In the place of ``traceback``: no paths, and nothing in which versions of Python differ."""

    @staticmethod
    def format_exception(error: BaseException) -> list[str]:
        return [repr(error)]


@contextlib.contextmanager
def portable(scheduler: Scheduler) -> Iterator[None]:
    """Let the same happen on every machine and version of Python."""
    with (
        mock.patch.object(host, "traceback", PlainTraceback),
        mock.patch.object(running, "traceback", PlainTraceback),
        mock.patch.object(running, "monotonic", return_value=0.0),
        _eager_tasks_alike(scheduler),
    ):
        yield


def _eager_tasks_alike(scheduler: Scheduler) -> contextlib.AbstractContextManager[object]:
    """Before Python 3.12 a task that began at once takes one callback more: let it not count."""
    begun = getattr(eager, "_Begun", None)
    if begun is None:
        return contextlib.nullcontext()
    send = begun.send

    def counted(self: Any, value: Any) -> Any:
        scheduler.uncounted = self._waited is not None or self._outcome is not None
        return send(self, value)

    return mock.patch.object(begun, "send", counted)


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
        (janitor, "INTERVAL_MS_MAX", 10_000),
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
