"""The conditions of a run: small bounds, silence, and nothing that only this machine has."""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Iterator
from typing import Any

from perdure.engine import crowd, flushing, invoker, janitor, outbox, partition, superseded, timers
from perdure.engine import engine as engine_module
from perdure.links import conversation, link
from perdure.sdk import eager, failures, running
from simworld.loop import Scheduler
from simworld.plan import Plan

#: Whose name gets which value.
Change = tuple[Any, str, Any]


class PlainTraceback:
    """In the place of ``traceback``: no paths, and nothing in which versions of Python differ."""

    @staticmethod
    def format_exception(error: BaseException) -> list[str]:
        return [repr(error)]


@contextlib.contextmanager
def portable(scheduler: Scheduler) -> Iterator[None]:
    """Let the same happen on every machine and version of Python."""
    with changed(
        (failures, "traceback", PlainTraceback),
        (running, "monotonic", lambda: 0.0),
        *_eager_tasks_alike(scheduler),
    ):
        yield


def _eager_tasks_alike(scheduler: Scheduler) -> list[Change]:
    """Before Python 3.12 a task that began at once takes one callback more: let it not count."""
    begun = getattr(eager, "_Begun", None)
    if begun is None:
        return []
    send = begun.send

    def counted(self: Any, value: Any) -> Any:
        began = self._waited is not None or self._error is not None
        scheduler.uncounted = began or self._ended
        return send(self, value)

    return [(begun, "send", counted)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let the log be heard by nobody else."""
    logger = logging.getLogger("perdure")
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.propagate = propagate


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Let the garbage collector wait until all is over, and look once at what is left then."""
    enabled = gc.isenabled()
    gc.disable()
    gc.collect(1)  # what the run before left to somebody who has let go of it by now
    try:
        yield
    finally:
        gc.collect(0)
        if enabled:
            gc.enable()


@contextlib.contextmanager
def sized(plan: Plan) -> Iterator[None]:
    """Make the engine's bounds as small as the plan says."""
    sizes = plan.sizes
    bounds: list[Change] = [
        (flushing, "FLUSH_ROWS", sizes.flush_rows),
        (crowd, "TIMES_BEHIND", 4),
        (flushing, "FLUSH_BYTES", sizes.flush_bytes),
        (flushing, "LONG_ROW_BYTES", sizes.long_row_bytes),
        (superseded, "SUPERSEDED_MAX", 0),
        (partition, "BATCH_RECORDS_MAX", sizes.batch_records),
        (crowd, "CROWD_RECORDS", sizes.batch_records),
        (partition, "SLICE_S", sizes.slice_s),
        (invoker, "SLICE_S", sizes.slice_s),
        (timers, "BURST", sizes.timer_burst),
        (timers, "TOGETHER", sizes.timer_burst),
        (engine_module, "CHECKPOINT_CHECK_S", sizes.checkpoint_check_s),
        (engine_module, "RECOVERY_PAGE", sizes.recovery_page),
        (link, "SLICE_S", sizes.slice_s),
        (outbox, "PARCEL_MESSAGES", sizes.parcel_messages),
        (outbox, "WINDOW_MESSAGES", sizes.window_messages),
        (outbox, "PARCEL_BYTES", sizes.parcel_bytes),
        (outbox, "WINDOW_BYTES", sizes.window_bytes),
        (conversation, "WAITING_BYTES_MAX", sizes.link_bytes),
        (outbox, "FORGET_MESSAGES", sizes.forget_messages),
        (outbox, "FORGET_S", sizes.forget_s),
        (janitor, "INTERVAL_MS_MAX", 10_000),
        (janitor, "SWEEP_LIMIT", sizes.sweep_limit),
    ]
    with changed(*bounds):
        yield


@contextlib.contextmanager
def changed(*changes: Change) -> Iterator[None]:
    """Have other values in the places of some names for a while."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)
