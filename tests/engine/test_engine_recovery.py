"""A crash at any instant is only a delay (invariant I8): what waits is found again and goes on."""

from __future__ import annotations

import asyncio
import logging

import pytest
from engine_world import (
    ADD,
    GREET,
    RUN,
    A,
    B,
    C,
    EngineWorld,
    ident,
    invoke,
    running,
    settled,
    until,
)
from msgspec.structs import replace
from scripted_host import ScriptedHost, ended, first_says, on, returns

from perdure.core.model.invocations import Retention
from perdure.core.model.records import AnnounceLeader
from perdure.core.tables.recent import VALUE_BYTES_MAX
from perdure.engine import engine as engine_module
from perdure.engine.ports import StorageError
from perdure.engine.requests import Answer
from perdure.protocol.messages import (
    VOID,
    Call,
    Completion,
    CompletionKind,
    Error,
    Input,
    ProposeRunCompletion,
    Run,
    Signal,
    Sleep,
    Suspension,
    Value,
)
from perdure.storage.memory_store import MemoryStore

INPUT = Input(Value(b"in"))


async def submit(world: EngineWorld, *bodies) -> None:
    for body in bodies:
        await world.engine.requests.submit(body)


async def test_what_ran_goes_on_with_what_it_had_done():
    world = await running()
    await submit(world, invoke())
    world.host.last.say(Run(1), ProposeRunCompletion(1, Value(b"r")))
    await settled()
    world.host.last.say(Run(2))  # said, but never durable
    await world.crash()
    await settled()
    assert world.host.last.journal == [
        INPUT,
        Run(1),
        Completion(CompletionKind.RUN, 1, Value(b"r")),
    ]
    world.host.last.say(*ended())
    assert (await world.engine.requests.attach(A)).outcome == Value(b"out")
    await world.stop()


async def test_what_slept_wakes_when_it_would_have():
    world = await running()
    await submit(world, invoke())
    due = world.clock.now_ms() + 60_000
    world.host.last.say(Sleep(due, 1), Suspension(on(1)))
    await settled()
    await world.crash()
    await asyncio.sleep(59.9)
    assert world.host.sessions == []
    await asyncio.sleep(0.2)
    assert world.host.last.journal[-1] == Completion(CompletionKind.SLEEP, 1, VOID)
    await world.stop()


async def test_what_fell_due_while_the_server_was_away_is_due_at_once():
    world = await running()
    due = world.clock.now_ms() + 60_000
    await submit(world, invoke(execution_time=due))
    await world.stop()
    await asyncio.sleep(3_600)
    await world.start()
    await settled()
    assert world.host.last.start.id == A
    await world.stop()


async def test_what_backs_off_is_tried_again_when_it_would_have_been():
    world = await running(ScriptedHost(greet=first_says(Error(500, "no", next_retry_delay=60_000))))
    await submit(world, invoke())
    await settled()
    await world.crash()
    await asyncio.sleep(59)
    assert world.host.sessions == []
    await asyncio.sleep(2)
    assert len(world.host.sessions) == 1
    await world.stop()


async def test_who_stands_in_line_keeps_the_place():
    world = await running()
    await submit(world, invoke(A, ADD), invoke(B, ADD), invoke(C, ADD))
    await world.crash()
    for expected in (A, B, C):
        await settled()
        assert world.host.last.start.id == expected
        world.host.last.say(*ended())
    await settled()
    assert {world.status(name) for name in (A, B, C)} == {"Completed"}
    await world.stop()


async def test_what_was_paused_stays_so():
    world = await running()
    await submit(world, invoke())
    await world.engine.requests.pause(A)
    await world.crash()
    await asyncio.sleep(3_600)
    assert world.host.sessions == []
    await world.engine.requests.resume(A, None)
    assert world.host.last.start.id == A
    await world.stop()


async def test_a_caller_gets_its_result_across_a_crash():
    world = await running()
    await submit(world, invoke(A, replace(GREET, handler="relay")))
    world.host.last.say(Call("Greeter", "greet", b"", 1, 2), Suspension(on(2)))
    await settled()
    (child,) = world.host.sessions_of("greet")
    callee = child.start.id
    await world.crash()
    await settled()
    (child,) = world.host.sessions_of("greet")
    assert child.start.id == callee
    child.say(*ended(b"result"))
    await settled()
    expected = Completion(CompletionKind.CALL, 2, Value(b"result"))
    assert world.host.sessions_of("relay")[-1].journal[-1] == expected
    await world.stop()


async def test_a_result_is_kept_and_forgotten_across_a_crash():
    world = await running(ScriptedHost(greet=returns()))
    await world.engine.requests.call(
        invoke(retention=Retention(60_000, 60_000), idempotency_key="k")
    )
    await world.crash()
    answer = await world.engine.requests.attach(A)
    assert answer.outcome == Value(b"out")
    await asyncio.sleep(62)
    assert world.row() is None
    await world.stop()


async def test_a_repeated_request_after_a_crash_is_the_same_request():
    world = await running()
    asked = asyncio.ensure_future(world.engine.requests.call(invoke(idempotency_key="k")))
    await settled()
    await world.crash()
    asked.cancel()
    again = asyncio.ensure_future(world.engine.requests.call(invoke(idempotency_key="k")))
    await settled()
    (session,) = world.host.sessions
    session.say(*ended())
    assert await again == Answer(Value(b"out"))
    await world.stop()


async def test_a_workflow_s_promise_waits_across_a_crash():
    world = await running()
    await submit(world, invoke(A, RUN))
    world.host.last.say(Suspension(on(names=("go",))))
    await settled()
    await world.crash()
    assert await world.engine.requests.signal(A, "go", VOID)
    assert world.host.last.journal[-1] == Signal("go", VOID)
    await world.stop()


async def test_the_answer_that_was_not_durable_was_never_given():
    """Invariant I1: the client asks again and the handler runs again."""
    world = await running()
    asked = asyncio.ensure_future(world.engine.requests.call(invoke(idempotency_key="k")))
    await settled()
    world.log._call_soon = lambda _commit: None
    world.host.last.say(*ended(b"lost"))
    await settled()
    assert not asked.done()
    world.log._gathered.clear()
    await world.crash()
    asked.cancel()
    await settled()
    world.host.last.say(*ended(b"kept"))
    answer = await world.engine.requests.attach(A)
    assert answer.outcome == Value(b"kept")
    await world.stop()


async def test_more_running_invocations_than_a_page_are_all_found(monkeypatch):
    monkeypatch.setattr(engine_module, "RECOVERY_PAGE", 3)
    world = await running()
    names = [ident(str(number)) for number in range(10)]
    await submit(world, *(invoke(name) for name in names))
    await world.crash()
    await settled()
    assert {each.start.id for each in world.host.sessions} == set(names)
    assert len(world.host.sessions) == 10
    await world.stop()


# -- Stopping and checkpoints


async def test_a_stop_leaves_everything_in_the_store():
    world = await running(ScriptedHost(greet=returns()))
    await submit(world, invoke(A), invoke(B))
    await settled()
    await world.stop()
    assert world.store.applied_lsn == world.store.durable_lsn == world.records.tail - 1
    world.records.trim(world.store.durable_lsn)
    await world.start()
    assert world.status(A) == world.status(B) == "Completed"
    await world.stop()


async def test_the_log_is_trimmed_once_the_store_has_passed_it():
    world = await running(ScriptedHost(greet=returns()), checkpoint_records=50)
    for number in range(40):
        await world.engine.requests.call(invoke(ident(str(number))))
    assert next(world.records.read(1))[0] == 1
    await asyncio.sleep(6)
    assert world.store.durable_lsn == 81
    with pytest.raises(Exception, match="begins with 82"):
        world.records.read(1)
    await world.crash()
    assert world.status(ident("39")) == "Completed"
    await world.stop()


async def test_the_log_is_trimmed_when_few_records_are_large():
    world = await running(ScriptedHost(greet=returns()), checkpoint_bytes=5000)
    await world.engine.requests.call(invoke(A, input=Input(Value(bytes(5000)))))
    await asyncio.sleep(6)
    assert world.store.durable_lsn == 3
    await world.engine.requests.call(invoke(B))
    await asyncio.sleep(6)
    assert world.store.durable_lsn == 3
    await world.stop()


class FailingStore(MemoryStore):
    """A store whose disk has its moments."""

    failing = ""
    error: Exception = StorageError("no space left")

    def get(self, key):
        if self.failing == "read":
            raise StorageError("input/output error")
        return super().get(key)

    def write(self, changes, lsn) -> None:
        if self.failing == "write":
            raise StorageError("no space left")
        super().write(changes, lsn)

    def checkpoint(self) -> None:
        if self.failing == "checkpoint":
            raise self.error
        super().checkpoint()


@pytest.mark.parametrize(
    "error", [StorageError("no space left"), RuntimeError("can't start new thread")], ids=str
)
async def test_a_checkpoint_that_fails_is_tried_again(caplog, error):
    world = EngineWorld(ScriptedHost(greet=returns()), checkpoint_records=1)
    world.store = FailingStore()
    await world.start()
    await world.engine.requests.call(invoke())
    world.store.failing, world.store.error = "checkpoint", error
    with caplog.at_level(logging.WARNING, "perdure.engine"):
        await asyncio.sleep(12)
    assert str(error) in caplog.text
    assert next(world.records.read(1))[0] == 1, "nothing was trimmed"
    assert world.failures == []
    world.store.failing = ""
    await asyncio.sleep(6)
    assert world.store.durable_lsn == world.store.applied_lsn > 0
    await world.stop()


async def test_a_store_that_cannot_be_written_stops_the_engine(caplog):
    world = EngineWorld(ScriptedHost(greet=returns()), checkpoint_records=1)
    world.store = FailingStore()
    await world.start()
    await world.engine.requests.call(invoke())
    world.store.failing = "write"
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        await until(lambda: world.failures)
    assert [str(error) for error in world.failures] == ["no space left"]
    await world.stop()
    world.store.failing = ""
    await world.start()
    assert world.status() == "Completed", "the log has it"
    await world.stop()


async def test_what_cannot_be_read_when_its_turn_comes_stops_the_engine():
    world = EngineWorld(slots=1)
    world.store = FailingStore()
    await world.start()
    # Of what was just written, what is this long is not remembered.
    long = Input(Value(bytes(VALUE_BYTES_MAX)))
    await submit(world, invoke(A), invoke(B, input=long))
    world.engine.partition.flush()
    world.store.failing = "read"
    world.host.last.say(*ended())
    await until(lambda: world.failures)
    assert [str(error) for error in world.failures] == ["input/output error"]
    await world.stop()
    world.store.failing = ""
    await world.start()
    # The end of A was on its way to the log, and nobody had been told of it.
    assert [world.status(each) for each in (A, B)] == ["Running", "Running"]
    await world.stop()


async def test_what_was_half_applied_is_never_stored(caplog):
    world = await running(checkpoint_records=1)
    await submit(world, invoke(A))
    tables = world.engine.partition.tables

    def half(_record, _deliveries_max):
        tables.invocations.put(A, None)
        raise ZeroDivisionError

    world.engine.partition.machine.apply = half
    with caplog.at_level(logging.CRITICAL + 1, "perdure.engine"):
        world.engine.partition.propose(invoke(B))
        await until(lambda: world.failures)
    await asyncio.sleep(30)
    await world.stop()
    assert world.store.applied_lsn == 0
    await world.start()
    assert world.status(A) == world.status(B) == "Running"
    await world.stop()


async def test_what_is_half_applied_while_a_checkpoint_waits_is_never_stored():
    world = await running(checkpoint_records=1)
    await submit(world, invoke(A))
    partition = world.engine.partition

    async def fails():
        partition.tables.invocations.put(A, None)
        partition.fail(StorageError("input/output error"))

    partition.flush_gently = fails
    await until(lambda: world.failures)
    await asyncio.sleep(30)
    await world.stop()
    assert world.store.applied_lsn == 0


# -- Starting


async def test_a_log_that_cannot_be_written_is_known_at_the_start():
    world = EngineWorld()
    world.records.fail("read-only file system")
    with pytest.raises(StorageError, match="read-only"):
        await world.start()
    assert len(world.failures) == 1
    await world.stop()


async def test_a_new_leader_is_announced_before_anything_is_resumed():
    world = await running()
    await submit(world, invoke())
    await world.crash()
    bodies = list(world.proposed())
    assert isinstance(bodies[-1], AnnounceLeader)
    assert bodies[-1].epoch == 2
    await world.stop()


async def test_draining_stops_the_clocks():
    world = await running()
    await submit(world, invoke(execution_time=world.clock.now_ms() + 1_000))
    await world.engine.drain(0)
    tail = world.records.tail
    await asyncio.sleep(60)
    assert world.records.tail == tail
    await world.engine.close()
    assert world.failures == []
