"""An operator cannot tell by the answer in which partition an invocation lives."""

from __future__ import annotations

import json

import pytest
from admin_support import exchange
from engine_world import ask as begin
from engine_world import settled, until
from routed_world import KEPT, PLACES, asking, goes_on, serving
from scripted_host import ended, returns

from perdure.admin.app import create_admin
from perdure.core.model.records import Invoke
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.configurator import Configurator
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import Input, SetState, Value


class Operator:
    """Asks the admin API of one partition, and notes all that is answered."""

    def __init__(self, world) -> None:
        self.world = world
        self.run_id = invocation_text(world.run_id)
        configurator = Configurator(world.server.keeper, world.server.clock)
        self._admin = create_admin(world.requests, configurator=configurator)
        self.heard: list[tuple] = []

    async def ask(self, method, url, body=None):
        content = b"" if body is None else json.dumps(body).encode()
        headers = [] if body is None else [(b"content-type", b"application/json")]
        response = await exchange(self._admin, method, url, (), content, headers)
        self.heard.append((response.status, response.headers, response.body))
        return response

    async def patch(self, *changes):
        for change in changes:
            await self.ask("PATCH", f"/invocations/{self.run_id}/{change}")

    async def look(self):
        for below in ("", "/journal", "/journal?from=1", "/journal/0", "/journal/2", "/journal/9"):
            await self.ask("GET", f"/invocations/{self.run_id}{below}")


async def shows(operator):
    world = operator.world
    await operator.look()
    await world.requests.submit(world.request("run"))
    await until(lambda: world.server.host.sessions)
    await operator.look()
    world.server.host.last.say(SetState(b"name", Value(b"1")), *ended())
    await settled()
    await operator.look()


async def changes(operator):
    world = operator.world
    every = ("cancel", "pause", "resume", "kill", "purge-journal", "restart-as-new", "purge")
    await operator.patch(*every)
    for run in range(2):
        await world.requests.submit(world.request("run"))
        await until(lambda run=run: len(world.server.host.sessions) > 2 * run)
        await operator.patch("pause")
        await settled()
        await operator.patch("resume?deployment=latest", "resume?deployment=dp_none")
        await operator.patch(f"resume?deployment={world.server.deployment}")
        await settled()
        await operator.patch(*every)
    for mode in ("cancel", "kill", "purge"):
        await operator.ask("DELETE", f"/invocations/{operator.run_id}?mode={mode}")


async def batches(operator):
    world = operator.world
    bodies = [world.request("add", b"%d" % number) for number in range(5)]
    for body in bodies:
        await world.requests.call(body)
    texts = [*(invocation_text(body.invocation_id) for body in bodies), operator.run_id]
    for change, more in (
        ("cancel", {}),
        ("resume", {"deployment": "latest"}),
        ("restart-as-new", {}),
        ("restart-as-new", {"deployment": world.server.deployment}),
        ("purge", {}),
    ):
        body = {"invocation_ids": texts, **more}
        await operator.ask("POST", f"/internal/invocations/{change}", body)


async def states(operator):
    world = operator.world
    for version in (None, "other", None):
        body = {"object_key": world.key, "new_state": {"name": [1, 2]}, "version": version}
        await operator.ask("POST", "/services/Counter/state", body)


async def refusals(operator):
    world = operator.world
    for requests in (world.asked.requests, world.owner.requests):
        requests.close("closed for tests")
    await operator.patch("kill", "resume", "restart-as-new")
    await operator.look()


SCRIPTS = {
    shows: {"run": goes_on},
    changes: {"run": goes_on},
    batches: {"add": returns()},
    states: {},
    refusals: {},
}


@pytest.mark.parametrize("scenario", SCRIPTS, ids=lambda scenario: scenario.__name__)
async def test_answers_are_the_same_from_everywhere(scenario):
    heard = {}
    for place in PLACES:
        async with asking(place, **SCRIPTS[scenario]) as world:
            operator = Operator(world)
            await scenario(operator)
            heard[place] = operator.heard
    assert heard["here"] == heard["alone"]
    assert heard["elsewhere"] == heard["alone"]


async def test_a_batch_reaches_all_partitions():
    async with serving(3, add=goes_on) as server:
        bodies: list[Invoke] = []
        for number in range(30):
            target = Target("Counter", "add", HandlerKind.EXCLUSIVE, f"key {number}")
            drawn = server.requests[0].draw_id(target, None)
            bodies.append(Invoke(drawn, target, Input(Value(b"1")), KEPT))
            await server.requests[number % 3].submit(bodies[-1])
        calls = [begin(server.requests[0].attach(body.invocation_id)) for body in bodies]
        admin = create_admin(server.requests[0])
        content = {"invocation_ids": [invocation_text(body.invocation_id) for body in bodies]}
        headers = [(b"content-type", b"application/json")]
        response = await exchange(
            admin, "POST", "/internal/invocations/kill", (), json.dumps(content).encode(), headers
        )
        assert len(response.json["successful"]) == len(bodies)
        assert {(await call).outcome.message for call in calls} == {"killed"}
