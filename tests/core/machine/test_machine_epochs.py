"""Leaders: what one of an older epoch wrote is dropped."""

from __future__ import annotations

from machine_values import ENDED, GREET, KEPT, A, B, add, output

from perdure.core.model.invocations import Running
from perdure.core.model.records import AnnounceLeader, Cancel, Invoke, Progress, Record
from perdure.protocol.messages import Input, Value


def test_a_stale_leaders_records_are_dropped(world):
    world.announce()
    world.invoke(GREET, A)
    attempt = world.attempts[A]
    world.announce()
    before = world.image.held
    stale = [
        Cancel(A),
        Progress(A, attempt, (output(),), ending=ENDED),
        Invoke(B, GREET, Input(Value(b"")), KEPT),
        AnnounceLeader(1),
    ]
    for body in stale:
        assert world.replay(Record(1, world.now, body)) is None
        assert world.actions == []
        assert world.image.held == before
    world.replay(Record(2, world.now, Progress(A, attempt, (output(),), ending=ENDED)))
    assert world.outcome(A) == output().result


def test_the_epoch_survives_a_restart(world):
    world.announce()
    world.announce()
    world.restart()
    assert world.machine.epoch == 2
    world.replay(Record(1, world.now, Invoke(A, add(), Input(Value(b"")), KEPT)))
    assert world.status(A) is None


def test_what_an_older_leader_started_goes_on_under_the_next(world):
    world.announce()
    world.invoke(add(), A)
    world.invoke(add(), B)
    world.announce()
    world.restart()
    assert world.status(A) is Running
    world.end(A)
    assert world.started == [B]


def test_announcing_twice_is_announcing_once(world):
    world.announce()
    before = world.image.held
    world.apply(AnnounceLeader(1))
    assert world.image.held == before
