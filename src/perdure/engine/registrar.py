"""Registration of deployments elsewhere: ask them what they serve, then change the registry.

Asking takes time, and other registrations go on meanwhile; so what is asked is decided again, on
the registry as it is then, in the one step that changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from msgspec import Struct

from perdure.core.model.deployments import Deployment, Registry
from perdure.core.model.manifest_checks import RegistrationError
from perdure.core.model.revisions import (
    Facts,
    added,
    at_address,
    moved,
    reheaded,
    removed,
    replaced,
    updated,
)
from perdure.engine.registry import RegistryKeeper
from perdure.engine.transports import scheme_of
from perdure.protocol.ids import DeploymentId
from perdure.protocol.manifest import Manifest


class DiscoveryError(RegistrationError):
    """A deployment cannot be asked what it serves, or its answer is of no use."""


class Discovered(Struct, frozen=True):
    """What a deployment says about itself."""

    manifest: Manifest
    http_version: str
    sdk_version: str | None


class Location(Struct, frozen=True, kw_only=True):
    """Where a deployment is, and how it is reached there."""

    #: An URI, or the ARN of a Lambda function.
    endpoint: str
    use_http_11: bool = False
    #: Role under which a Lambda function is invoked, if not the server's own.
    assume_role_arn: str | None = None
    additional_headers: dict[str, str] = {}


class Discoverer(Protocol):
    """Asks deployments what they serve."""

    async def discover(self, location: Location) -> Discovered:
        """Ask.

        Raises:
            DiscoveryError: the deployment cannot be reached, or its answer is of no use.
        """


class Discoverers:
    """All discoverers, by the scheme of the endpoints they reach."""

    def __init__(self, by_scheme: Mapping[str, Discoverer]) -> None:
        self._by_scheme = by_scheme

    async def discover(self, location: Location) -> Discovered:
        """Ask with whichever discoverer reaches the deployment.

        Raises:
            DiscoveryError: none does, or the answer is of no use.
        """
        discoverer = self._by_scheme.get(scheme_of(location.endpoint))
        if discoverer is None:
            schemes = ", ".join(self._by_scheme)
            raise DiscoveryError(
                "META0003",
                f"error when calling {location.endpoint!r}: it is not reached over any of "
                f"{schemes}; write http://host:port, or the ARN of a Lambda function",
            )
        return await discoverer.discover(location)


class Order(Location, frozen=True, kw_only=True):
    """A deployment to be registered."""

    metadata: dict[str, str] = {}
    #: Discover an address that is known, and take what it serves now.
    force: bool = False
    #: Allow a service to become one of another type.
    breaking: bool = False
    #: Say what would happen, and change nothing.
    dry_run: bool = False


class Amendment(Struct, frozen=True, kw_only=True):
    """A change of a deployment in place; what is None stays as it is."""

    endpoint: str | None = None
    additional_headers: dict[str, str] | None = None
    assume_role_arn: str | None = None
    #: Over which version of HTTP to ask; None is HTTP/2 at another address, and at the known one
    #: the version in use.
    use_http_11: bool | None = None
    #: Take the services found at the endpoint in place of those known.
    overwrite: bool = False
    dry_run: bool = False

    @property
    def asks(self) -> bool:
        """Whether the deployment has to be asked what it is."""
        return self.overwrite or self.endpoint is not None or self.use_http_11 is not None


class Outcome(NamedTuple):
    """A deployment, in the registry in which it stands."""

    registry: Registry
    deployment: Deployment
    created: bool


class Registrar:
    """Registers, changes and removes deployments that live elsewhere."""

    def __init__(self, keeper: RegistryKeeper, discoverer: Discoverer) -> None:
        self._keeper = keeper
        self._discoverer = discoverer

    async def register(self, order: Order) -> Outcome:
        """Register what an address serves; a known address only if forced to.

        Raises:
            RegistrationError: it cannot be registered; nothing was changed.
            StorageError: the change could not be made durable; nothing was changed.
        """
        known = self._known(order)
        if known is not None and not order.force:
            return Outcome(self._keeper.registry, known, created=False)
        facts = await self._ask(order)
        known = self._known(order)
        if known is not None and not order.force:
            return Outcome(self._keeper.registry, known, created=False)
        if known is None:
            deployment_id, now = self._keeper.new_id()
            before = self._keeper.registry
            breaking = order.breaking or order.force
            registry = added(before, deployment_id, facts, now, breaking=breaking)
        else:
            deployment_id = known.id
            registry = replaced(self._keeper.registry, deployment_id, facts)
        return self._outcome(registry, deployment_id, created=known is None, dry=order.dry_run)

    async def amend(self, deployment_id: DeploymentId, amendment: Amendment) -> Outcome:
        """Change a deployment in place.

        Raises:
            LookupError: there is no such deployment.
            RegistrationError: it cannot be changed so; nothing was changed.
            StorageError: the change could not be made durable; nothing was changed.
        """
        deployment = self._deployment(deployment_id)
        headers = amendment.additional_headers
        if headers is None:
            headers = deployment.additional_headers
        role = amendment.assume_role_arn or deployment.assume_role_arn
        if not amendment.asks:
            registry = reheaded(self._keeper.registry, deployment_id, headers, role)
            return self._outcome(registry, deployment_id, created=False, dry=amendment.dry_run)
        facts = await self._ask(
            Order(
                endpoint=amendment.endpoint or deployment.endpoint,
                use_http_11=_over_http_11(deployment, amendment),
                assume_role_arn=role,
                additional_headers=headers,
                metadata=deployment.metadata,
            )
        )
        deployment = self._deployment(deployment_id)
        if amendment.overwrite:
            registry = updated(self._keeper.registry, deployment_id, facts)
        else:
            _check_services(deployment, facts)
            registry = moved(self._keeper.registry, deployment_id, facts)
        return self._outcome(registry, deployment_id, created=False, dry=amendment.dry_run)

    def headers_of(self, deployment_id: DeploymentId) -> Mapping[str, str]:
        """Give the additional headers of a deployment; none of one that does not exist."""
        deployment = self._keeper.registry.deployments.get(deployment_id)
        return {} if deployment is None else deployment.additional_headers

    def endpoint_of(self, deployment_id: DeploymentId) -> str:
        """Give the endpoint of a deployment.

        Raises:
            LookupError: there is no such deployment.
        """
        return self._deployment(deployment_id).endpoint

    def remove(self, deployment_id: DeploymentId) -> None:
        """Forget a deployment; what is pinned to it is retried until it is resumed elsewhere.

        Raises:
            LookupError: there is no such deployment.
            StorageError: the change could not be made durable; nothing was changed.
        """
        self._deployment(deployment_id)
        self._keeper.store(removed(self._keeper.registry, deployment_id))

    def _deployment(self, deployment_id: DeploymentId) -> Deployment:
        deployment = self._keeper.registry.deployments.get(deployment_id)
        if deployment is None:
            raise LookupError(deployment_id)
        return deployment

    def _known(self, order: Order) -> Deployment | None:
        found = at_address(self._keeper.registry.deployments.values(), order.endpoint)
        if len(found) > 1 and order.force:
            ids = ", ".join(deployment.id for deployment in found)
            raise RegistrationError(
                "META0017",
                f"several deployments are at {order.endpoint}: {ids}; remove all but one of them, "
                "or change one by its id",
            )
        return found[-1] if found else None

    async def _ask(self, order: Order) -> Facts:
        found = await self._discoverer.discover(order)
        return Facts(
            endpoint=order.endpoint,
            manifest=found.manifest,
            http_version=found.http_version,
            assume_role_arn=order.assume_role_arn,
            sdk_version=found.sdk_version,
            additional_headers=order.additional_headers,
            metadata=order.metadata,
        )

    def _outcome(
        self, registry: Registry, deployment_id: DeploymentId, *, created: bool, dry: bool
    ) -> Outcome:
        if not dry:
            self._keeper.store(registry)
        return Outcome(registry, registry.deployments[deployment_id], created)


def _over_http_11(deployment: Deployment, amendment: Amendment) -> bool:
    if amendment.use_http_11 is not None:
        return amendment.use_http_11
    return amendment.endpoint is None and deployment.http_version == "HTTP/1.1"


def _check_services(deployment: Deployment, facts: Facts) -> None:
    """Refuse a new address that does not serve all that is served at the old one."""
    missing = sorted(_handlers(deployment.manifest) - _handlers(facts.manifest))
    if missing:
        service, handler = missing[0]
        raise RegistrationError(
            "META0016",
            f"the new address does not serve {service}/{handler}, which the deployment does; "
            "set overwrite to take what it serves",
        )


def _handlers(manifest: Manifest) -> set[tuple[str, str]]:
    return {
        (service.name, handler.name)
        for service in manifest.services
        for handler in service.handlers
    }
