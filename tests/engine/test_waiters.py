"""Who waits for an invocation's end, however many they are."""

from __future__ import annotations

import time

from engine_world import A, settled

from perdure.engine.waiters import Answer, Waiters
from perdure.protocol.messages import Value

MANY = 20_000
RESULT = Value(b"out")


async def test_those_who_wait_for_the_same_are_told_in_their_order():
    waiters, told = Waiters(), []
    for name in range(3):
        waiters.add(A, lambda answer, name=name: told.append((name, answer)))
    waiters.finish(A, RESULT)
    await settled()
    assert told == [(name, Answer(RESULT)) for name in range(3)]
    assert len(waiters) == 0


async def test_many_who_wait_for_the_same_leave_one_by_one_without_delay():
    waiters = Waiters()
    waiting = [waiters.add(A, lambda _answer: None) for _ in range(MANY)]
    began = time.process_time()
    for waiter in reversed(waiting):
        waiter.leave()
        waiter.leave()
    # To look for each of them among the others takes several seconds.
    assert time.process_time() - began < 1
    assert waiters.count == len(waiters) == 0
