"""What is asked about invocations there are: signals, pauses and ends, and what is answered."""

from __future__ import annotations

from engine_world import ADD, A, B, invoke, running, settled
from scripted_host import ended

from perdure.core.model.verdicts import Verdict
from perdure.protocol.messages import VOID


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
