"""The registry in all processes: kept by that of partition 0, followed by the others.

A change is durable at the keeper before it is published, and is on its way to all others from then
on. Whoever made it hears of that when all have it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from perdure.core.model.deployments import Defaults
from perdure.engine.followed_registry import FollowedRegistry
from perdure.engine.ports import Clock
from perdure.engine.registry import Edition, RegistryKeeper
from perdure.links.conversation import OnAnswer
from perdure.links.links import Links
from perdure.links.questions import FollowRegistry, TakeRegistry

#: The partition whose process keeps the registry.
KEEPER: Final = 0


def publish(links: Links, keeper: RegistryKeeper) -> None:
    """Let the processes of all other partitions follow the registry of this one.

    Args:
        links: to the others.
        keeper: has registered what this process serves.
    """
    publisher = Publisher(links, keeper)
    keeper.publisher = publisher
    links.answer(FollowRegistry, publisher.tell)


async def follow(links: Links, clock: Clock, defaults: Defaults) -> FollowedRegistry:
    """Get the registry, and follow it from now on.

    Args:
        links: to the others; they have started.
        clock: time and chance.
        defaults: as for the keeper.

    Raises:
        LinkLostError: the keeper's process ended.
        StorageError: the registry cannot be read.
    """
    edition = await links.asked(KEEPER, FollowRegistry(links.share.index))
    registry = FollowedRegistry(edition, clock, defaults)

    def take(question: TakeRegistry, on_answer: OnAnswer) -> None:
        registry.follow(question.edition)
        on_answer(None)

    links.answer(TakeRegistry, take)
    return registry


class Publisher:
    """Brings every change of the registry to all who follow it. Lives on one event loop."""

    def __init__(self, links: Links, keeper: RegistryKeeper) -> None:
        self._links = links
        self._keeper = keeper
        self._loop = asyncio.get_running_loop()
        self._followers: set[int] = set()
        #: Done when one of the editions on their way has arrived.
        self._on_way: set[asyncio.Future[None]] = set()

    def tell(self, question: FollowRegistry, on_answer: OnAnswer) -> None:
        """Begin with a follower."""
        self._followers.add(question.follower)
        on_answer(self._keeper.edition)

    def publish(self, edition: Edition) -> None:
        """Bring an edition to all followers."""
        for follower in self._followers:
            arrived: asyncio.Future[None] = self._loop.create_future()
            self._on_way.add(arrived)
            self._links.ask(follower, TakeRegistry(edition), partial(self._arrived, arrived))

    async def settled(self) -> None:
        """Wait until all that was published by now has arrived; the whole server ends otherwise."""
        if self._on_way:
            await asyncio.wait(self._on_way)

    def _arrived(self, arrived: asyncio.Future[None], _answer: Any) -> None:
        self._on_way.discard(arrived)
        arrived.set_result(None)
