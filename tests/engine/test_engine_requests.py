"""What doors ask of the engine, and what they are told."""

from __future__ import annotations

import asyncio

import pytest
from engine_world import ADD, DAY_MS, RUN, A, B, EngineWorld, ident, invoke, settled
from scripted_host import (
    COUNTER,
    GREETER,
    SIGNUP,
    ScriptedHost,
    ended,
    first_says,
    manifest,
    on,
    returns,
)

from perdure.core.machine.admission import ALREADY_INVOKED
from perdure.core.model.invocations import Completed, Pin, Retention
from perdure.core.model.verdicts import Verdict
from perdure.engine.errors import OverloadedError, RefusalError, UnavailableError
from perdure.engine.requests import (
    NOT_READY,
    Answer,
    Limits,
    Submission,
    UnknownDeploymentError,
)
from perdure.protocol.ids import deployment_text, keyed_partition_key, workflow_run_id
from perdure.protocol.messages import (
    VOID,
    Error,
    ErrorBehavior,
    Failure,
    Input,
    Run,
    Sleep,
    Suspension,
    Value,
)

NOT_KEPT = Retention(0, 0)


async def running(host: ScriptedHost | None = None, **options) -> EngineWorld:
    world = EngineWorld(host, **options)
    await world.start()
    return world


def ask(request) -> asyncio.Future:
    """Begin a request."""
    return asyncio.ensure_future(request)


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


async def test_a_client_that_goes_leaves_the_invocation_running():
    world = await running()
    asked = [ask(world.engine.requests.call(invoke())) for _ in range(2)]
    await settled()
    asked[0].cancel()
    await settled()
    assert world.engine.requests._waiting == 1
    world.host.last.say(*ended())
    assert (await asked[1]).outcome == Value(b"out")
    assert world.engine.requests._waiting == 0
    assert world.engine.requests._waiters == {}
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
    assert world.engine.requests._waiters == {}
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
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
    requests = world.engine.requests
    greet = requests.registry.handler("Greeter", "greet")
    add = requests.registry.handler("Counter", "add")
    run = requests.registry.handler("Signup", "run")
    assert requests.draw_id(greet, "", None) != requests.draw_id(greet, "", None)
    assert requests.draw_id(greet, "", "k") == requests.draw_id(greet, "", "k")
    assert requests.draw_id(add, "x", None)[:8] == keyed_partition_key("x")
    assert requests.draw_id(run, "w", "ignored") == workflow_run_id("Signup", "w")
    await world.stop()


# -- Bounds


async def test_a_request_beyond_the_waiters_is_refused_and_nothing_comes_of_it():
    world = await running(limits=Limits(waiters=2))
    asked = [ask(world.engine.requests.call(invoke(ident(name)))) for name in "AB"]
    await settled()
    with pytest.raises(OverloadedError) as refusal:
        await world.engine.requests.call(invoke(ident("C")))
    assert refusal.value.status == 429
    assert world.row(ident("C")) is None
    with pytest.raises(OverloadedError):
        await world.engine.requests.attach(A)
    for session in world.host.sessions:
        session.say(*ended())
    await asyncio.gather(*asked)
    await ask(world.engine.requests.submit(invoke(ident("C"))))
    await world.stop()


async def test_a_request_beyond_what_the_log_can_take_is_refused():
    world = await running(limits=Limits(records=2))
    world.log._call_soon = lambda _commit: None
    asked = [ask(world.engine.requests.submit(invoke(ident(name)))) for name in "AB"]
    await settled()
    with pytest.raises(OverloadedError, match="log is behind"):
        await world.engine.requests.submit(invoke(ident("C")))
    with pytest.raises(OverloadedError):
        await world.engine.requests.signal(A, "s", VOID)
    with pytest.raises(OverloadedError):
        await world.engine.requests.kill(A)
    world.log._call_soon = asyncio.get_running_loop().call_soon
    world.log.commit()
    await asyncio.gather(*asked)
    await world.stop()


async def test_large_records_use_up_what_the_log_can_take_sooner():
    world = await running(limits=Limits(record_bytes=1000))
    world.log._call_soon = lambda _commit: None
    large = invoke(ident("A"), input=Input(Value(bytes(1000))))
    asked = ask(world.engine.requests.submit(large))
    await settled()
    with pytest.raises(OverloadedError, match="log is behind"):
        await world.engine.requests.submit(invoke(ident("B")))
    world.log._call_soon = asyncio.get_running_loop().call_soon
    world.log.commit()
    await asked
    await world.engine.requests.submit(invoke(ident("B")))
    assert world.engine.partition.waiting_bytes == 0
    await world.stop()


async def test_a_request_beyond_what_can_wait_for_a_slot_is_refused():
    world = await running(slots=1, limits=Limits(queued_attempts=1))
    for name in "AB":
        await world.engine.requests.submit(invoke(ident(name)))
    with pytest.raises(OverloadedError, match="slot"):
        await world.engine.requests.submit(invoke(ident("C")))
    await world.stop()


# -- Signals and verdicts


async def test_a_signal_reaches_who_has_begun_and_not_ended():
    world = await running()
    requests = world.engine.requests
    assert not await requests.signal(A, "s", VOID), "unknown"
    await requests.submit(invoke(A, ADD))
    await requests.submit(invoke(B, ADD))
    assert await requests.signal(A, "s", VOID)
    assert not await requests.signal(B, "s", VOID), "waits in line"
    world.host.last.say(*ended())
    await settled()
    assert not await requests.signal(A, "s", VOID), "ended"
    await world.stop()


async def test_a_signal_that_crosses_the_end_is_told_so():
    world = await running()
    requests = world.engine.requests
    await requests.submit(invoke())
    world.host.last.say(*ended())
    assert not await requests.signal(A, "s", VOID)
    await world.stop()


async def test_verdicts_on_what_is_unknown():
    world = await running()
    requests = world.engine.requests
    for request in (
        requests.cancel(A),
        requests.kill(A),
        requests.pause(A),
        requests.purge(A),
        requests.purge_journal(A),
        requests.resume(A, None),
        requests.resume(A, "latest"),
    ):
        assert await request is Verdict.NOT_FOUND
    assert await requests.restart_as_new(A, 0, None) == (Verdict.NOT_FOUND, None)
    await world.stop()


async def test_verdicts_on_what_runs_and_what_has_ended():
    world = await running()
    requests = world.engine.requests
    await requests.submit(invoke())
    assert await requests.purge(A) is Verdict.NOT_COMPLETED
    assert await requests.purge_journal(A) is Verdict.NOT_COMPLETED
    assert await requests.restart_as_new(A, 0, None) == (Verdict.NOT_COMPLETED, None)
    assert await requests.cancel(A) is Verdict.ACCEPTED
    assert await requests.resume(A, None) is Verdict.DONE
    world.host.last.say(*ended())
    await settled()
    assert await requests.cancel(A) is Verdict.ALREADY_COMPLETED
    assert await requests.kill(A) is Verdict.ALREADY_COMPLETED
    assert await requests.pause(A) is Verdict.NOT_RUNNING
    assert await requests.resume(A, None) is Verdict.ALREADY_COMPLETED
    assert await requests.purge_journal(A) is Verdict.DONE
    assert await requests.restart_as_new(A, 0, None) == (Verdict.JOURNAL_GONE, None)
    assert await requests.purge(A) is Verdict.DONE
    assert world.row() is None
    await world.stop()


# -- Other deployments


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


# -- The end


async def test_a_closed_engine_takes_nothing():
    world = await running()
    requests = world.engine.requests
    await requests.submit(invoke())
    requests.close("the server stops")
    for request in (
        requests.call(invoke(B)),
        requests.submit(invoke(B)),
        requests.attach(A),
        requests.signal(A, "s", VOID),
        requests.cancel(A),
        requests.resume(A, None),
    ):
        with pytest.raises(UnavailableError) as refusal:
            await request
        assert refusal.value.status == 503
    assert requests.output(A) is NOT_READY, "looking is free"
    assert world.row(B) is None
    await world.stop()


async def test_a_closed_engine_still_tells_a_result_that_is_there():
    world = await running(ScriptedHost(greet=returns()))
    await world.engine.requests.call(invoke())
    world.engine.requests.close("the server stops")
    assert (await world.engine.requests.attach(A)).outcome == Value(b"out")
    await world.stop()


async def test_who_waits_while_the_engine_stops_is_told():
    world = await running()
    calls = [ask(world.engine.requests.call(invoke())), ask(world.engine.requests.attach(A))]
    await settled()
    calls.append(ask(world.engine.requests.attach(A)))
    await settled()
    world.host.last.say(Sleep(world.clock.now_ms() + DAY_MS, 1), Suspension(on(1)))
    await world.stop()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [UnavailableError, type(None), UnavailableError]


async def test_a_request_that_ends_while_the_engine_stops_is_answered():
    world = await running()
    asked = ask(world.engine.requests.call(invoke()))
    await settled()
    stopping = ask(world.stop(grace_s=10))
    await settled()
    world.host.last.say(*ended())
    assert (await asked).outcome == Value(b"out")
    await stopping


async def test_nobody_is_left_waiting_when_the_log_fails():
    world = await running()
    requests = world.engine.requests
    asked = ask(requests.call(invoke()))
    await settled()
    world.records.fail("disk full")
    others = [ask(requests.submit(invoke(B))), ask(requests.kill(A)), ask(requests.call(invoke(B)))]
    answers = await asyncio.gather(asked, *others, return_exceptions=True)
    assert all(isinstance(answer, UnavailableError) for answer in answers)
    with pytest.raises(RefusalError):
        await requests.submit(invoke(B))
    assert [str(error) for error in world.failures] == ["disk full"]
    await world.stop()


async def test_a_result_is_forgotten_with_its_invocation():
    world = await running(ScriptedHost(greet=returns()))
    await world.engine.requests.call(invoke(retention=Retention(60_000, 60_000)))
    assert isinstance(world.row().status, Completed)
    await asyncio.sleep(62)
    assert world.row() is None
    await world.stop()
