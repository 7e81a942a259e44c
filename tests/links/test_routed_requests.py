"""What may be asked of an engine is answered alike, wherever the invocation lives."""

from __future__ import annotations

import pytest
from engine_world import ask, settled, until
from routed_world import KEPT, PLACES, asking, awaits_signal, goes_on
from scripted_host import ended, returns

from perdure.core.machine.admission import ALREADY_INVOKED
from perdure.core.model.records import Cancel
from perdure.core.model.verdicts import Verdict
from perdure.core.tables.keys import object_group
from perdure.engine.engine import EngineOptions
from perdure.engine.errors import OverloadedError, RefusalError, UnavailableError
from perdure.engine.gate import Limits
from perdure.engine.pinning import UnknownDeploymentError
from perdure.engine.reception import GOES_ON, Finding, Submission
from perdure.engine.waiters import Answer
from perdure.links.answering import JOURNAL_PAGE, JOURNAL_PAGE_BYTES
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import VOID, Failure, SetState, Value

UNKNOWN = bytes.fromhex("ff" * 8) + bytes(16)

everywhere = pytest.mark.parametrize("place", PLACES)


def keep(told):
    """Give what takes an answer."""
    return told.append


# -- Invoking and waiting


@everywhere
async def test_a_call_is_answered(place):
    async with asking(place) as world:
        body = world.request()
        assert await world.requests.call(body) == Answer(Value(b'"x"'))
        assert world.owner.requests.lookup(body.invocation_id) is not None
        assert world.server.waiting() == [0] * world.server.count


@everywhere
async def test_a_call_that_was_made_before_finds_its_result(place):
    async with asking(place) as world:
        body = world.request("greet", idempotency_key=world.once)
        first = await world.requests.call(body)
        again = await world.requests.call(world.request("greet", idempotency_key=world.once))
        assert (first.expires_at, again.outcome) == (None, first.outcome)
        assert again.expires_at == world.server.clock.now_ms() + KEPT.completion_ms


@everywhere
async def test_a_call_that_is_repeated_is_answered_with_the_first(place):
    async with asking(place, greet=goes_on) as world:
        asked = [
            ask(world.requests.call(world.request("greet", idempotency_key=world.once)))
            for _ in range(3)
        ]
        await settled()
        world.server.host.last.say(*ended(b"1"))
        assert [(await each).outcome for each in asked] == [Value(b"1")] * 3
        assert len(world.server.host.sessions) == 1


@everywhere
async def test_a_workflow_runs_once(place):
    async with asking(place, run=returns()) as world:
        assert await world.requests.call(world.request("run")) == Answer(Value(b"out"))
        assert await world.requests.call(world.request("run")) == Answer(ALREADY_INVOKED)


@everywhere
async def test_a_submission_is_answered_when_it_is_durable(place):
    async with asking(place, run=goes_on) as world:
        due = world.server.clock.now_ms() + 60_000
        body = world.request("run", execution_time=due)
        assert await world.requests.submit(body) == Submission(is_new=True, execution_time=due)
        assert await world.requests.submit(body) == Submission(is_new=False, execution_time=due)


@everywhere
async def test_who_leaves_a_call_is_waited_for_nowhere(place):
    async with asking(place, add=goes_on) as world:
        told, body = [], world.request()
        waiter = world.requests.begin_call(body, keep(told))
        await settled()
        assert waiter.invocation_id == body.invocation_id
        assert [waiting for waiting in world.server.waiting() if waiting]
        waiter.leave()
        waiter.leave()
        await settled()
        assert world.server.waiting() == [0] * world.server.count
        world.server.host.last.say(*ended())
        await settled()
        assert told == []
        assert (await world.requests.attach(body.invocation_id)).outcome == Value(b"out")


@everywhere
async def test_who_leaves_at_once_has_still_asked(place):
    async with asking(place) as world:
        body = world.request()
        world.requests.begin_call(body, pytest.fail).leave()
        await settled()
        assert (await world.requests.attach(body.invocation_id)).outcome == Value(b'"x"')


@everywhere
async def test_who_attaches_is_told_what_ran(place):
    async with asking(place, run=goes_on) as world:
        told, target = [], world.request("run").target
        world.requests.begin_attach(world.run_id, keep(told))
        await settled()
        assert told == [None], "unknown"
        await world.requests.submit(world.request("run"))
        world.requests.begin_attach(world.run_id, keep(told))
        world.requests.begin_attach(world.run_id, pytest.fail).leave()
        await settled()
        world.server.host.last.say(*ended())
        await settled()
        world.requests.begin_attach(world.run_id, keep(told))
        await settled()
        expires_at = world.server.clock.now_ms() + KEPT.completion_ms
        assert told[1:] == [
            Finding(target, Answer(Value(b"out"))),
            Finding(target, Answer(Value(b"out"), expires_at)),
        ]
        assert world.server.waiting() == [0] * world.server.count


@everywhere
async def test_an_output_is_read_without_waiting(place):
    async with asking(place, run=goes_on) as world:
        told, target = [], world.request("run").target
        for step in (
            lambda: world.requests.submit(world.request("run")),
            lambda: world.requests.kill(world.run_id),
        ):
            world.requests.begin_output(world.run_id, keep(told))
            await settled()
            await step()
        world.requests.begin_output(world.run_id, keep(told))
        await settled()
        assert told[:2] == [None, Finding(target, None)]
        assert isinstance(told[2].answer.outcome, Failure)


# -- Looking


@everywhere
async def test_a_row_is_found(place):
    async with asking(place) as world:
        body = world.request()
        assert await world.requests.find(body.invocation_id) is None
        await world.requests.call(body)
        row = await world.requests.find(body.invocation_id)
        assert row == world.owner.requests.lookup(body.invocation_id)
        assert row.target == body.target


@everywhere
async def test_a_journal_is_read_in_pages(place):
    steps = [SetState(b"name", Value(b"%d" % number)) for number in range(3 * JOURNAL_PAGE)]
    async with asking(place, add=goes_on) as world:
        body = world.request()
        assert await world.requests.read_journal(body.invocation_id, 0, 10) is None
        await world.requests.submit(body)
        await until(lambda: world.server.host.sessions)
        world.server.host.last.say(*steps, *ended())
        await world.requests.attach(body.invocation_id)
        whole = await world.requests.read_journal(body.invocation_id, 0, 1_000)
        assert len(whole) == len(steps) + 2
        assert whole[1].message == steps[0]
        part = await world.requests.read_journal(body.invocation_id, 5, 2 * JOURNAL_PAGE + 1)
        assert part == whole[5 : 2 * JOURNAL_PAGE + 6]
        assert await world.requests.read_journal(body.invocation_id, 1_000, 10) == []


async def test_a_journal_comes_in_pieces_that_fit_memory():
    large = Value(bytes(JOURNAL_PAGE_BYTES // 2 + 1))
    steps = [SetState(b"name", large) for _ in range(5)]
    async with asking("elsewhere", add=goes_on) as world:
        body = world.request()
        await world.requests.submit(body)
        await until(lambda: world.server.host.sessions)
        world.server.host.last.say(*steps, *ended())
        await world.requests.attach(body.invocation_id)
        entries = await world.requests.read_journal(body.invocation_id, 0, 1_000)
        assert [entry.message for entry in entries[1:]] == [*steps, ended()[0]]


# -- Changing what runs


@everywhere
async def test_a_signal_reaches_who_waits(place):
    async with asking(place, run=awaits_signal) as world:
        assert not await world.requests.signal(world.run_id, 17, Value(b"now"))
        call = ask(world.requests.call(world.request("run")))
        await until(lambda: world.server.host.sessions)
        assert await world.requests.signal(world.run_id, 17, Value(b"now"))
        assert (await call).outcome == Value(b"now")
        assert not await world.requests.signal(world.run_id, 17, VOID)


@everywhere
async def test_changes_are_judged(place):
    async with asking(place, run=goes_on) as world:
        requests, run_id = world.requests, world.run_id
        for change in (requests.cancel, requests.kill, requests.pause, requests.purge):
            assert await change(run_id) is Verdict.NOT_FOUND
        await requests.submit(world.request("run"))
        assert await requests.cancel(run_id) is Verdict.ACCEPTED
        assert await requests.purge_journal(run_id) is Verdict.NOT_COMPLETED
        assert await requests.kill(run_id) is Verdict.DONE
        assert await requests.pause(run_id) is Verdict.NOT_RUNNING
        assert await requests.purge_journal(run_id) is Verdict.DONE
        assert await requests.purge(run_id) is Verdict.DONE
        assert await requests.find(run_id) is None


@everywhere
async def test_what_pauses_is_resumed_where_it_should_be(place):
    async with asking(place, run=goes_on) as world:
        requests, run_id = world.requests, world.run_id
        assert await requests.resume(run_id, None) is Verdict.NOT_FOUND
        await requests.submit(world.request("run"))
        await until(lambda: world.server.host.sessions)
        await requests.pause(run_id)
        with pytest.raises(UnknownDeploymentError, match="'dp_none' does not serve Signup/run"):
            await requests.resume(run_id, "dp_none")
        assert await requests.resume(run_id, world.server.deployment) is Verdict.DONE


@everywhere
async def test_what_has_ended_runs_again_beside_itself(place):
    async with asking(place) as world:
        requests, body = world.requests, world.request()
        assert await requests.restart_as_new(body.invocation_id, 0, None) == (
            Verdict.NOT_FOUND,
            None,
        )
        await requests.call(body)
        with pytest.raises(UnknownDeploymentError, match="'dp_none' does not serve"):
            await requests.restart_as_new(body.invocation_id, 0, "dp_none")
        verdict, new_id = await requests.restart_as_new(body.invocation_id, 0, None)
        assert verdict is Verdict.DONE
        assert new_id[:8] == body.invocation_id[:8]
        assert (await requests.attach(new_id)).outcome == Value(b'"x"')


@everywhere
async def test_the_state_of_an_object_is_replaced_where_it_is(place):
    async with asking(place) as world:
        mutate = world.requests.mutate_state
        assert await mutate("Counter", world.key, {b"name": b"1"}, None) is Verdict.DONE
        tables = world.owner.partition.tables
        assert list(tables.states.rows(object_group("Counter", world.key))) == [(b"name", b"1")]
        assert await mutate("Counter", world.key, {}, "other") is Verdict.STATE_CHANGED


# -- Refusals


@everywhere
async def test_nothing_is_taken_by_who_stops(place):
    async with asking(place) as world:
        world.asked.requests.close("closed here")
        for refused in (
            world.requests.call(world.request()),
            world.requests.submit(world.request()),
            world.requests.signal(world.run_id, 1, VOID),
            world.requests.cancel(world.run_id),
            world.requests.resume(world.run_id, None),
            world.requests.restart_as_new(world.run_id, 0, None),
        ):
            with pytest.raises(UnavailableError, match="closed here"):
                await refused


async def test_nothing_is_taken_by_a_partition_that_stops():
    async with asking("elsewhere") as world:
        world.owner.requests.close("closed there")
        for refused in (
            world.requests.call(world.request()),
            world.requests.submit(world.request()),
            world.requests.signal(world.run_id, 1, VOID),
            world.requests.cancel(world.run_id),
            world.requests.resume(world.run_id, None),
            world.requests.restart_as_new(world.run_id, 0, None),
        ):
            with pytest.raises(UnavailableError, match="closed there"):
                await refused


@everywhere
async def test_no_more_wait_than_may(place):
    options = EngineOptions(limits=Limits(waiters=2))
    async with asking(place, options, add=goes_on) as world:
        waiting = [world.requests.begin_call(world.request(), pytest.fail) for _ in range(2)]
        with pytest.raises(OverloadedError, match="too many requests wait for a result"):
            await world.requests.call(world.request())
        for waiter in waiting:
            waiter.leave()
        await world.requests.submit(world.request())


async def test_who_waits_elsewhere_counts_there_alone():
    options = EngineOptions(limits=Limits(waiters=2))
    async with asking("elsewhere", options, add=goes_on, greet=goes_on) as world:
        requests = world.requests
        there = [requests.begin_call(world.request(), pytest.fail) for _ in range(2)]
        here = [requests.begin_call(world.request("greet"), pytest.fail) for _ in range(2)]
        await settled()
        assert [engine.requests.waiters.count for engine in world.server.engines] == [2, 2]
        for waiter in (*there, *here):
            waiter.leave()
        await settled()
        assert [engine.requests.waiters.count for engine in world.server.engines] == [0, 0]


async def test_no_more_wait_for_a_partition_than_may_there():
    options = EngineOptions(limits=Limits(waiters=2))
    async with asking("elsewhere", options, add=goes_on) as world:
        bodies = [world.request() for _ in range(2)]
        waiting = [world.owner.requests.begin_call(body, pytest.fail) for body in bodies]
        with pytest.raises(OverloadedError, match="too many requests wait for a result"):
            await world.requests.call(world.request())
        for waiter in waiting:
            waiter.leave()


@everywhere
async def test_results_are_read_from_who_stops(place):
    async with asking(place, run=returns()) as world:
        told = []
        await world.requests.call(world.request("run"))
        for requests in (world.asked.requests, world.owner.requests):
            requests.close("closed for tests")
        world.requests.begin_output(world.run_id, keep(told))
        await settled()
        assert told[0].answer.outcome == Value(b"out")
        assert await world.requests.find(world.run_id) is not None
        assert await world.requests.read_journal(world.run_id, 0, 1)


@everywhere
async def test_those_who_only_ask_do_not_count_among_those_who_wait(place):
    options = EngineOptions(limits=Limits(waiters=1))
    async with asking(place, options, run=goes_on) as world:
        requests, told = world.requests, []
        for _ in range(3):
            requests.begin_submit(world.request("run"), keep(told))
            requests.begin_change(Cancel(world.run_id), keep(told))
            requests.begin_signal(world.run_id, 17, VOID, keep(told))
            requests.begin_output(world.run_id, keep(told))
        await settled()
        assert len(told) == 12
        assert not [each for each in told if isinstance(each, RefusalError)]


async def test_who_waits_elsewhere_when_this_process_stops_is_told_that_it_goes_on():
    async with asking("elsewhere", add=goes_on) as world:
        call = ask(world.requests.call(world.request()))
        await settled()
        world.asked.requests.abandon()
        with pytest.raises(UnavailableError) as raised:
            await call
        assert str(raised.value) == GOES_ON


async def test_who_waits_when_the_other_process_stops_is_told_that_it_goes_on():
    async with asking("elsewhere", add=goes_on) as world:
        calls = [ask(world.requests.call(world.request())) for _ in range(3)]
        await settled()
        world.owner.requests.abandon()
        for call in calls:
            with pytest.raises(UnavailableError, match="attach to it by its id"):
                await call


async def test_who_waits_when_the_other_process_dies_is_told_that_it_may_go_on():
    async with asking("elsewhere", add=goes_on) as world:
        call = ask(world.requests.call(world.request()))
        read = ask(world.requests.read_journal(world.run_id, 0, 1))
        await settled()
        await world.server.links[-1].close()
        with pytest.raises(UnavailableError, match="attach to it by its id"):
            await call
        assert await read is None
        assert world.server.lost == [1]
        with pytest.raises(UnavailableError, match="attach to it by its id"):
            await world.requests.submit(world.request())
        assert world.server.waiting()[0] == 0


async def test_who_cannot_be_sent_does_not_wait():
    async with asking("elsewhere") as world:
        body = world.request("look", object())
        with pytest.raises(TypeError):
            world.requests.begin_call(body, pytest.fail)
        assert world.server.waiting() == [0, 0]


async def test_plain_requests_run_where_they_came_in():
    async with asking("elsewhere") as world:
        body = world.request("greet")
        assert await world.requests.call(body) == Answer(Value(b'"x"'))
        assert world.asked.requests.lookup(body.invocation_id) is not None
        assert world.owner.requests.lookup(InvocationId(body.invocation_id)) is None
