"""Both peers in one test: the real engine and the real SDK, in every version of the protocol.

Nothing is faked but time. Every message goes through its wire form; with ``hasty`` the input is
closed after each hand-over, so that each await suspends and each attempt begins with a replay.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import everything
import pytest
from engine_world import EngineWorld
from framed_host import FramedHost

from perdure.core.model.records import Invoke
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.requests import Answer
from perdure.protocol.messages import Failure, Input, Value
from perdure.sdk.host import Host


@pytest.fixture(params=[5, 6, 7])
def version(request) -> int:
    return request.param


@pytest.fixture(params=[False, True], ids=["open", "hasty"])
def hasty(request) -> bool:
    return request.param


@asynccontextmanager
async def playing(version: int, *, hasty: bool) -> AsyncIterator[EngineWorld]:
    everything.outside.effects.clear()
    world = EngineWorld()
    services = everything.app.services
    host = Host(services, everything.app.manifest(), now_ms=world.clock.now_ms)
    world.host = FramedHost(host, version, hasty=hasty)
    await world.start()
    yield world
    assert {str(failure) for failure in world.failures} <= {"crashed"}
    await world.stop()


async def ask(world: EngineWorld, handler: str, argument: Any = None) -> Answer:
    requests = world.engine.requests
    schema = requests.registry.handler("Tour", handler)
    assert schema is not None
    body = b"" if argument is None else json.dumps(argument).encode()
    target = Target("Tour", handler, HandlerKind.SERVICE)
    return await requests.call(
        Invoke(
            requests.draw_id(target, None),
            target,
            Input(Value(body), (("content-type", "application/json"),)),
            schema.retention_for(idempotent=False),
        )
    )


async def result(world: EngineWorld, handler: str, argument: Any = None) -> Any:
    answer = await ask(world, handler, argument)
    assert isinstance(answer.outcome, Value), answer.outcome
    return json.loads(answer.outcome.content)


async def test_steps_are_executed_once_and_retried_until_they_succeed(version, hasty):
    async with playing(version, hasty=hasty) as world:
        assert await result(world, "steps") == ["A", "b", "C", "D", "refused", 402]
        assert sorted(everything.outside.effects) == ["a", "b", "b", "c", "d"]


async def test_sleeps_race_by_their_length(version, hasty):
    async with playing(version, hasty=hasty) as world:
        assert await result(world, "naps") == "short first"


async def test_plain_asyncio_gives_the_same_on_every_replay(version, hasty):
    async with playing(version, hasty=hasty) as world:
        assert await result(world, "plain_asyncio") == ["one", "two", "three", "timeout"]


async def test_calls_states_and_attachments(version, hasty):
    async with playing(version, hasty=hasty) as world:
        assert await result(world, "calls", "k") == [
            ["other", "text"],
            "later",
            '["later",["text"]]',
            "onceb",
            [],
        ]


async def test_awakeables_are_resolved_and_rejected(version, hasty):
    async with playing(version, hasty=hasty) as world:
        assert await result(world, "awaits") == "resolved"
        assert await result(world, "rejected") == "418 no"


async def test_a_workflow_waits_for_its_promise(version, hasty):
    async with playing(version, hasty=hasty) as world:
        assert await result(world, "workflow", "w") == ["waiting", "pact sealed"]


async def test_a_cancelled_invocation_may_clean_up(version, hasty):
    async with playing(version, hasty=hasty) as world:
        assert await result(world, "canceller") == "409"
        assert everything.outside.effects == ["cleaned"]


async def test_chance_is_the_same_in_every_attempt(version, hasty):
    async with playing(version, hasty=hasty) as world:
        drawn = await result(world, "chance")
        assert drawn[3] is True
        assert len({str(each) for each in drawn[:3]}) == 3


async def test_a_terminal_failure_is_the_result(version, hasty):
    async with playing(version, hasty=hasty) as world:
        answer = await ask(world, "hopeless")
        assert answer.outcome == Failure(409, "hopeless")


@pytest.mark.parametrize("handler", ["naps", "plain_asyncio", "awaits", "canceller", "steps"])
async def test_a_crash_after_any_record_changes_nothing(version, handler):
    """Kill the engine after its first record, its second, and so on until the handler ends."""
    async with playing(version, hasty=False) as world:
        expected = await result(world, handler)
    for records in range(1, 200):
        async with playing(version, hasty=False) as world:
            if await crashed_after(world, records, handler) is None:
                return
            assert await outcome_after_crash(world) == expected, f"crash after record {records}"
    raise AssertionError("the handler never ends")


async def crashed_after(world: EngineWorld, records: int, handler: str) -> int | None:
    """Crash once so many records are durable; None if the handler ended before."""
    start = len(list(world.proposed()))
    asking = asyncio.ensure_future(ask(world, handler))
    while len(list(world.proposed())) - start < records:
        if asking.done():
            return None
        await asyncio.sleep(0.001)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await world.crash()
    return records


async def outcome_after_crash(world: EngineWorld) -> Any:
    body = next(record for record in world.proposed() if isinstance(record, Invoke))
    answer = await world.engine.requests.attach(body.invocation_id)
    assert answer is not None
    assert isinstance(answer.outcome, Value), answer.outcome
    return json.loads(answer.outcome.content)
