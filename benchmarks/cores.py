"""Which cores do what: a system on some of them, the load generator on the others."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from msgspec import Struct


class CoresError(Exception):
    """The machine has not the cores that were asked for; the message says how many it has."""


class Cores(Struct, frozen=True):
    """Cores by number; None leaves the choice to the kernel."""

    system: frozenset[int] | None = None
    load: frozenset[int] | None = None


def split(count: int) -> Cores:
    """Give so many cores to each system, and what is left to the load generator.

    Raises:
        CoresError: there are not so many, or none is left.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise CoresError("processes cannot be bound to cores on this operating system")
    free = sorted(os.sched_getaffinity(0))
    if not 1 <= count < len(free):
        raise CoresError(
            f"--cores {count}: there are {len(free)} cores here, of which a system takes at least "
            "one and the load generator another"
        )
    return Cores(frozenset(free[:count]), frozenset(free[count:]))


@contextmanager
def bound_to(cores: Collection[int] | None) -> Iterator[None]:
    """Bind what the body starts to some cores: processes, their threads, and what these start.

    A process inherits the cores of the one that starts it, so that this one goes there meanwhile.
    """
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
