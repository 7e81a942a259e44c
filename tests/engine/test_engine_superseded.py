"""Deployments of this process that newer ones replaced do not pile up, and none is missed."""

from __future__ import annotations

import pytest
from engine_world import A, EngineWorld, invoke, settled
from scripted_host import GREETER, ScriptedHost, ended, handler, manifest, service

from perdure.engine.ports import StorageError
from perdure.engine.superseded import SUPERSEDED_MAX
from perdure.protocol.messages import Run, Value
from perdure.storage.document import MemoryDocument

MANY = 3 * SUPERSEDED_MAX


def edition(number: int) -> ScriptedHost:
    """Serve what there is after so many changes of the code."""
    return ScriptedHost(manifest(GREETER, service("Other", handler(f"h{number}"))))


async def reload(world: EngineWorld, number: int) -> None:
    """End the process and start another on changed code."""
    await world.stop()
    world.host = edition(number)
    await world.start()


async def worn(times: int = MANY) -> EngineWorld:
    """Give a server whose code changed so often."""
    world = EngineWorld(edition(0))
    await world.start()
    for number in range(1, times + 1):
        await reload(world, number)
    return world


async def test_the_registry_does_not_grow_with_every_change():
    world = await worn()
    deployments = world.keeper.registry.deployments
    assert len(deployments) <= SUPERSEDED_MAX + 1
    assert world.keeper.registry.services["Greeter"].revision == MANY + 1
    await world.stop()


async def test_few_are_left_alone():
    world = await worn(SUPERSEDED_MAX)
    assert len(world.keeper.registry.deployments) == SUPERSEDED_MAX + 1
    await world.stop()


async def test_what_an_invocation_is_pinned_to_stays():
    world = EngineWorld(edition(0))
    await world.start()
    await world.engine.requests.submit(invoke())
    first = world.keeper.registry.services["Greeter"].deployment_id
    world.host.last.say(Run(1))
    await settled()
    for number in range(1, MANY + 1):
        await reload(world, number)
    assert first in world.keeper.registry.deployments
    world.host.last.say(*ended())
    assert (await world.engine.requests.attach(A)).outcome == Value(b"out")
    await world.stop()


async def test_what_alone_serves_something_stays():
    world = EngineWorld(ScriptedHost(manifest(service("Gone", handler("h")))))
    await world.start()
    for number in range(MANY):
        await reload(world, number)
    assert "Gone" in world.keeper.registry.services
    await world.stop()


async def test_what_others_serve_stays():
    world = EngineWorld(edition(0))
    await world.start()
    for number in range(MANY):
        world.keeper.register(f"inprocess://elsewhere{number}", edition(number).manifest())
    await reload(world, 1)
    assert len(world.keeper.registry.deployments) > MANY
    await world.stop()


class FailingDocument(MemoryDocument):
    """Fails where the process would die: before or after the content is in place."""

    fails = ""

    def replace(self, expected_version: int, content: bytes) -> int:
        if self.fails == "before":
            raise StorageError("died")
        version = super().replace(expected_version, content)
        if self.fails == "after":
            raise StorageError("died")
        return version


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_in_between_drops_all_of_them_or_none(when):
    world = EngineWorld(edition(0))
    world.document = document = FailingDocument()
    await world.start()
    for number in range(1, SUPERSEDED_MAX + 2):
        await world.stop()
        world.host = edition(number)
        if number == SUPERSEDED_MAX + 1:
            world.keeper.register("inprocess://app", world.host.manifest())
            document.fails = when
            with pytest.raises(StorageError):
                await world.start()
            document.fails = ""
        await world.start()
    assert set(world.keeper.registry.services) == {"Greeter", "Other"}
    assert len(world.keeper.registry.deployments) == 1
    await world.stop()
