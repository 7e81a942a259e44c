"""The registry in a process that does not keep it: it goes by what the keeper's process says."""

from __future__ import annotations

from perdure.core.model.deployments import Defaults, Deployment, with_deployments
from perdure.core.model.event_sources import event_sources
from perdure.core.model.manifest_checks import RegistrationError
from perdure.engine.ports import Clock, StorageError
from perdure.engine.registry import Edition, RegistryKeeper, read_stored
from perdure.protocol.manifest import Manifest


class FollowedRegistry(RegistryKeeper):
    """Knows what is registered, and changes nothing of it."""

    def __init__(self, edition: Edition, clock: Clock, defaults: Defaults) -> None:
        """Begin with what is registered now.

        Args:
            edition: the registry as it is.
            clock: time and chance.
            defaults: of this server's handlers; the same in all of its processes.
        """
        super().__init__(_Received(edition), clock, defaults)
        self.is_new = edition.is_new

    def follow(self, edition: Edition) -> None:
        """Go by another edition, unless it is an older one."""
        if edition.version <= self._version:
            return
        self._version = edition.version
        self._stored = stored = read_stored(edition.content)
        self.sources = event_sources(stored.clusters, stored.subscriptions)
        self.registry = with_deployments(self.registry, stored.deployments)
        for watcher in self._watchers:
            watcher(self.registry)

    def register(self, endpoint: str, manifest: Manifest) -> Deployment:
        """Find the deployment of what an endpoint in this process serves.

        Raises:
            RegistrationError: the keeper's process has registered something else.
        """
        self.served.add(endpoint)
        existing = self._newest_at(endpoint)
        if existing is None or existing.manifest != manifest:
            raise RegistrationError(
                "META0016",
                f"the processes of this server do not serve the same at {endpoint}: what the "
                "module defines must not depend on the process, and a change of its code needs a "
                "start of them all; start the server again",
            )
        return existing


class _Received:
    """The document as it came."""

    def __init__(self, edition: Edition) -> None:
        self._edition = edition

    def load(self) -> tuple[int, bytes]:
        """Give version and content."""
        return self._edition.version, self._edition.content

    def replace(self, _expected_version: int, _content: bytes) -> int:
        """Refuse a change."""
        raise StorageError(
            "the registry is kept by the process of partition 0: ask its admin API for a change"
        )
