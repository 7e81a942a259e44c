"""What joins the processes of partitions, and when they begin and end together.

Where all end together, as the processes of a server do, each has its links for life. Where they end
one by one, which is harder than what is promised, links are opened anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from perdure.core.model.shares import Share
from perdure.engine.engine import Engine
from perdure.engine.registry import RegistryKeeper
from perdure.links.links import Links
from perdure.links.tidying import drop_superseded_by_all, tell_pinned
from simworld.hardware import Hardware
from simworld.loop import SimLoop
from simworld.switchboard import Switchboard
from simworld.wires import Plug, Wire


class Company:
    """The processes of all partitions, as far as they know of each other.

    Args:
        hardware: the machine.
        kernel: outlives the processes.
    """

    def __init__(self, hardware: Hardware, kernel: SimLoop) -> None:
        self.hardware = hardware
        self.chance = hardware.random("company")
        self.kernel = kernel
        self.together = hardware.plan.together
        self.count = hardware.plan.partitions
        self._wires: dict[tuple[int, int], Wire] = {}
        #: How often an end began, and how often one had when each process began that is there.
        self._age = 0
        self._members: dict[int, int] = {}
        #: Partitions that have started since the last end, and whether all of them may serve.
        self._started: set[int] = set()
        self._open = False
        self._waiting: list[asyncio.Future[None]] = []
        #: Ends that nobody has taken yet.
        self._free: dict[tuple[int, int], Plug] = {}
        #: Ends that the processes have which lead now.
        self._held: dict[int, list[Plug]] = {}
        #: Those who open links anew.
        self._switchboards: dict[int, Switchboard] = {}

    async def enter(self, share: Share, loop: SimLoop, lost: Callable[[int], None]) -> Links:
        """Give a process its links."""
        while self.together and any(began < self._age for began in self._members.values()):
            await self._change()  # those who began before the last end have yet to end
        self._members[share.index] = self._age
        self._held[share.index] = []
        others = [index for index in range(self.count) if index != share.index]
        if not self.together:
            links = Switchboard(share, loop, partial(self._join_again, share.index))
            self._switchboards[share.index] = links
            for other in others:
                self._join(share.index, other)
            return links
        plugs: dict[int, Any] = {other: self._plug(share.index, other) for other in others}
        for_life = Links(share, plugs, lost)
        await for_life.start()
        return for_life

    async def begin(self, index: int, links: Links, keeper: RegistryKeeper, engine: Engine) -> None:
        """Wait until all partitions are there; the first drops what nobody needs before."""
        tables = engine.partition.tables
        tell_pinned(links, tables)
        self._started.add(index)
        self._tell_of_change()
        if index == 0:
            while len(self._started) < self.count:
                await self._change()
            await drop_superseded_by_all(links, keeper, tables)
            self._open = True
            self._tell_of_change()
        while not self._open:
            await self._change()

    def leave(self, index: int) -> None:
        """Learn that the process of a partition is gone, or does not lead any more."""
        self._switchboards.pop(index, None)
        if self._members.pop(index, -1) == self._age:
            self._begin_end()
        for plug in self._held.pop(index, ()):
            plug.hang_up()
        self._tell_of_change()

    def cut(self, number: int) -> None:
        """Cut one of the wires."""
        wires = [wire for wire in self._wires.values() if not wire.over]
        if wires:
            wires[number % len(wires)].cut()
            self._begin_end()

    def _join(self, one: int, other: int) -> None:
        """Join two processes by a new wire, if both are there."""
        here, there = self._switchboards.get(one), self._switchboards.get(other)
        pair = (min(one, other), max(one, other))
        old = self._wires.get(pair)
        if here is None or there is None or not (old is None or old.over):
            return
        wire = self._wires[pair] = Wire(self.hardware, self.kernel, *pair)
        for board, index, partner in ((here, one, other), (there, other, one)):
            self._held[index].append(wire.plugs[index])
            delay = self.chance.uniform(0, 0.01)
            board.loop.call_later(delay, board.connect, partner, wire.plugs[index])

    def _join_again(self, one: int, other: int) -> None:
        """Join two processes after a while."""
        self.kernel.call_later(self.chance.uniform(0, 0.3), self._join, one, other)

    def _begin_end(self) -> None:
        """Let those who are there end, where all end together, before others begin."""
        self._age += 1
        self._started.clear()
        self._open = False

    async def _change(self) -> None:
        """Wait until somebody began, or ended."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(told)
        await told

    def _tell_of_change(self) -> None:
        waiting, self._waiting = self._waiting, []
        for told in waiting:
            if not told.done():
                told.set_result(None)

    def _plug(self, one: int, other: int) -> Plug:
        """Give a process its end of the wire to another one, which may not have begun yet."""
        pair = (min(one, other), max(one, other))
        plug = self._free.pop((one, other), None)
        if plug is None or plug.wire.over:
            wire = self._wires[pair] = Wire(self.hardware, self.kernel, *pair)
            self._free[other, one] = wire.plugs[other]
            plug = wire.plugs[one]
        self._held[one].append(plug)
        return plug
