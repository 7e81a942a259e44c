"""The deployment and the version of the protocol that an invocation goes on with.

What began with one version goes on with it, whatever server or deployment takes it over.
"""

from __future__ import annotations

from typing import Final

from perdure.core.model.deployments import Deployment, Registry
from perdure.core.model.invocations import Invocation, Pin, Problem
from perdure.protocol.ids import DeploymentId
from perdure.protocol.manifest import Manifest
from perdure.protocol.versions import PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN, negotiate

_SPOKEN: Final = f"this server speaks {PROTOCOL_VERSION_MIN} to {PROTOCOL_VERSION_MAX}"


class UnknownDeploymentError(Exception):
    """There is no such deployment, or it does not serve the invocation's handler."""


class UnservableError(Exception):
    """An invocation cannot be tried now: nobody serves it, or not in a version that is spoken."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def pin_of(row: Invocation, deployment: Deployment) -> Pin:
    """Give what an attempt at a deployment is pinned to.

    Raises:
        UnservableError: this server does not speak the version that it takes.
    """
    if row.pin is not None:
        version = row.pin.protocol_version
        if PROTOCOL_VERSION_MIN <= version <= PROTOCOL_VERSION_MAX:
            return row.pin
        raise _unservable(
            "RT0014",
            f"the invocation began with version {version} of the service protocol, and {_SPOKEN}; "
            "let the server that it began on end it, or kill it and send its request again",
        )
    oldest = deployment.manifest.min_protocol_version
    newest = deployment.manifest.max_protocol_version
    chosen = negotiate(oldest, newest)
    if chosen is None:
        raise _unservable(
            "RT0013",
            f"deployment {deployment.id} speaks versions {oldest} to {newest} of the service "
            f"protocol, and {_SPOKEN}; upgrade its SDK, and register it again",
        )
    return Pin(deployment.id, chosen)


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


def _unservable(doc_code: str, message: str) -> UnservableError:
    return UnservableError(Problem(500, message, doc_code=doc_code))


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
        chosen = negotiate(oldest, newest)
        if chosen is None:
            raise UnknownDeploymentError(
                f"deployment {deployment!r} speaks no version of the protocol that this server does"
            )
        return chosen
    version = row.pin.protocol_version
    if not oldest <= version <= newest:
        raise UnknownDeploymentError(
            f"deployment {deployment!r} does not speak protocol version {version}, with which "
            "the invocation began"
        )
    return version
