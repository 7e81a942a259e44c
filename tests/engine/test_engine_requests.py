"""What doors ask of the engine, and what they are told."""

from __future__ import annotations

import asyncio

from engine_world import ADD, DAY_MS, RUN, A, B, ask, invoke, running, settled
from scripted_host import ScriptedHost, ended, returns

from perdure.core.machine.admission import ALREADY_INVOKED
from perdure.core.model.invocations import Completed, Retention
from perdure.core.model.targets import HandlerKind, Target
from perdure.core.model.verdicts import Verdict
from perdure.engine.requests import NOT_READY, Answer, Submission
from perdure.protocol.ids import keyed_partition_key, workflow_run_id
from perdure.protocol.messages import Failure, Value

NOT_KEPT = Retention(0, 0)

# -- Calls


async def test_a_call_is_answered_when_the_invocation_ends():
    world = await running()
    asked = ask(world.engine.requests.call(invoke()))
    await settled()
    assert not asked.done()
    world.host.last.say(*ended(b"hello"))
    assert await asked == Answer(Value(b"hello"))
    await world.stop()


async def test_nobody_is_answered_before_the_end_is_durable():
    world = await running()
    asked = ask(world.engine.requests.call(invoke()))
    await settled()
    world.log._call_soon = lambda _commit: None
    world.host.last.say(*ended())
    await settled()
    assert not asked.done()
    world.log.commit()
    assert (await asked).outcome == Value(b"out")
    world.log._call_soon = asyncio.get_running_loop().call_soon
    await world.stop()


async def test_a_failure_is_an_answer_too():
    world = await running()
    asked = ask(world.engine.requests.call(invoke(retention=NOT_KEPT)))
    await settled()
    await world.engine.requests.kill(A)
    assert await asked == Answer(Failure(409, "killed"))
    assert world.row() is None
    await world.stop()


async def test_all_who_ask_for_the_same_are_answered_with_the_same():
    world = await running()
    asked = [ask(world.engine.requests.call(invoke(idempotency_key="k"))) for _ in range(3)]
    await settled()
    (session,) = world.host.sessions
    session.say(*ended())
    assert await asyncio.gather(*asked) == [Answer(Value(b"out"))] * 3
    await world.stop()


async def test_who_asks_again_later_gets_the_result_that_was_kept():
    world = await running(ScriptedHost(greet=returns()))
    first = await world.engine.requests.call(invoke(idempotency_key="k"))
    completed_at = world.row().status.completed_at
    await asyncio.sleep(60)
    again = await world.engine.requests.call(invoke(idempotency_key="k"))
    assert first.expires_at is None
    assert again == Answer(Value(b"out"), completed_at + DAY_MS)
    assert len(world.host.sessions) == 1
    await world.stop()


async def test_who_asks_again_after_the_retention_asks_anew():
    short = Retention(1_000, 1_000)
    world = await running(ScriptedHost(greet=returns()))
    requests = world.engine.requests
    await requests.call(invoke(idempotency_key="k", retention=short))
    world.engine._janitor.stop()
    await asyncio.sleep(1.5)
    assert requests.lookup(A) is None, "although it was not swept yet"
    assert requests.output(A) is None
    assert await requests.attach(A) is None
    assert await requests.call(invoke(idempotency_key="k", retention=short)) == Answer(
        Value(b"out")
    )
    assert len(world.host.sessions) == 2
    await world.stop()


async def test_a_workflow_runs_once():
    world = await running()
    first = ask(world.engine.requests.call(invoke(A, RUN)))
    await settled()
    assert await world.engine.requests.call(invoke(A, RUN)) == Answer(ALREADY_INVOKED)
    world.host.last.say(*ended())
    assert (await first).outcome == Value(b"out")
    assert await world.engine.requests.call(invoke(A, RUN)) == Answer(ALREADY_INVOKED)
    await world.stop()


async def test_a_workflow_that_ends_just_now_is_not_run_for_who_asks_meanwhile():
    world = await running()
    first = ask(world.engine.requests.call(invoke(A, RUN)))
    await settled()
    world.host.last.say(*ended())
    again = ask(world.engine.requests.call(invoke(A, RUN)))
    assert (await first).outcome == Value(b"out")
    assert await again == Answer(ALREADY_INVOKED)
    await world.stop()


async def test_who_runs_a_handler_anew_is_not_answered_with_what_ran_before():
    world = await running()
    first = ask(world.engine.requests.call(invoke(retention=NOT_KEPT)))
    await settled()
    world.host.last.say(*ended(b"first"))
    again = ask(world.engine.requests.call(invoke(retention=NOT_KEPT)))
    assert (await first).outcome == Value(b"first")
    await settled()
    world.host.last.say(*ended(b"second"))
    assert (await again).outcome == Value(b"second")
    assert world.engine.requests.waiters.count == 0
    await world.stop()


async def test_a_client_that_goes_leaves_the_invocation_running():
    world = await running()
    asked = [ask(world.engine.requests.call(invoke())) for _ in range(2)]
    await settled()
    asked[0].cancel()
    await settled()
    assert world.engine.requests.waiters.count == 1
    world.host.last.say(*ended())
    assert (await asked[1]).outcome == Value(b"out")
    assert world.engine.requests.waiters.count == 0
    await world.stop()


async def test_a_client_that_goes_before_its_request_is_durable_changes_nothing():
    world = await running(ScriptedHost(greet=returns()))
    asked = ask(world.engine.requests.call(invoke()))
    sent = ask(world.engine.requests.submit(invoke(B)))
    await asyncio.sleep(0)
    asked.cancel()
    sent.cancel()
    await settled()
    assert world.status(A) == world.status(B) == "Completed"
    assert world.failures == []
    await world.stop()


async def test_a_client_that_goes_as_the_last_one_leaves_nothing_behind():
    world = await running()
    asked = ask(world.engine.requests.call(invoke()))
    await settled()
    asked.cancel()
    await settled()
    assert world.engine.requests.waiters.count == 0
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


async def test_a_result_is_forgotten_with_its_invocation():
    world = await running(ScriptedHost(greet=returns()))
    await world.engine.requests.call(invoke(retention=Retention(60_000, 60_000)))
    assert isinstance(world.row().status, Completed)
    await asyncio.sleep(62)
    assert world.row() is None
    await world.stop()


# -- Submissions, attaching, looking


async def test_a_submission_is_answered_once_it_is_durable():
    world = await running()
    due = world.clock.now_ms() + 60_000
    requests = world.engine.requests
    assert await requests.submit(invoke()) == Submission(is_new=True, execution_time=None)
    assert await requests.submit(invoke()) == Submission(is_new=False, execution_time=None)
    later = invoke(B, execution_time=due)
    assert await requests.submit(later) == Submission(is_new=True, execution_time=due)
    assert world.status(B) == "Scheduled"
    await asyncio.sleep(61)
    assert world.status(B) == "Running"
    await world.stop()


async def test_attaching_waits_for_the_result_and_gives_the_one_there_is():
    world = await running()
    requests = world.engine.requests
    await requests.submit(invoke())
    attached = ask(requests.attach(A))
    await settled()
    assert requests.output(A) is NOT_READY
    world.host.last.say(*ended())
    assert await attached == Answer(Value(b"out"))
    kept = await requests.attach(A)
    assert kept == requests.output(A)
    assert kept.expires_at is not None
    await world.stop()


async def test_nobody_waits_for_what_is_not_known():
    world = await running()
    assert await world.engine.requests.attach(A) is None
    assert world.engine.requests.output(A) is None
    assert world.engine.requests.lookup(A) is None
    await world.stop()


async def test_who_waits_is_told_of_an_invocation_that_never_started():
    world = await running()
    requests = world.engine.requests
    await requests.submit(invoke(A, ADD))
    waiting = ask(requests.call(invoke(B, ADD)))
    await settled()
    assert await requests.cancel(B) is Verdict.DONE
    assert await waiting == Answer(Failure(409, "canceled"))
    await world.stop()


async def test_ids_are_drawn_by_what_names_the_request():
    world = await running()
    draw_id = world.engine.requests.draw_id
    greet = Target("Greeter", "greet", HandlerKind.SERVICE)
    add = Target("Counter", "add", HandlerKind.EXCLUSIVE, "x")
    run = Target("Signup", "run", HandlerKind.WORKFLOW, "w")
    assert draw_id(greet, None) != draw_id(greet, None)
    assert draw_id(greet, "k") == draw_id(greet, "k")
    assert draw_id(add, None)[:8] == keyed_partition_key("x")
    assert draw_id(run, "ignored") == workflow_run_id("Signup", "w")
    await world.stop()
