"""States that are replaced from outside, and journals that are read, by way of the engine."""

from __future__ import annotations

import pytest
from engine_world import ADD, RUN, A, EngineWorld, invoke, running, settled

from perdure.core.model.verdicts import Verdict
from perdure.core.tables.keys import object_group
from perdure.engine.errors import UnavailableError


def state(world: EngineWorld, service: str, key: str) -> dict[bytes, bytes]:
    rows = world.engine.partition.tables.states.rows(object_group(service, key))
    return dict(rows)


async def test_a_free_key_has_its_new_state_when_the_answer_comes():
    world = await running()
    replacing = world.engine.requests.mutate_state("Counter", "k", {b"a": b"1"}, None)
    assert await replacing is Verdict.DONE
    assert state(world, "Counter", "k") == {b"a": b"1"}
    await world.stop()


async def test_a_held_key_has_it_after_its_holder_however_often_the_process_dies():
    world = await running()
    await world.engine.requests.submit(invoke(A, ADD))
    replacing = world.engine.requests.mutate_state("Counter", "k", {b"a": b"1"}, None)
    assert await replacing is Verdict.ACCEPTED
    for _ in range(2):
        await world.crash()
        assert state(world, "Counter", "k") == {}
    assert await world.engine.requests.kill(A) is Verdict.DONE
    assert state(world, "Counter", "k") == {b"a": b"1"}
    await world.crash()
    assert state(world, "Counter", "k") == {b"a": b"1"}
    await world.stop()


async def test_an_attempt_starts_with_the_state_that_was_put_before_it():
    world = await running()
    await world.engine.requests.mutate_state("Counter", "k", {b"a": b"1"}, None)
    await world.engine.requests.submit(invoke(A, ADD))
    await settled()
    assert world.host.last.start.state_map == ((b"a", b"1"),)
    await world.stop()


async def test_a_workflow_is_not_waited_for():
    world = await running()
    await world.engine.requests.submit(invoke(A, RUN))
    replacing = world.engine.requests.mutate_state("Signup", "w", {b"a": b"1"}, None)
    assert await replacing is Verdict.DONE
    await world.stop()


async def test_a_journal_is_read_a_page_at_a_time():
    world = await running()
    requests = world.engine.requests
    await requests.submit(invoke(A, ADD))
    (only,) = requests.journal(A, 0, 10)
    assert only.message == world.journal(A)[0]
    assert requests.journal(A, 1, 10) == requests.journal(A, 0, 0) == []
    await world.stop()


async def test_nothing_is_replaced_once_the_server_stops():
    world = await running()
    await world.stop()
    with pytest.raises(UnavailableError):
        await world.engine.requests.mutate_state("Counter", "k", {}, None)
