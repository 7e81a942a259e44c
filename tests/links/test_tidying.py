"""Superseded deployments of a server with several partitions."""

from __future__ import annotations

import pytest
from engine_world import A, B, EngineWorld, invoke, running
from linked import linked, until
from scripted_host import GREETER, ScriptedHost, handler, manifest, service

from perdure.engine.superseded import SUPERSEDED_MAX
from perdure.links.tidying import drop_superseded_by_all, tell_pinned
from perdure.protocol.messages import Run

MANY = 2 * SUPERSEDED_MAX


def edition(number: int) -> ScriptedHost:
    """Serve what there is after so many changes of the code."""
    return ScriptedHost(manifest(GREETER, service("Other", handler(f"h{number}"))))


async def pinned(world: EngineWorld, invocation_id) -> str:
    """Have an invocation go on with what is served; give the deployment."""
    await world.engine.requests.submit(invoke(invocation_id))
    await until(lambda: world.host.sessions)
    world.host.last.say(Run(1))
    await until(lambda: world.row(invocation_id).pin is not None)
    return world.row(invocation_id).pin.deployment_id


@pytest.mark.parametrize(("changes", "dropped"), [(MANY, True), (SUPERSEDED_MAX - 2, False)])
def test_what_no_partition_needs_is_dropped(run, changes, dropped):
    async def scenario():
        first, second = await running(edition(0)), EngineWorld(edition(1))
        here = await pinned(first, A)
        first.serve(edition(1))
        second.document = first.document
        await second.start()
        there = await pinned(second, B)
        for number in range(2, 2 + changes):
            newest = first.serve(edition(number))
        before = set(first.keeper.registry.deployments)
        async with linked() as ends:
            tell_pinned(ends.there, second.engine.partition.tables)
            await drop_superseded_by_all(ends.here, first.keeper, first.engine.partition.tables)
        kept = set(first.keeper.registry.deployments)
        assert len({here, there, newest}) == 3
        assert kept == ({here, there, newest} if dropped else before)
        for world in (first, second):
            await world.stop()

    run(scenario)
