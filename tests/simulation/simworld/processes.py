"""The processes of a partition, one after the other, and what each of them leaves to the next."""

from __future__ import annotations

from collections.abc import Callable

from perdure.storage.segmented import SegmentedRecords
from simworld import damage
from simworld.hardware import Estate, Hardware
from simworld.loop import SimLoop
from simworld.node import Node
from simworld.records import stale_records
from simworld.storage import Disk


class Processes:
    """Starts a process whenever there is none.

    Args:
        hardware: the machine.
        estate: what processes find and leave.
        loop: outlives them.
        make: makes a process; given who wants to know that it is gone.
        left: is told of each process that others cannot reach any more, and how it went.
    """

    def __init__(
        self,
        hardware: Hardware,
        estate: Estate,
        loop: SimLoop,
        make: Callable[[Callable[[Node, str], None]], Node],
        left: Callable[[Node, str], None],
    ) -> None:
        self._hardware = hardware
        self._estate = estate
        self._left = left
        self._loop = loop
        self._make = make
        #: The one that leads, or is about to.
        self.node: Node | None = None
        #: Those that led before, and do not know yet that another one does.
        self.superseded: list[Node] = []
        self.boots = 0
        #: Records of an old leader to be found in the log by the next process.
        self.stale_due = 0
        #: Bits to be flipped before the next process begins.
        self.flips_due = 0

    def boot(self) -> None:
        """Start a process."""
        self.boots += 1
        self._append_stale()
        self._flip_bits()
        self.node = self._make(self._gone)
        self._hardware.history.note("boot", self.boots)
        self.node.boot()

    def freeze(self, seconds: float) -> None:
        """Stop the process that leads, as on SIGSTOP, and let it go on later."""
        if self.node is not None and self.node.loop.runs:
            self._loop.call_later(seconds, self.node.loop.thaw)
            self.node.loop.freeze(seconds)

    def usurp(self, ignorance_s: float) -> None:
        """Start another process although one serves, which learns of it too late."""
        old = self.node
        if old is None or not old.serving or self.superseded:
            return
        self._hardware.history.note("usurped", self.boots)
        old.supersede()
        self.superseded.append(old)
        self._loop.call_later(ignorance_s, old.die, "kill")
        self._left(old, "superseded")
        self._estate.disk = old.disk.after_kill()
        self._estate.store = old.store.after_crash(self._hardware.random("salvage"))
        self._estate.store.repair()
        self.boot()

    def someone(self) -> Node | None:
        """Give whom a client reaches: the leader, or somebody who takes itself for one."""
        chance = self._hardware.random("network")
        if self.superseded and chance.random() < 0.5:
            return self.superseded[0]
        return self.node

    def end(self) -> None:
        """Let nothing of any process happen any more."""
        for node in (self.node, *self.superseded):
            if node is not None:
                node.loop.kill()
                node.loop.bury()

    def _gone(self, node: Node, how: str) -> None:
        self._hardware.history.note("gone", how)
        # What the dead process was writing is done with only when its callback has returned.
        if node in self.superseded:
            self.superseded.remove(node)
            self._loop.call_soon(node.loop.bury)
            return
        self.node = None
        self._loop.call_soon(self._salvage, node, how)
        self._left(node, how)

    def _salvage(self, node: Node, how: str) -> None:
        """Give the next process what this one left behind."""
        node.loop.bury()
        estate, chance = self._estate, self._hardware.random("salvage")
        if how == "power":
            estate.disk = node.disk.after_power_cut(chance)
        else:
            estate.disk = node.disk.after_kill()
        graceful = how == "exit" and node.engine is not None and not node.engine.partition.failure
        estate.store = node.store if graceful else node.store.after_crash(chance)
        estate.store.repair()
        if how == "refused":
            damage.repair(estate.disk, estate.flipped)
        self._loop.call_later(chance.uniform(0.001, 0.5), self.boot)

    def _flip_bits(self) -> None:
        hardware, estate = self._hardware, self._estate
        for _ in range(self.flips_due):
            flip = damage.draw(estate.disk, hardware.random("damage"))
            if flip is not None:
                hardware.history.note("flip", *flip)
                estate.flipped.append(flip)
                damage.apply(estate.disk, flip)
        self.flips_due = 0

    def _append_stale(self) -> None:
        """Let records of an old leader reach the log before the next one opens it."""
        hardware, estate, count = self._hardware, self._estate, self.stale_due
        self.stale_due = 0
        wanted = count and not estate.flipped
        records = stale_records(hardware, estate.truth, count) if wanted else []
        if not records:
            return
        disk = Disk(estate.disk, lambda _kind: True)
        marks = hardware.random("marks")
        log = SegmentedRecords(disk, new_mark=lambda: marks.randbytes(4))
        estate.truth.check_log(log)
        log.append(records)
        log.close()
        hardware.history.note("stale", len(records))
        for encoded in records:
            estate.truth.durable(encoded, stale=True)
        estate.disk = disk.after_kill()
