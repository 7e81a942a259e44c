"""Attempts that fail: each is told, and tried again by policy."""

from __future__ import annotations

import asyncio
import logging

import pytest
from engine_world import ADD, GREET, A, EngineWorld, invoke, propose, running, settled
from msgspec.structs import replace
from scripted_host import (
    COUNTER,
    GREETER,
    ScriptedHost,
    ended,
    first_says,
    handler,
    manifest,
    returns,
    service,
)

from perdure.core.model.invocations import Problem, Running
from perdure.core.model.verdicts import Verdict
from perdure.engine.transports import TransportError
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import (
    Call,
    End,
    Error,
    Failure,
    Input,
    Output,
    Run,
    SetState,
    Sleep,
    Value,
)


async def test_a_failed_attempt_is_tried_again_by_policy():
    world = await running(ScriptedHost(greet=first_says(Error(500, "boom"))))
    propose(world, invoke())
    await asyncio.sleep(10)
    starts = [each.start.retry_count_since_last_stored_entry for each in world.host.sessions]
    assert starts == [0, 1, 2, 3, 4], "after 0.5, 1, 2 and 4 seconds"
    await world.stop()


async def test_a_failure_is_told_in_one_line(caplog):
    counts = first_says(Error(500, "boom\nand a secret in the second line"))
    world = await running(ScriptedHost(add=counts))
    with caplog.at_level(logging.WARNING, "perdure.engine"):
        propose(world, invoke(A, ADD))
        await asyncio.sleep(1)
    name = invocation_text(A)
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} Counter/k/add: attempt 1 failed: boom [RT0007]",
        f"{name} Counter/k/add: attempt 2 failed: boom [RT0007]",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    await world.stop()


async def test_a_failure_of_an_attempt_that_was_superseded_is_not_told(caplog):
    world = await running()
    propose(world, invoke())
    await settled()
    session = world.host.last
    await world.engine.requests.kill(A)
    session.say(Error(500, "boom"))
    assert caplog.records == []
    await world.stop()


class BrokenSession:
    """A session with a defect in one of its methods."""

    def __init__(self, session, broken: str) -> None:
        self._session = session
        self._broken = broken

    def receive(self, messages) -> None:
        self._session.receive(messages)
        self._break("receive")

    def close_input(self) -> None:
        self._break("close_input")

    def abort(self) -> None:
        self._session.abort()
        self._break("abort")

    def _break(self, method: str) -> None:
        if method == self._broken:
            raise ZeroDivisionError(method)


class BrokenHost(ScriptedHost):
    """Its sessions have a defect until it is mended."""

    broken: str | None = None

    def open(self, service, handler, protocol_version, sink):
        if self.broken == "open":
            raise ZeroDivisionError
        session = super().open(service, handler, protocol_version, sink)
        return session if self.broken is None else BrokenSession(session, self.broken)


@pytest.mark.parametrize("broken", ["open", "receive", "close_input"])
async def test_a_defect_of_a_session_costs_one_attempt(broken, caplog):
    host = BrokenHost()
    world = await running(host)
    host.broken = broken
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        propose(world, invoke())
        await settled()
        if broken == "close_input":
            world.engine._invoker._open[A].close_input()
            await settled()
    assert world.engine._invoker.open_attempts == 0
    row = world.row()
    assert isinstance(row.status, Running)
    assert row.status.problem.doc_code == "RT0006"
    host.broken = None
    await asyncio.sleep(1)
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    assert world.failures == []
    await world.stop()


async def test_a_defect_while_aborting_keeps_nobody(caplog):
    host = BrokenHost()
    world = await running(host)
    host.broken = "abort"
    propose(world, invoke())
    await settled()
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        assert await world.engine.requests.kill(A) is Verdict.DONE
    assert world.engine._invoker.open_attempts == 0
    await world.stop()
    assert world.failures == []


async def test_a_session_that_ends_and_then_fails_has_ended(caplog):
    host = BrokenHost(greet=returns())
    world = await running(host)
    host.broken = "receive"
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        answer = await world.engine.requests.call(invoke())
    assert answer.outcome == Value(b"out")
    await world.stop()


@pytest.mark.parametrize(
    "said",
    [
        [Output(Value(b"")), Error(500, "half a pair: \udcff")],
        [Run(1, "\udcff")],
        [Call("Counter", "add", b"", 1, 2, key="\udcff")],
        [Sleep(2**64, 1)],
        # Of another type than the log holds there: whoever reads it after a restart would fail.
        [Output(Value("text")), End()],
        [Output(Failure("404", "refused")), End()],
        [Output(Failure(404, "refused", (("number", 5),))), End()],
        [SetState(b"name", "text")],
        [Call("Counter", "add", b"", 1, 2, key="k", headers=(("h", 1),))],
    ],
)
async def test_what_cannot_be_stored_costs_one_attempt(said, caplog):
    world = await running()
    propose(world, invoke())
    await settled()
    session = world.host.last
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        session.say(*said)
        await settled()
    assert session.aborted
    row = world.row()
    assert isinstance(row.status, Running)
    assert "cannot be stored" in row.status.problem.message
    assert world.journal() == [Input(Value(b"in"))]
    await asyncio.sleep(1)
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


async def test_a_transport_that_cannot_reach_a_deployment_is_tried_again():
    world = await running()
    reach = world.transport.open

    def out_of_reach(*_):
        raise TransportError("RT0010", "connection refused")

    world.transport.open = out_of_reach
    propose(world, invoke())
    await settled()
    problem = world.row().status.problem
    assert (problem.doc_code, problem.message) == ("RT0010", "connection refused")
    world.transport.open = reach
    await asyncio.sleep(1)
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


async def test_a_session_that_is_lost_comes_back_when_the_service_asks_for_it():
    world = await running()
    lines = []
    reach = world.transport.open

    def noting(deployment, line):
        lines.append(line)
        return reach(deployment, line)

    world.transport.open = noting
    propose(world, invoke())
    await settled()
    assert lines[0].invocation_id == A
    session = world.host.last
    lines[0].lost(Problem(429, "slow down", doc_code="RT0023"), 5_000)
    await settled()
    assert session.aborted
    assert world.row().status.failures == 0, "an override consumes no attempt"
    lines[0].lost(Problem(500, "lost twice"), None)
    await asyncio.sleep(4.9)
    assert len(lines) == 1
    await asyncio.sleep(0.2)
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


async def test_a_handler_that_nobody_serves_is_waited_for():
    world = await running()
    later = manifest(GREETER, COUNTER, service("Later", handler("greet")))
    propose(world, invoke(A, replace(GREET, service="Later")))
    await settled()
    problem = world.row().status.problem
    assert problem.doc_code == "RT0011"
    assert "Later/greet" in problem.message
    assert world.row().status.failures_since_progress == 0, "the handler did not fail"
    world.serve(ScriptedHost(later))
    await asyncio.sleep(1)
    assert world.host.last.address == "Later/greet"
    await world.stop()


async def test_a_handler_that_nobody_serves_is_waited_for_by_the_server_s_policy():
    world = EngineWorld()
    policy = replace(world.defaults.retry_policy, max_attempts=2, initial_interval_ms=100)
    world.defaults = replace(world.defaults, retry_policy=policy)
    await world.start()
    propose(world, invoke(A, replace(GREET, service="Never")))
    await asyncio.sleep(1)
    assert world.status() == "Paused"
    await world.stop()
