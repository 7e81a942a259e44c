"""Invocations that go on, or begin again, on the deployment that was asked for."""

from __future__ import annotations

import pytest
from engine_world import RUN, A, EngineWorld, invoke, running, settled
from scripted_host import (
    COUNTER,
    GREETER,
    SIGNUP,
    ScriptedHost,
    ended,
    first_says,
    manifest,
    returns,
)

from perdure.core.model.invocations import Pin
from perdure.core.model.verdicts import Verdict
from perdure.engine.pinning import UnknownDeploymentError
from perdure.protocol.ids import deployment_text
from perdure.protocol.messages import Error, ErrorBehavior, Run, Value

#: The same services, on a deployment that speaks only an older version.
OLD = manifest(GREETER, COUNTER, SIGNUP, versions=(5, 6))
OTHER = manifest(GREETER, COUNTER, SIGNUP, versions=(6, 7))


async def paused_on_an_old_deployment() -> EngineWorld:
    """Pause an invocation after its first command."""
    world = await running(ScriptedHost(OLD))
    await world.engine.requests.submit(invoke())
    world.host.last.say(Run(1))
    await settled()
    await world.engine.requests.pause(A)
    return world


async def test_an_invocation_goes_on_where_it_is_pinned():
    world = await paused_on_an_old_deployment()
    old = world.row().pin.deployment_id
    world.serve(ScriptedHost(), "new")
    assert await world.engine.requests.resume(A, None) is Verdict.DONE
    assert world.row().pin == Pin(old, 6)
    assert world.host.sessions == [], "the new deployment is not asked"
    assert await world.engine.requests.resume(A, "keep") is Verdict.DONE
    await world.stop()


async def test_an_invocation_can_go_on_elsewhere_with_the_version_it_began_with():
    world = await paused_on_an_old_deployment()
    new = world.serve(ScriptedHost(OTHER), "new")
    assert await world.engine.requests.resume(A, "latest") is Verdict.DONE
    assert world.row().pin == Pin(new, 6)
    assert world.host.last.version == 6
    assert world.host.last.journal[1:] == [Run(1)]
    await world.stop()


async def test_an_invocation_can_go_on_at_a_deployment_by_its_id():
    world = await paused_on_an_old_deployment()
    wanted = world.serve(ScriptedHost(OTHER), "wanted")
    wanted_host = world.host
    world.serve(ScriptedHost(), "newer")
    assert await world.engine.requests.resume(A, wanted) is Verdict.DONE
    assert wanted_host.last.journal[1:] == [Run(1)]
    await world.stop()


async def test_an_invocation_cannot_go_on_where_nobody_serves_it():
    world = await paused_on_an_old_deployment()
    elsewhere = world.serve(ScriptedHost(manifest(COUNTER)), "other")
    requests = world.engine.requests
    for wrong in (elsewhere, deployment_text(bytes(16)), "nonsense"):
        with pytest.raises(UnknownDeploymentError, match="does not serve Greeter/greet"):
            await requests.resume(A, wrong)
    assert world.status() == "Paused"
    await world.stop()


async def test_an_invocation_cannot_go_on_where_its_version_is_not_spoken():
    world = await paused_on_an_old_deployment()
    world.serve(ScriptedHost(manifest(GREETER, versions=(7, 7))), "new")
    with pytest.raises(UnknownDeploymentError, match="protocol version 6"):
        await world.engine.requests.resume(A, "latest")
    await world.stop()


async def test_an_attempt_that_is_open_is_not_moved():
    world = await running()
    await world.engine.requests.submit(invoke())
    world.host.last.say(Run(1))
    await settled()
    here = world.row().pin.deployment_id
    assert await world.engine.requests.resume(A, here) is Verdict.DONE
    assert await world.engine.requests.resume(A, "latest") is Verdict.DONE
    there = world.serve(ScriptedHost(), "new")
    assert await world.engine.requests.resume(A, there) is Verdict.CHANGE_REFUSED
    await world.stop()


async def test_an_invocation_that_is_not_pinned_yet_goes_where_it_is_sent():
    world = await running(
        ScriptedHost(greet=first_says(Error(500, "no", behavior=ErrorBehavior.PAUSE)))
    )
    await world.engine.requests.submit(invoke())
    await settled()
    assert world.status() == "Paused"
    assert world.row().pin is None
    wanted = world.serve(ScriptedHost(OTHER), "wanted")
    wanted_host = world.host
    world.serve(ScriptedHost(OLD), "newest")
    assert await world.engine.requests.resume(A, wanted) is Verdict.DONE
    assert wanted_host.last.version == 7
    with pytest.raises(UnknownDeploymentError):
        await world.engine.requests.resume(A, "nonsense")
    await world.stop()


async def test_an_ended_invocation_is_restarted_under_a_new_id():
    world = await running()
    await world.engine.requests.submit(invoke())
    world.host.last.say(Run(1), *ended())
    await settled()
    verdict, new_id = await world.engine.requests.restart_as_new(A, 0, None)
    assert verdict is Verdict.DONE
    assert new_id[:8] == A[:8], "in the same partition"
    assert world.row(new_id).origin.restart_of == A
    assert world.host.last.start.id == new_id
    assert world.host.last.start.known_entries == 1
    world.host.last.say(*ended(b"again"))
    assert (await world.engine.requests.attach(new_id)).outcome == Value(b"again")
    assert world.row(A).status.outcome == Value(b"out")
    await world.stop()


async def test_an_ended_invocation_is_restarted_where_asked():
    world = await running(ScriptedHost(OLD))
    await world.engine.requests.submit(invoke())
    world.host.last.say(Run(1), *ended())
    await settled()
    old, first_host = world.row().pin, world.host
    newest = world.serve(ScriptedHost(OTHER), "new")
    requests = world.engine.requests

    _, kept = await requests.restart_as_new(A, 0, "keep")
    assert first_host.last.start.id == kept
    _, moved = await requests.restart_as_new(A, 0, "latest")
    assert world.host.last.start.id == moved
    _, by_default = await requests.restart_as_new(A, 0, None)
    assert world.row(by_default).pin == Pin(newest, 6)
    assert world.row(kept).pin == old
    with pytest.raises(UnknownDeploymentError):
        await requests.restart_as_new(A, 0, "nonsense")
    await world.stop()


async def test_a_prefix_that_cannot_stand_alone_is_refused():
    world = await running()
    await world.engine.requests.submit(invoke())
    world.host.last.say(Run(1), *ended())
    await settled()
    requests = world.engine.requests
    assert await requests.restart_as_new(A, 1, None) == (Verdict.BAD_PREFIX, None)
    assert await requests.restart_as_new(A, 99, None) == (Verdict.BAD_PREFIX, None)
    await world.stop()


async def test_a_workflow_s_run_is_not_restarted():
    world = await running(ScriptedHost(run=returns()))
    await world.engine.requests.call(invoke(A, RUN))
    assert await world.engine.requests.restart_as_new(A, 0, None) == (Verdict.WORKFLOW, None)
    await world.stop()
