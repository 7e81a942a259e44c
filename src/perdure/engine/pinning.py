"""The deployment that an invocation goes on with, when whoever resumes it asks for another."""

from __future__ import annotations

from perdure.core.model.deployments import Registry
from perdure.core.model.invocations import Invocation, Pin
from perdure.protocol.ids import DeploymentId
from perdure.protocol.manifest import Manifest
from perdure.protocol.versions import negotiate


class UnknownDeploymentError(Exception):
    """There is no such deployment, or it does not serve the invocation's handler."""


def other_pin(registry: Registry, row: Invocation, deployment: str | None) -> Pin | None:
    """Find the pin to change to; None to keep the one there is.

    Args:
        registry: what is registered.
        row: the invocation.
        deployment: an id, ``latest`` or ``keep``; None means the same as ``keep``.

    Raises:
        UnknownDeploymentError: the invocation cannot go on there.
    """
    if deployment is None or deployment == "keep":
        return None
    if row.pin is None and deployment == "latest":
        return None  # that is where its next attempt goes anyway
    wanted = _wanted(registry, row, deployment)
    manifest = registry.deployments[wanted].manifest
    return Pin(wanted, _version(row, deployment, manifest))


def _wanted(registry: Registry, row: Invocation, deployment: str) -> DeploymentId:
    service = row.target.service
    if deployment == "latest":
        newest = registry.services.get(service)
        wanted = None if newest is None else newest.deployment_id
    else:
        wanted = DeploymentId(deployment)
    schema = None if wanted is None else registry.pinned.get((wanted, service))
    if wanted is None or schema is None or row.target.handler not in schema.handlers:
        raise UnknownDeploymentError(
            f"deployment {deployment!r} does not serve {service}/{row.target.handler}"
        )
    return wanted


def _version(row: Invocation, deployment: str, manifest: Manifest) -> int:
    """Give the protocol version to go on with: what began with one goes on with it."""
    oldest, newest = manifest.min_protocol_version, manifest.max_protocol_version
    if row.pin is None:
        version = negotiate(oldest, newest)
        assert version is not None, "such a deployment is not registered"
        return version
    version = row.pin.protocol_version
    if not oldest <= version <= newest:
        raise UnknownDeploymentError(
            f"deployment {deployment!r} does not speak protocol version {version}, with which "
            "the invocation began"
        )
    return version
