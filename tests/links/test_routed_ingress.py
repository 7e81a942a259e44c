"""A client cannot tell by the answer in which partition its invocation lives."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import pytest
from engine_world import ask as begin
from engine_world import settled, until
from ingress_support import ask
from routed_world import PLACES, asking, awaits_signal, goes_on, serving
from scripted_host import ScriptedSession, ended, returns

from perdure.engine.engine import EngineOptions
from perdure.engine.gate import Limits
from perdure.ingress.app import Ingress
from perdure.protocol.ids import awakeable_text, invocation_text
from perdure.protocol.messages import End, Failure, Output

JSON = ("content-type", "application/json")
ONCE = ("idempotency-key", "once")


class Client:
    """Sends requests to one partition, and notes all that is answered."""

    def __init__(self, world) -> None:
        self.world = world
        self.key = quote(world.key)
        self.run_id = invocation_text(world.run_id)
        self.heard: list[tuple] = []

    async def post(self, url, body=b'"x"', *headers, method="POST"):
        response = await ask(self.world.ingress, method, url, body, [JSON, *headers])
        self.heard.append((response.status, response.headers, response.body))
        return response

    async def get(self, url):
        return await self.post(url, b"", method="GET")

    async def about(self, target, *operations):
        for operation in operations:
            await self.post(f"/restate/{operation}", json.dumps(target).encode())

    def later(self, url, body=b'"x"', *headers, method="POST"):
        return begin(self.post(url, body, *headers, method=method))


def fails(session: ScriptedSession) -> None:
    """End with a failure."""
    if session.heard and not session.news:
        session.say(Output(Failure(418, "no", (("why", "because"),))), End())


async def calls(client):
    key = client.key
    await client.post(f"/Counter/{key}/add")
    await client.post(f"/restate/call/Counter/{key}/add")
    await client.post(f"/Counter/{key}/look")
    for _ in range(2):
        await client.post(f"/Counter/{key}/add", b'"y"', ONCE)
    for _ in range(2):
        await client.post(f"/Signup/{key}/run")
    await client.post(f"/Signup/{key}/run/send")
    await client.post(f"/Counter/{key}/nothing")


async def sends(client):
    key = client.key
    await client.post(f"/Counter/{key}/add/send")
    await client.post(f"/restate/send/Counter/{key}/add")
    for _ in range(2):
        await client.post(f"/Counter/{key}/add/send", b"1", ONCE)
    await client.post(f"/Counter/{key}/add/send?delay=10s", b"2", ("idempotency-key", "later"))
    await client.post(f"/Counter/{key}/add/send?delay=10s", b"2", ("idempotency-key", "later"))


async def results(client):
    key, run_id = client.key, client.run_id
    paths = [
        f"/restate/invocation/{run_id}",
        f"/restate/workflow/Signup/{key}",
        f"/restate/invocation/Counter/{key}/add/once",
    ]
    about = [
        {"target": "invocation", "invocationId": run_id},
        {"target": "workflow", "workflowName": "Signup", "workflowKey": client.world.key},
        {
            "target": "idempotentInvocation",
            "service": "Counter",
            "handler": "add",
            "key": client.world.key,
            "idempotencyKey": "once",
        },
    ]

    async def ask_all():
        for path in paths:
            for operation in ("attach", "output"):
                await client.get(f"{path}/{operation}")
        for operation in ("attach", "output"):
            await client.get(f"/restate/{operation}/{run_id}")
        for target in about:
            await client.about(target, "attach", "output", "lookup")

    await ask_all()
    await client.post(f"/Signup/{key}/run/send")
    await client.post(f"/Counter/{key}/add/send", b'"y"', ONCE)
    await settled()
    await ask_all()


async def results_that_are_not_there_yet(client):
    key, run_id = client.key, client.run_id
    await client.post(f"/Signup/{key}/run/send")
    for path in (f"/restate/output/{run_id}", f"/restate/workflow/Signup/{key}/output"):
        await client.get(path)
    await client.about({"target": "invocation", "invocationId": run_id}, "output")
    attached = [
        client.later(f"/restate/attach/{run_id}", b"", method="GET"),
        client.later(f"/restate/workflow/Signup/{key}/attach", b"", method="GET"),
    ]
    await until(lambda: client.world.owner.requests.waiters.count == 2)
    client.world.server.host.last.say(*ended(b'"at last"'))
    await asyncio.gather(*attached)


async def awakeables(client):
    world, key = client.world, client.key
    for number, answer in enumerate(("resolve", "reject", "neither")):
        call = client.later(f"/Counter/{key}/add", b"1", ("idempotency-key", str(number)))
        await until(lambda number=number: len(world.server.host.sessions) > number)
        invocation_id = world.server.host.last.start.id
        awakeable = awakeable_text(invocation_id, 17)
        if answer == "neither":
            call.cancel()
            return
        await client.post(f"/restate/awakeables/{awakeable}/{answer}", b'"done"')
        await call
        await client.post(f"/restate/awakeables/{awakeable}/{answer}", b'"again"')


async def failures(client):
    key = client.key
    await client.post(f"/Signup/{key}/run")
    await client.get(f"/restate/workflow/Signup/{key}/attach")
    await client.get(f"/restate/workflow/Signup/{key}/output")


async def refusals(client):
    key = client.key
    waits = client.later(f"/Counter/{key}/look")
    await until(lambda: client.world.server.host.sessions)
    await client.post(f"/Counter/{key}/look")
    client.world.owner.requests.abandon()
    await waits
    client.world.owner.requests.close("closed for tests")
    await client.post(f"/Counter/{key}/add")
    await client.post(f"/Counter/{key}/add/send")


SCRIPTS = {
    calls: {"look": returns(b'"seen"'), "run": returns(b"")},
    sends: {},
    results: {"run": returns(b'"out"')},
    results_that_are_not_there_yet: {"run": goes_on},
    awakeables: {"add": awaits_signal},
    failures: {"run": fails},
    refusals: {"look": goes_on},
}


@pytest.mark.parametrize("scenario", SCRIPTS, ids=lambda scenario: scenario.__name__)
async def test_answers_are_the_same_from_everywhere(scenario):
    heard = {}
    for place in PLACES:
        limits = Limits(waiters=1) if scenario is refusals else Limits()
        async with asking(place, EngineOptions(limits=limits), **SCRIPTS[scenario]) as world:
            client = Client(world)
            await scenario(client)
            heard[place] = client.heard
    assert heard["here"] == heard["alone"]
    assert heard["elsewhere"] == heard["alone"]


async def test_a_client_that_leaves_is_waited_for_in_no_partition():
    async with asking("elsewhere", run=goes_on) as world:
        client = Client(world)
        call = client.later(f"/Signup/{client.key}/run")
        await until(lambda: world.server.waiting() == [1, 1])
        attached = client.later(f"/restate/attach/{client.run_id}", b"", method="GET")
        await until(lambda: world.server.waiting() == [2, 2])
        call.cancel()
        attached.cancel()
        await until(lambda: world.server.waiting() == [0, 0])


async def test_a_request_for_each_key_reaches_its_partition():
    async with serving(3) as server:
        keys = [f"key {number}" for number in range(18)]
        for number, key in enumerate(keys):
            ingress = Ingress(server.requests[number % 3])
            url = f"/Counter/{quote(key)}/add"
            response = await ask(ingress, "POST", url, json.dumps(key).encode(), [JSON])
            assert response.json == key
        rows = [
            len(engine.partition.tables.invocations.scan(b"", b"\xff" * 25, 100))
            for engine in server.engines
        ]
        assert sum(rows) == len(keys)
        assert all(rows)
