"""What outlives processes: time and chance, and what those of a partition leave to each other."""

from __future__ import annotations

from random import Random
from typing import Any

from simulated_disk import SimulatedDisk

from perdure.core.model.shares import Share
from perdure.storage.document import MemoryDocument
from simworld.damage import Flip
from simworld.history import History
from simworld.loop import Scheduler, SimLoop
from simworld.plan import Plan
from simworld.storage import SimStore, Truth

#: A day in November 2023, in milliseconds since 1970.
EPOCH_MS = 1_700_000_000_000


class Hardware:
    """The simulated machine, and the network around it."""

    def __init__(self, plan: Plan, history: History, scheduler: Scheduler) -> None:
        self.plan = plan
        self.history = history
        self.scheduler = scheduler
        #: The registry, which is one for all partitions.
        self.document = MemoryDocument()
        #: By how much the machine's time of day is wrong.
        self.clock_error_ms = 0
        #: Until when syncs take long.
        self.slow_until_s = 0.0
        self._streams: dict[str, Random] = {}

    def random(self, purpose: str) -> Random:
        """Give the stream of chance for a purpose."""
        stream = self._streams.get(purpose)
        if stream is None:
            stream = self._streams[purpose] = Random(f"{purpose} {self.plan.seed}")
        return stream

    def new_loop(self) -> SimLoop:
        return SimLoop(self.scheduler, self.random("threads"), self._complain)

    def now_ms(self) -> int:
        """Give the machine's time of day."""
        now = EPOCH_MS + int(self.scheduler.now_s * 1000) + self.clock_error_ms
        self.history.latest_ms = max(self.history.latest_ms, now)
        return now

    def sync_latency_s(self) -> float:
        chance = self.random("disk")
        if self.scheduler.now_s < self.slow_until_s:
            return chance.uniform(0.1, 3.0)
        return chance.uniform(0.0001, 0.001)

    def _complain(self, message: str, error: Any) -> None:
        self.history.accuse("no stray errors", f"{message}: {error!r}")


class Estate:
    """What the processes of one partition leave to each other, and what is known to be true."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.truth = Truth(share)
        self.disk = SimulatedDisk()
        self.store = SimStore.empty()
        #: Bits that flipped on the disk, and were not noticed yet.
        self.flipped: list[Flip] = []


class Fuse:
    """Ends a process at one of the points it passes: so many points of a kind from now."""

    def __init__(self) -> None:
        self.kind: str | None = None
        self.left = 0

    def light(self, kind: str, left: int) -> None:
        self.kind, self.left = kind, left

    def burns_out(self) -> bool:
        """Pass a point of the kind; tell whether it is the last."""
        self.left -= 1
        if self.left > 0:
            return False
        self.kind = None
        return True


class NodeClock:
    """The port ``Clock`` of one process."""

    def __init__(self, hardware: Hardware, fuse_point: Any) -> None:
        self._hardware = hardware
        self._point = fuse_point
        self._random = hardware.random("clock")

    def now_ms(self) -> int:
        self._point("clock")
        return self._hardware.now_ms()

    def chance(self) -> float:
        return self._random.random()

    def random_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)
