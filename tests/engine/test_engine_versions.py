"""Versions of the protocol that only another server speaks, whose data directory this one has."""

from __future__ import annotations

import pytest
from engine_world import invoke, running, settled
from msgspec.structs import replace
from scripted_host import GREETER, ScriptedHost, manifest

from perdure.core.model.deployments import build_registry
from perdure.core.model.invocations import Pin
from perdure.engine.pinning import UnknownDeploymentError, UnservableError, other_pin, pin_of
from perdure.protocol.messages import Run


async def begun():
    """Have an invocation that is pinned to its deployment, with the registry that knows both."""
    world = await running(ScriptedHost(manifest(GREETER)))
    await world.engine.requests.submit(invoke())
    world.host.last.say(Run(1))
    await settled()
    row, registry = world.row(), world.keeper.registry
    await world.stop()
    return row, registry


def speaking(registry, oldest: int, newest: int):
    """Give the registry as a server would have left it that speaks other versions."""
    spoken = {"min_protocol_version": oldest, "max_protocol_version": newest}
    deployments = [
        replace(each, manifest=replace(each.manifest, **spoken))
        for each in registry.deployments.values()
    ]
    return build_registry(deployments, registry.defaults)


@pytest.mark.parametrize("versions", [(1, 4), (8, 9)])
async def test_a_deployment_whose_versions_are_not_spoken_is_told(versions):
    row, registry = await begun()
    [deployment] = speaking(registry, *versions).deployments.values()
    with pytest.raises(UnservableError, match="upgrade its SDK, and register it again") as told:
        pin_of(replace(row, pin=None), deployment)
    assert told.value.problem.doc_code == "RT0013"
    assert "this server speaks 5 to 7" in told.value.problem.message


@pytest.mark.parametrize("version", [4, 8])
async def test_an_invocation_whose_version_is_not_spoken_is_told(version):
    row, registry = await begun()
    [deployment] = registry.deployments.values()
    with pytest.raises(UnservableError, match=f"began with version {version}") as told:
        pin_of(replace(row, pin=Pin(deployment.id, version)), deployment)
    assert told.value.problem.doc_code == "RT0014"


async def test_an_invocation_keeps_the_version_that_it_began_with():
    row, registry = await begun()
    [deployment] = registry.deployments.values()
    for version in (5, 6, 7):
        pin = Pin(deployment.id, version)
        assert pin_of(replace(row, pin=pin), deployment) is pin


async def test_nothing_goes_on_at_a_deployment_whose_versions_are_not_spoken():
    row, registry = await begun()
    old = speaking(registry, 1, 4)
    with pytest.raises(UnknownDeploymentError, match="no version of the protocol"):
        other_pin(old, replace(row, pin=None), row.pin.deployment_id)


async def test_an_attempt_at_such_a_deployment_fails_by_its_policy():
    world = await running(ScriptedHost(manifest(GREETER)))
    registry = speaking(world.keeper.registry, 8, 9)
    for watcher in world.keeper._watchers:
        watcher(registry)
    await world.engine.requests.submit(invoke())
    await settled()
    status = world.row().status
    assert status.problem.doc_code == "RT0013"
    assert status.retry_at is not None
    assert world.host.sessions == []
    await world.stop()
