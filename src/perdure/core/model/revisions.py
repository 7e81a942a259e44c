"""Changes of the registry: what happens to deployments and the revisions of their services.

Each function gives a new registry and leaves the old one as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from perdure.core.model.deployments import (
    Deployment,
    Registry,
    check_types,
    next_revisions,
    with_deployments,
)
from perdure.core.model.manifest_checks import RegistrationError, check_manifest
from perdure.core.model.overrides import Overrides
from perdure.protocol.ids import DeploymentId
from perdure.protocol.manifest import Manifest


class Facts(Struct, frozen=True, kw_only=True):
    """What is known about an address, found out or given by whoever registers it."""

    endpoint: str
    manifest: Manifest
    http_version: str = "HTTP/2.0"
    assume_role_arn: str | None = None
    sdk_version: str | None = None
    additional_headers: dict[str, str] = {}
    metadata: dict[str, str] = {}


def added(
    registry: Registry,
    deployment_id: DeploymentId,
    facts: Facts,
    created_at: int,
    *,
    breaking: bool = False,
) -> Registry:
    """Add a deployment; each of its services gets the next revision.

    Args:
        registry: what there is.
        deployment_id: id of the new deployment.
        facts: what is known about it.
        created_at: milliseconds since 1970.
        breaking: whether a service may become one of another type.

    Raises:
        RegistrationError: the manifest contradicts itself, the protocol, or an earlier revision.
    """
    _check(registry, facts, breaking=breaking)
    deployment = Deployment(
        id=deployment_id,
        endpoint=facts.endpoint,
        created_at=created_at,
        manifest=facts.manifest,
        revisions=next_revisions(registry, facts.manifest),
    )
    return _with(registry, _stating(deployment, facts))


def replaced(registry: Registry, deployment_id: DeploymentId, facts: Facts) -> Registry:
    """Discover a deployment anew: it keeps its id, all its services get the next revision.

    Raises:
        RegistrationError: the manifest contradicts itself or the protocol.
    """
    _check(registry, facts, breaking=True)
    deployment = registry.deployments[deployment_id]
    revisions = next_revisions(registry, facts.manifest)
    return _with(registry, replace(_stating(deployment, facts), revisions=revisions))


def moved(registry: Registry, deployment_id: DeploymentId, facts: Facts) -> Registry:
    """Reach a deployment elsewhere, or in another way.

    What it serves stays as it is known, and so does what operators set for it.

    Raises:
        RegistrationError: what is there speaks other versions of the protocol.
    """
    deployment = registry.deployments[deployment_id]
    known, found = deployment.manifest, facts.manifest
    _check_versions(known, found)
    manifest = replace(
        known, protocol_mode=found.protocol_mode, lambda_compression=found.lambda_compression
    )
    there = _stating(deployment, replace(facts, manifest=manifest))
    return _with(registry, replace(there, overrides=deployment.overrides))


def updated(registry: Registry, deployment_id: DeploymentId, facts: Facts) -> Registry:
    """Put other facts in place of a deployment's; services keep the revisions they have.

    Raises:
        RegistrationError: the manifest contradicts itself or the protocol, or speaks other
            versions of it.
    """
    _check(registry, facts, breaking=True)
    deployment = registry.deployments[deployment_id]
    new = facts.manifest
    _check_versions(deployment.manifest, new)
    revisions = next_revisions(registry, new) | {
        service.name: deployment.revisions[service.name]
        for service in new.services
        if service.name in deployment.revisions
    }
    return _with(registry, replace(_stating(deployment, facts), revisions=revisions))


def _check_versions(known: Manifest, found: Manifest) -> None:
    """Refuse other versions of the protocol: what began with one could not go on."""
    spoken = (known.min_protocol_version, known.max_protocol_version)
    if spoken != (found.min_protocol_version, found.max_protocol_version):
        raise RegistrationError(
            "META0016",
            f"the deployment speaks protocol versions {spoken[0]} to {spoken[1]}, what is at the "
            f"new address {found.min_protocol_version} to {found.max_protocol_version}; register "
            "it as a deployment of its own",
        )


def reheaded(
    registry: Registry,
    deployment_id: DeploymentId,
    additional_headers: dict[str, str],
    assume_role_arn: str | None,
) -> Registry:
    """Send other headers with the requests to a deployment, or send them under another role."""
    deployment = registry.deployments[deployment_id]
    changed = replace(
        deployment, additional_headers=additional_headers, assume_role_arn=assume_role_arn
    )
    return _with(registry, changed)


def reconfigured(registry: Registry, service: str, overrides: Overrides) -> Registry:
    """Set options of a service's newest revision, until the next one.

    Raises:
        LookupError: there is no such service.
    """
    if service not in registry.services:
        raise LookupError(service)
    deployment = registry.deployments[registry.services[service].deployment_id]
    earlier = deployment.overrides.get(service, Overrides())
    changed = {**deployment.overrides, service: overrides.over(earlier)}
    return _with(registry, replace(deployment, overrides=changed))


def removed(registry: Registry, deployment_id: DeploymentId) -> Registry:
    """Forget a deployment, and with it the services that no other one serves."""
    kept = (each for each in registry.deployments.values() if each.id != deployment_id)
    return with_deployments(registry, kept)


def at_address(deployments: Iterable[Deployment], endpoint: str) -> list[Deployment]:
    """Find the deployments at an address, in whatever scheme and case of letters it was written."""
    address = _address(endpoint)
    return [each for each in deployments if _address(each.endpoint) == address]


def _address(endpoint: str) -> str:
    host, slash, path = endpoint.partition("://")[2].partition("/")
    return host.lower() + slash + path or endpoint


def _check(registry: Registry, facts: Facts, *, breaking: bool) -> None:
    check_manifest(facts.manifest)
    if not breaking:
        check_types(registry, facts.manifest)


def _stating(deployment: Deployment, facts: Facts) -> Deployment:
    return replace(
        deployment,
        endpoint=facts.endpoint,
        manifest=facts.manifest,
        http_version=facts.http_version,
        assume_role_arn=facts.assume_role_arn,
        sdk_version=facts.sdk_version,
        additional_headers=facts.additional_headers,
        metadata=facts.metadata,
        overrides={},
    )


def _with(registry: Registry, deployment: Deployment) -> Registry:
    deployments = {**registry.deployments, deployment.id: deployment}
    return with_deployments(registry, deployments.values())
