"""What sessions and exchanges hold is counted, and given back however they end."""

from __future__ import annotations

import asyncio
import random

import pytest

from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.memory import LIGHT_BYTES, Memory
from perdure.engine.transports import Line
from perdure.protocol import wire
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Completion, CompletionKind, End, Output, Value
from perdure.transport.exchanges import KEPT_BYTES_MAX, PIECE_BYTES, Exchange, LostError, Request
from perdure.transport.farewells import Farewells
from perdure.transport.http_session import HttpSession

TYPE = "application/vnd.restate.invocation.v7"
HEAD = {"content-type": TYPE}
LIMIT = 4 * LIGHT_BYTES
SEEDS = 300
STEPS = 30


class Attempt:
    """The engine's side, the exchange, and the connection that carries it."""

    def __init__(self, memory: Memory) -> None:
        self.problems: list[str] = []
        line = Line(
            InvocationId(bytes(24)),
            Target("S", "h", HandlerKind.SERVICE),
            7,
            lambda _messages: None,
            lambda problem, _: self.problems.append(problem.doc_code),
            memory=memory,
        )
        self.session = HttpSession(line, "http://host/", TYPE, 1 << 20, lambda: None)
        self.exchange = Exchange(Request("POST", "/", ()), self.session, memory)
        self.session.begin(self.exchange, Farewells(0.0))
        self.exchange.carry(self)
        self.over = False

    def wake(self) -> None:
        """Take nothing by itself."""

    def cancel(self) -> None:
        self.over = True

    @property
    def ended(self) -> bool:
        return self.over or self.exchange.over or bool(self.problems)


def output(size: int) -> bytes:
    return wire.encode(Output(Value(bytes(size))), 7)


def sent(size: int) -> Completion:
    return Completion(CompletionKind.RUN, 1, Value(bytes(size)))


def on_a_loop(test):
    async def main():
        test()

    asyncio.run(main())


def test_what_was_said_is_held_until_the_service_answers_and_has_taken_it():
    memory = Memory()
    attempt = Attempt(memory)
    attempt.session.receive((sent(10),))
    said = memory.held
    assert said > 10
    attempt.exchange.take(1000)
    assert memory.held == said, "it may have to be said again"
    attempt.exchange.hear_head(200, HEAD)
    assert memory.held == 0
    attempt.session.receive((sent(10),))
    assert memory.held == said
    attempt.exchange.take(1)
    assert memory.held == said
    attempt.exchange.take(1000)
    assert memory.held == 0


def test_a_piece_of_a_long_value_holds_all_of_it():
    memory = Memory()
    attempt = Attempt(memory)
    attempt.session.receive((sent(2 * KEPT_BYTES_MAX),))
    whole = memory.held
    while not attempt.exchange.drained:
        assert memory.held == whole > 2 * KEPT_BYTES_MAX
        attempt.exchange.take(PIECE_BYTES)
    assert memory.held == 0


def test_what_is_said_again_is_counted_once():
    memory = Memory()
    attempt = Attempt(memory)
    attempt.session.receive((sent(100_000),))
    said = memory.held
    attempt.exchange.take(PIECE_BYTES)
    assert attempt.exchange.rewind()
    assert memory.held == said
    attempt.session.abort()
    assert memory.held == 0


def test_a_message_that_is_not_whole_is_held():
    memory = Memory()
    attempt = Attempt(memory)
    attempt.exchange.hear_head(200, HEAD)
    message = output(10_000)
    attempt.exchange.hear_data(message[:4000])
    assert memory.held == 4000
    attempt.exchange.hear_data(message[4000:] + message[:5])
    assert memory.held == 5
    attempt.exchange.hear_data(message[5:])
    assert memory.held == 0


def coming(memory: Memory, size: int) -> Attempt:
    """Give an attempt with so much of a message of a service."""
    attempt = Attempt(memory)
    attempt.exchange.hear_head(200, HEAD)
    attempt.exchange.hear_data(output(900_000)[:size])
    return attempt


def test_who_makes_it_too_much_is_tried_again_and_the_others_go_on():
    memory = Memory(LIMIT)
    attempts = [coming(memory, 2 * LIGHT_BYTES) for _ in range(4)]
    assert [each.problems for each in attempts] == [[], [], [], ["RT0001"]]
    assert memory.held == 6 * LIGHT_BYTES == memory.most
    small = coming(memory, LIGHT_BYTES)
    assert small.problems == []
    attempts[0].exchange.hear_data(bytes(1))
    assert attempts[0].problems == ["RT0001"]
    for each in (*attempts, small):
        each.session.abort()
    assert memory.held == 0


def test_the_only_one_may_hold_as_much_as_it_needs():
    memory = Memory(LIMIT)
    attempt = coming(memory, 3 * LIMIT)
    attempt.session.receive((sent(3 * LIMIT),))
    assert attempt.problems == []
    assert memory.held > 6 * LIMIT
    attempt.exchange.lose(LostError("gone"))
    assert memory.held == 0


def test_a_service_that_takes_nothing_is_not_told_more_than_there_is_room_for():
    memory = Memory(LIMIT)
    first, second = Attempt(memory), Attempt(memory)
    first.session.receive((sent(4 * LIGHT_BYTES),))
    second.session.receive((sent(LIGHT_BYTES // 2),))
    assert second.problems == []
    second.session.receive((sent(2 * LIGHT_BYTES),))
    assert (first.problems, second.problems) == ([], ["RT0001"])
    first.session.abort()
    assert memory.held == 0


def anything(attempt: Attempt, chance: random.Random) -> None:
    """Do anything that an engine or a connection may do next."""
    exchange, session = attempt.exchange, attempt.session
    kind = chance.randrange(9)
    size = chance.choice((0, 10, 5_000, 70_000, 300_000))
    if kind <= 1 and not attempt.ended:
        session.receive((sent(size),))
    elif kind <= 4 and not exchange.drained:
        exchange.take(chance.randrange(1, PIECE_BYTES))
    elif kind == 5:
        exchange.hear_head(200, HEAD)
    elif kind == 6:
        exchange.hear_data(output(size)[: chance.randrange(size + 1)])
    elif kind == 7:
        exchange.hear_data(chance.choice((output(size), bytes(8))))
    elif exchange.rewind():
        exchange.carry(attempt)


ENDS = (
    lambda each: each.session.abort(),
    lambda each: each.exchange.lose(LostError("gone")),
    lambda each: each.exchange.hear_end(),
    lambda each: each.exchange.cancel(),
    lambda each: each.exchange.hear_head(503, {}),
    lambda each: each.exchange.hear_data(b"\xff" * 8),
    lambda each: (
        each.exchange.hear_data(wire.encode(End(), 7)),
        each.exchange.cancel(),
        each.session.abort(),
    ),
)


@pytest.mark.parametrize("end", range(len(ENDS)))
def test_nothing_is_held_after_any_end(end):
    def test():
        for seed in range(SEEDS // len(ENDS)):
            chance = random.Random(f"{end} {seed}")
            memory = Memory(chance.choice((LIMIT, 1 << 30)))
            attempts = [Attempt(memory) for _ in range(3)]
            for _ in range(STEPS):
                anything(chance.choice(attempts), chance)
                waiting = sum(each.session._waiting for each in attempts)
                assert memory.held == waiting + sum(each.exchange.held for each in attempts)
            for each in attempts:
                ENDS[end](each)
                each.session.abort()
            assert memory.held == 0, (end, seed)

    on_a_loop(test)
