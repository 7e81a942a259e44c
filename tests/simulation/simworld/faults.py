"""What goes wrong, by the names that plans give it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simworld.hardware import Estate, Hardware
from simworld.node import Node
from simworld.processes import Processes
from simworld.records import may_be_repeated
from simworld.releases import Releases
from simworld.remote import Fleet
from simworld.storage import decode_record

#: By how much a clock jumps, in milliseconds.
JUMPS_MS = (50, 3_000, 300_000)
GRACES_S = (0.0, 0.05, 2.0)
#: For how long a process may stand still.
FROZEN_S = (0.05, 0.7, 8.0)
#: For how long a leader may take itself for one although it is none.
IGNORANCE_S = (0.05, 0.5, 3.0)


@dataclass(frozen=True)
class Victim:
    """One partition, and whatever else of the world faults touch."""

    hardware: Hardware
    estate: Estate
    processes: Processes
    #: The processes that are stopped together with its own, which is one of them.
    bound: Sequence[Processes]
    app: Releases
    fleet: Fleet
    #: Puts the newest release into service.
    release: Callable[[], None]
    #: Cuts a link to another partition.
    cut: Callable[[int], None]

    @property
    def node(self) -> Node | None:
        """The process that leads."""
        return self.processes.node


def strike(world: Victim, kind: str, number: int) -> None:
    """Let something go wrong now."""
    _FAULTS[kind](world, number)


def _crash(world: Victim, number: int) -> None:
    if world.node is not None:
        world.node.fuse.light("callback", 1 + number % 100)


def _crash_at(kind: str, most: int) -> Callable[[Victim, int], None]:
    def fault(world: Victim, number: int) -> None:
        if world.node is not None:
            world.node.fuse.light(kind, 1 + number % most)

    return fault


def _failing_disk(world: Victim, number: int) -> None:
    if world.node is not None:
        world.node.disk.failing = (number % 6, errno.EIO)


def _full_disk(world: Victim, number: int) -> None:
    node = world.node
    if node is not None:
        used = sum(len(inode.seen) for inode in node.disk.seen_names.values())
        node.disk.space = used + number % 3_000


def _slow_disk(world: Victim, number: int) -> None:
    world.hardware.slow_until_s = world.hardware.scheduler.now_s + number % 5


def _failing_store(world: Victim, number: int) -> None:
    if world.node is not None:
        store = world.node.store
        if number % 2:
            store.failing_writes = 1
        else:
            store.failing_checkpoints = 3


def _clock_forward(world: Victim, number: int) -> None:
    world.hardware.clock_error_ms += JUMPS_MS[number % len(JUMPS_MS)]


def _clock_back(world: Victim, number: int) -> None:
    world.hardware.clock_error_ms -= JUMPS_MS[number % len(JUMPS_MS)]


def _stop(world: Victim, number: int) -> None:
    for processes in world.bound:
        if processes.node is not None and processes.node.serving:
            processes.node.stop(GRACES_S[number % len(GRACES_S)])


def _stale_leader(world: Victim, number: int) -> None:
    """The process dies, and its predecessor's last words reach the log after all."""
    world.processes.stale_due = 1 + number % 4
    _crash(world, number)


def _bit_flip(world: Victim, number: int) -> None:
    """The process dies, and what it leaves is not what it wrote."""
    world.processes.flips_due = 1 + number % 2
    _crash(world, number)


def _second_leader(world: Victim, number: int) -> None:
    world.processes.usurp(IGNORANCE_S[number % len(IGNORANCE_S)])


def _echo(world: Victim, number: int) -> None:
    """Say again what was said before: timers that fired, words of superseded attempts."""
    node = world.node
    if node is None or not node.serving or node.engine is None:
        return
    records = world.estate.truth.records
    start = number % len(records)
    for encoded in records[start : start + 20]:
        body = decode_record(encoded).body
        if may_be_repeated(node.engine, body):
            node.engine.partition.propose(body)


def _freeze(world: Victim, number: int) -> None:
    world.processes.freeze(FROZEN_S[number % len(FROZEN_S)])


def _release(world: Victim, _number: int) -> None:
    """Put a new release into service, while the older one is at work."""
    world.app.release()
    world.release()


def _link_cut(world: Victim, number: int) -> None:
    """Two partitions that are both there cannot reach each other for a moment."""
    world.cut(number)


def _service_crash(world: Victim, number: int) -> None:
    world.fleet.crash(number)


_FAULTS: dict[str, Callable[[Victim, int], None]] = {
    "crash": _crash,
    "crash at disk": _crash_at("disk", 12),
    "crash at clock": _crash_at("clock", 30),
    "crash at effect": _crash_at("effect", 4),
    "failing disk": _failing_disk,
    "full disk": _full_disk,
    "slow disk": _slow_disk,
    "failing store": _failing_store,
    "clock forward": _clock_forward,
    "clock back": _clock_back,
    "stop": _stop,
    "stale leader": _stale_leader,
    "freeze": _freeze,
    "second leader": _second_leader,
    "bit flip": _bit_flip,
    "echo": _echo,
    "release": _release,
    "service crash": _service_crash,
    "link cut": _link_cut,
}
