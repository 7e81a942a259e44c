"""The registry: deployments, and what operators set, kept durably and changed by whole replacement.

Deployments, sources of events and the rule book are immutable values in one document.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perdure.core.model.deployments import (
    Defaults,
    Deployment,
    Registry,
    build_registry,
    with_deployment,
)
from perdure.core.model.event_sources import (
    EventSources,
    KafkaCluster,
    Subscription,
    event_sources,
)
from perdure.core.model.rules import RuleBook
from perdure.engine.ports import Clock, Document, StorageError
from perdure.protocol.ids import DeploymentId, deployment_text, ulid
from perdure.protocol.manifest import Manifest


class Stored(Struct, frozen=True):
    """What the document holds."""

    deployments: tuple[Deployment, ...] = ()
    clusters: tuple[KafkaCluster, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    rule_book: RuleBook = RuleBook()


class Edition(Struct, frozen=True, array_like=True):
    """The registry's document as it was, or is."""

    version: int
    content: bytes
    #: Whether nothing had ever been registered when the server started.
    is_new: bool


class Publisher(Protocol):
    """Brings changes of the registry to other processes of the server."""

    def publish(self, edition: Edition) -> None:
        """Bring a change on its way."""

    async def settled(self) -> None:
        """Wait until all that was published by now has arrived everywhere."""


class RegistryKeeper:
    """Reads the registry at the start, and stores each change before it counts."""

    def __init__(self, document: Document, clock: Clock, defaults: Defaults) -> None:
        self._document = document
        self._clock = clock
        self._version = 0
        self._watchers: list[Callable[[Registry], None]] = []
        #: Where other processes go by this registry.
        self.publisher: Publisher | None = None
        #: Endpoints in this process.
        self.served: set[str] = set()
        self._stored = Stored()
        loaded = document.load()
        #: Whether nothing had ever been registered when this began.
        self.is_new = loaded is None
        if loaded is not None:
            self._version, content = loaded
            self._stored = read_stored(content)
        stored = self._stored
        #: What can be called now.
        self.registry = build_registry(stored.deployments, defaults)
        #: Where events come from now.
        self.sources = event_sources(stored.clusters, stored.subscriptions)

    @property
    def rule_book(self) -> RuleBook:
        """What limits concurrency now."""
        return self._stored.rule_book

    @property
    def edition(self) -> Edition:
        """The document as it is now, for other processes to go by."""
        return Edition(self._version, msgspec.json.encode(self._stored), self.is_new)

    async def published(self) -> None:
        """Wait until all processes of the server go by every change that was made before."""
        if self.publisher is not None:
            await self.publisher.settled()

    def watch(self, watcher: Callable[[Registry], None]) -> None:
        """Tell someone of every change from now on."""
        self._watchers.append(watcher)

    def register(self, endpoint: str, manifest: Manifest) -> Deployment:
        """Register what an endpoint in this process serves, unless its newest deployment does.

        Raises:
            RegistrationError: the manifest cannot be registered; nothing was changed.
            StorageError: the change could not be made durable; nothing was changed.
        """
        self.served.add(endpoint)
        existing = self._newest_at(endpoint)
        if existing is not None and existing.manifest == manifest:
            return existing
        deployment_id, now = self.new_id()
        registry = with_deployment(self.registry, deployment_id, endpoint, manifest, now)
        self.store(registry)
        return registry.deployments[deployment_id]

    def new_id(self) -> tuple[DeploymentId, int]:
        """Draw an id for a deployment; give it with the time now, in milliseconds since 1970."""
        now = self._clock.now_ms()
        return deployment_text(ulid(now, self._clock.random_bytes(10))), now

    def store(self, registry: Registry) -> None:
        """Put another registry in the place of this one.

        Raises:
            StorageError: the change could not be made durable; nothing was changed.
        """
        self._replace(deployments=tuple(registry.deployments.values()))
        self.registry = registry
        for watcher in self._watchers:
            watcher(registry)

    def store_sources(self, sources: EventSources) -> None:
        """Put other sources of events in the place of these.

        Raises:
            StorageError: the change could not be made durable; nothing was changed.
        """
        self._replace(
            clusters=tuple(sources.clusters.values()),
            subscriptions=tuple(sources.subscriptions.values()),
        )
        self.sources = sources

    def store_rules(self, rule_book: RuleBook) -> None:
        """Put another rule book in the place of this one.

        Raises:
            StorageError: the change could not be made durable; nothing was changed.
        """
        self._replace(rule_book=rule_book)

    def _replace(self, **parts: Any) -> None:
        """Store the document with some of its parts new; only then do they count."""
        stored = replace(self._stored, **parts)
        self._version = self._document.replace(self._version, msgspec.json.encode(stored))
        self._stored = stored
        if self.publisher is not None:
            self.publisher.publish(self.edition)

    def _newest_at(self, endpoint: str) -> Deployment | None:
        found = [
            deployment
            for deployment in self.registry.deployments.values()
            if deployment.endpoint == endpoint and self._is_current(deployment)
        ]
        return max(found, key=_created) if found else None

    def _is_current(self, deployment: Deployment) -> bool:
        """Tell whether each of a deployment's services is still at the revision it brought."""
        services = self.registry.services
        return all(services[name].deployment_id == deployment.id for name in deployment.revisions)


def _created(deployment: Deployment) -> tuple[int, DeploymentId]:
    return deployment.created_at, deployment.id


def read_stored(content: bytes) -> Stored:
    """Read the document.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        return msgspec.json.decode(content, type=Stored)
    except msgspec.DecodeError as error:
        raise StorageError(
            f"the registry of deployments cannot be read: {error}; restore the file from a backup, "
            "or remove it and register all deployments again"
        ) from error
