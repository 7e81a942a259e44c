"""Deployments of this process that newer ones have taken the place of.

Under ``perdure dev`` each change of what is served leaves one behind. They are dropped when the
engine starts and nothing can begin or end meanwhile: one that an invocation is pinned to, or that
serves the newest revision of anything, stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from perdure.core.model.deployments import Registry, with_deployments
from perdure.core.tables.tables import Tables
from perdure.engine.registry import RegistryKeeper
from perdure.protocol.ids import DeploymentId

#: How many are left alone: to find out which are pinned, all invocations are looked at.
SUPERSEDED_MAX: Final = 16
#: Invocations looked at in one go.
_PAGE: Final = 4096

_END: Final = b"\xff" * 25


def drop_superseded(keeper: RegistryKeeper, tables: Tables) -> None:
    """Drop superseded deployments if there are many.

    Args:
        keeper: the registry, with what this process serves registered.
        tables: all invocations, recovered and at rest.

    Raises:
        StorageError: the change could not be made durable; nothing was changed.
    """
    dropped = many_superseded(keeper)
    if dropped:
        drop(keeper, dropped - pinned(tables))


def many_superseded(keeper: RegistryKeeper) -> set[DeploymentId]:
    """Find the superseded deployments; none if they are few."""
    found = superseded(keeper.registry, keeper.served)
    return found if len(found) > SUPERSEDED_MAX else set()


def drop(keeper: RegistryKeeper, dropped: Collection[DeploymentId]) -> None:
    """Drop deployments.

    Raises:
        StorageError: the change could not be made durable; nothing was changed.
    """
    if dropped:
        deployments = keeper.registry.deployments
        kept = [each for each in deployments.values() if each.id not in dropped]
        keeper.store(with_deployments(keeper.registry, kept))


def superseded(registry: Registry, endpoints: Iterable[str]) -> set[DeploymentId]:
    """Find the deployments at some endpoints that serve the newest revision of nothing."""
    current = {service.deployment_id for service in registry.services.values()}
    return {
        deployment.id
        for deployment in registry.deployments.values()
        if deployment.endpoint in endpoints and deployment.id not in current
    }


def pinned(tables: Tables) -> set[DeploymentId]:
    """Find the deployments that invocations, ended ones too, are pinned to."""
    found: set[DeploymentId] = set()
    start = b""
    while page := tables.invocations.scan(start, _END, _PAGE):
        found.update(row.pin.deployment_id for _, row in page if row.pin is not None)
        start = page[-1][0] + b"\x00"
    return found
