"""The real links of one process over simulated wires, be they for life or opened anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from perdure.core.model.deployments import Defaults
from perdure.core.model.shares import Share
from perdure.engine.engine import Engine
from perdure.engine.errors import RefusalError
from perdure.engine.followed_registry import FollowedRegistry
from perdure.engine.ports import Clock, StorageError
from perdure.engine.registry import Edition
from perdure.links.answering import answer_requests
from perdure.links.errors import LinkLostError
from perdure.links.following import follow
from perdure.links.links import Links
from perdure.links.parcels import carry
from perdure.links.questions import FollowRegistry
from simworld.loop import SimLoop
from simworld.wires import Plug


class Switchboard(Links):
    """Links of one process that are opened anew when they have ended."""

    def __init__(self, share: Share, loop: SimLoop, lost: Callable[[int], None]) -> None:
        super().__init__(share, {}, lost)
        self.loop = loop
        self._on_lost = lost
        self._kinds: dict[Any, Any] = {}
        self._lines: dict[int, Links] = {}
        self._engine: Engine | None = None
        self._registry: FollowedRegistry | None = None

    @property
    def partitions(self) -> list[int]:
        return [index for index in range(self.share.count) if index != self.share.index]

    def answer(self, kind: Any, answerer: Any) -> None:
        self._kinds[kind] = answerer
        for line in self._lines.values():
            line.answer(kind, answerer)

    def ask(self, partition: int, question: Any, on_answer: Any) -> Any:
        line = self._lines.get(partition)
        if line is not None:
            return line.ask(partition, question, on_answer)
        self.loop.call_soon(on_answer, LinkLostError())
        return _Unasked()

    async def close(self) -> None:
        for line in list(self._lines.values()):
            await line.close()

    @property
    def lines(self) -> list[Links]:
        """The links that there are now."""
        return list(self._lines.values())

    def carry(self, engine: Engine) -> None:
        """Carry messages over each link, those that are opened later as well."""
        self._engine = engine
        for line in self._lines.values():
            self.loop.create_task(self._carry(line, engine))

    def follow(self, registry: FollowedRegistry) -> None:
        """Ask for the registry whenever its keeper is there again."""
        self._registry = registry

    def connect(self, partner: int, plug: Plug) -> None:
        """Take an end of a new wire."""
        before = self._lines.pop(partner, None)
        sockets: dict[int, Any] = {partner: plug}
        line = Links(self.share, sockets, lambda _partition: self._lost(partner, line))
        for kind, answerer in self._kinds.items():
            line.answer(kind, answerer)
        self._lines[partner] = line
        self.loop.create_task(self._begin(before, line, partner))

    async def _begin(self, before: Links | None, line: Links, partner: int) -> None:
        if before is not None:
            await before.close()
        await line.start()
        if self._registry is not None and partner == 0:
            line.ask(partner, FollowRegistry(self.share.index), self._take_edition)
        if self._engine is not None:
            await self._carry(line, self._engine)

    async def _carry(self, line: Links, engine: Engine) -> None:
        try:
            await carry(line, engine)
        except StorageError as error:
            engine.partition.fail(error)

    def _take_edition(self, edition: Edition | RefusalError) -> None:
        if self._registry is not None and isinstance(edition, Edition):
            self._registry.follow(edition)

    def _lost(self, partner: int, line: Links) -> None:
        if self._lines.get(partner) is line:
            del self._lines[partner]
        self._on_lost(partner)


class _Unasked:
    """A question that nobody can be asked."""

    def leave(self) -> None:
        """Want no answer."""


async def followed(links: Links, clock: Clock, defaults: Defaults) -> FollowedRegistry:
    """Get the registry, as soon as its keeper can be reached."""
    while True:
        try:
            registry = await follow(links, clock, defaults)
        except RefusalError:
            await asyncio.sleep(0.01)
            continue
        if isinstance(links, Switchboard):
            # The keeper may have been there for long, and this partition have run handlers since.
            registry.is_new = False
            links.follow(registry)
        return registry


async def begin_together(links: Links, engine: Engine) -> None:
    """Answer others, and carry messages between them and this one."""
    answer_requests(links, engine.requests)
    if isinstance(links, Switchboard):
        links.carry(engine)
    else:
        await carry(links, engine)


def open_questions(links: Links) -> int:
    """Count what was asked over links, at either end, and is not answered."""
    lines = links.lines if isinstance(links, Switchboard) else [links]
    return sum(
        len(conversation._asked) + len(conversation._answering)
        for line in lines
        for conversation in line._conversations.values()
    )
